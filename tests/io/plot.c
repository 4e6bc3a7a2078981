/* Plots: pictures that decode, whose pixels show what was drawn, and hostile data. */
#include "base/base.h"
#include "base/os.h"
#include "base/rng.h"
#include "test.h"
#include "tuff/io.h"

#include <png.h>

#define FOLDER TEST_BINARY_DIR "/plot"

static struct tuff_ctx *ctx;

struct picture {
    uint32_t width, height;
    uint8_t *rgb;
};

static struct picture load(const char *path)
{
    png_image image = {.version = PNG_IMAGE_VERSION};
    CHECK(png_image_begin_read_from_file(&image, path));
    image.format = PNG_FORMAT_RGB;
    struct picture picture = {image.width, image.height, malloc(PNG_IMAGE_SIZE(image))};
    CHECK(png_image_finish_read(&image, NULL, picture.rgb, 0, NULL));
    return picture;
}

static size_t count_colour(const struct picture *picture, uint32_t colour)
{
    size_t n = 0;
    for (size_t i = 0; i < (size_t) picture->width * picture->height; i++) {
        const uint8_t *p = picture->rgb + 3 * i;
        n += (uint32_t) (p[0] << 16 | p[1] << 8 | p[2]) == colour;
    }
    return n;
}

/* A loss curve as training gives it: raw values, their average, and a few evaluations. */
static void test_loss_curve(void)
{
    enum { N = 3000, EVALS = 12, WINDOW = 60 };
    static double x[N], raw[N], smooth[N], eval_x[EVALS], eval_y[EVALS];
    struct tuff_rng rng;
    tuff_rng_init(&rng, 3, 0);
    double average = 4.5;
    for (int i = 0; i < N; i++) {
        x[i] = i + 1;
        double loss = 1.35 + 3.1 * exp(-i / 260.0) + 0.5 * exp(-i / 1800.0);
        raw[i] = loss + 0.11 * tuff_rng_normal(&rng);
        average += (raw[i] - average) / TUFF_MIN(i + 1, WINDOW);
        smooth[i] = average;
        if ((i + 1) % (N / EVALS) == 0) {
            eval_x[i / (N / EVALS)] = i + 1;
            eval_y[i / (N / EVALS)] = loss + 0.08 + i * 2e-5;
        }
    }
    struct tuff_plot_series series[] = {{NULL, x, raw, N, true},
                                        {"training loss (average of 60)", x, smooth, N, false},
                                        {"validation loss", eval_x, eval_y, EVALS, false}};
    struct tuff_plot plot = {
        "Loss of shakespeare-6x384", "step", "loss (nats per token)", series, 3, 0, 0};
    CHECK_OK(ctx, tuff_plot_write_png(ctx, &plot, FOLDER "/loss.png"));
    struct picture picture = load(FOLDER "/loss.png");
    CHECK(picture.width == 900 && picture.height == 540);
    CHECK(count_colour(&picture, 0xffffff) > 900 * 540 / 2);
    CHECK(count_colour(&picture, 0xe8703a) > 800);     /* the average, two pixels wide */
    CHECK(count_colour(&picture, 0x2f9e62) > 12 * 15); /* evaluations and their dots */
    CHECK(count_colour(&picture, 0xe7eaeeu) > 3000);   /* grid */
    free(picture.rgb);
}

/* Every glyph leaves ink, and no two letters look the same. */
static void test_letters(void)
{
    static uint64_t sums[95];
    for (int c = 33; c < 127; c++) {
        char text[2] = {(char) c, 0};
        struct tuff_plot plot = {text, NULL, NULL, NULL, 0, 200, 200};
        CHECK_OK(ctx, tuff_plot_write_png(ctx, &plot, FOLDER "/letter.png"));
        struct picture picture = load(FOLDER "/letter.png");
        for (size_t i = 0; i < 200 * 50; i++)
            sums[c - 32] += (255u - picture.rgb[3 * i]) * (1 + i * 2654435761u % 1009);
        CHECK_MSG(sums[c - 32] > 0, "%s", text);
        for (int other = 33; other < c; other++)
            CHECK_MSG(sums[other - 32] != sums[c - 32], "%c and %c", other, c);
        free(picture.rgb);
    }
    struct tuff_plot all = {"!\"#$%&'()*+,-./0123456789:;<=>?@",
                            "ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`",
                            "abcdefghijklmnopqrstuvwxyz{|}~ \xc3\xa9",
                            NULL,
                            0,
                            0,
                            0};
    CHECK_OK(ctx, tuff_plot_write_png(ctx, &all, FOLDER "/letters.png"));
}

static void test_hostile_data(void)
{
    static const double ends[] = {0,      1,   -1,       1e-320,    1e300, -1e308,   1e12,
                                  123456, NAN, INFINITY, -INFINITY, 1e-9,  1 + 1e-15};
    for (size_t a = 0; a < TUFF_COUNT(ends); a++)
        for (size_t b = 0; b < TUFF_COUNT(ends); b++) {
            double x[3] = {ends[a], ends[b], 0}, y[3] = {ends[b], ends[a], ends[b]};
            struct tuff_plot_series series = {"s", x, y, 2 + (a & 1), false};
            struct tuff_plot plot = {"t", "x", "y", &series, 1, 200, 200};
            CHECK_OK(ctx, tuff_plot_write_png(ctx, &plot, FOLDER "/hostile.png"));
        }
    struct tuff_plot plot = {.width = 100};
    CHECK(tuff_plot_write_png(ctx, &plot, FOLDER "/none.png") == TUFF_E_RANGE);
    plot.width = 0;
    CHECK(tuff_plot_write_png(ctx, &plot, FOLDER "/absent/none.png") == TUFF_E_IO);
    CHECK_OK(ctx, tuff_plot_write_png(ctx, &plot, FOLDER "/empty.png"));
}

int main(void)
{
    ctx = tuff_ctx_create(NULL);
    CHECK_OK(ctx, tuff_os_mkdirs(ctx, FOLDER));
    test_loss_curve();
    test_letters();
    test_hostile_data();
    tuff_ctx_destroy(ctx);
    return test_end();
}
