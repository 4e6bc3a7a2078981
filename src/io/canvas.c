/* io/canvas: the mask, painting, and the PNG. Letters are in font.c. */
#include "io/canvas.h"

#include "base/os.h"

#include <math.h>
#include <png.h>

enum tuff_status tuff_canvas_init(struct tuff_ctx *ctx, struct tuff_canvas *canvas, int width,
                                  int height)
{
    size_t n = (size_t) width * (size_t) height;
    *canvas = (struct tuff_canvas){.width = width, .height = height};
    canvas->mask = tuff_calloc(n, sizeof *canvas->mask);
    canvas->rgb = tuff_calloc(n, 3);
    if (!canvas->mask || !canvas->rgb) {
        tuff_canvas_fini(canvas);
        return tuff_fail(ctx, TUFF_E_NOMEM, "picture of %d x %d: out of host memory", width,
                         height);
    }
    memset(canvas->rgb, 255, n * 3);
    tuff_canvas_clip(canvas, 0, 0, width, height);
    memcpy(canvas->dirty, (int[4]){width, height, 0, 0}, sizeof canvas->dirty);
    return TUFF_OK;
}

void tuff_canvas_fini(struct tuff_canvas *canvas)
{
    free(canvas->mask);
    free(canvas->rgb);
    *canvas = (struct tuff_canvas){0};
}

void tuff_canvas_clip(struct tuff_canvas *canvas, int left, int top, int right, int bottom)
{
    canvas->clip[0] = TUFF_MAX(left, 0);
    canvas->clip[1] = TUFF_MAX(top, 0);
    canvas->clip[2] = TUFF_MIN(right, canvas->width);
    canvas->clip[3] = TUFF_MIN(bottom, canvas->height);
}

static void cover(struct tuff_canvas *canvas, int x, int y, float amount)
{
    float *at = &canvas->mask[(size_t) y * (size_t) canvas->width + (size_t) x];
    if (amount > *at)
        *at = amount;
}

/* Widens the dirty part by the box cut to the clip; false when nothing is left of it. */
static bool touch(struct tuff_canvas *canvas, int box[4])
{
    for (int i = 0; i < 2; i++) {
        box[i] = TUFF_MAX(box[i], canvas->clip[i]);
        box[i + 2] = TUFF_MIN(box[i + 2], canvas->clip[i + 2]);
    }
    if (box[0] >= box[2] || box[1] >= box[3])
        return false;
    for (int i = 0; i < 2; i++) {
        canvas->dirty[i] = TUFF_MIN(canvas->dirty[i], box[i]);
        canvas->dirty[i + 2] = TUFF_MAX(canvas->dirty[i + 2], box[i + 2]);
    }
    return true;
}

static int pixel(double at)
{
    return (int) fmin(fmax(at, -100000), 100000);
}

void tuff_canvas_segment(struct tuff_canvas *canvas, double x0, double y0, double x1, double y1,
                         double thickness)
{
    double reach = thickness / 2 + 0.5, dx = x1 - x0, dy = y1 - y0, length2 = dx * dx + dy * dy;
    int box[4] = {pixel(floor(fmin(x0, x1) - reach)), pixel(floor(fmin(y0, y1) - reach)),
                  pixel(ceil(fmax(x0, x1) + reach)), pixel(ceil(fmax(y0, y1) + reach))};
    if (!touch(canvas, box))
        return;
    for (int y = box[1]; y < box[3]; y++)
        for (int x = box[0]; x < box[2]; x++) {
            double px = x + 0.5 - x0, py = y + 0.5 - y0;
            double t = length2 > 0 ? (px * dx + py * dy) / length2 : 0;
            t = fmin(fmax(t, 0), 1);
            /* Coverage falls from 1 to 0 over the pixel that the edge crosses. */
            double amount = reach - hypot(px - t * dx, py - t * dy);
            if (amount > 0)
                cover(canvas, x, y, (float) fmin(amount, fmin(thickness, 1)));
        }
}

void tuff_canvas_box(struct tuff_canvas *canvas, int left, int top, int right, int bottom)
{
    int box[4] = {left, top, right, bottom};
    if (!touch(canvas, box))
        return;
    for (int y = box[1]; y < box[3]; y++)
        for (int x = box[0]; x < box[2]; x++)
            cover(canvas, x, y, 1);
}

void tuff_canvas_paint(struct tuff_canvas *canvas, uint32_t colour, double opacity)
{
    for (int y = canvas->dirty[1]; y < canvas->dirty[3]; y++)
        for (int x = canvas->dirty[0]; x < canvas->dirty[2]; x++) {
            size_t at = (size_t) y * (size_t) canvas->width + (size_t) x;
            double amount = canvas->mask[at] * opacity;
            for (int c = 0; c < 3 && amount > 0; c++) {
                uint8_t *to = &canvas->rgb[3 * at + (size_t) c];
                double wanted = colour >> (16 - 8 * c) & 255;
                *to = (uint8_t) (*to + (wanted - *to) * amount + 0.5);
            }
            canvas->mask[at] = 0;
        }
    memcpy(canvas->dirty, (int[4]){canvas->width, canvas->height, 0, 0}, sizeof canvas->dirty);
}

enum tuff_status tuff_canvas_write(struct tuff_ctx *ctx, const struct tuff_canvas *canvas,
                                   const char *path)
{
    png_image image = {.version = PNG_IMAGE_VERSION, .format = PNG_FORMAT_RGB};
    image.width = (png_uint_32) canvas->width;
    image.height = (png_uint_32) canvas->height;
    png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
    void *bytes = malloc(size);
    if (!bytes)
        return tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", path);
    enum tuff_status status;
    if (png_image_write_to_memory(&image, bytes, &size, 0, canvas->rgb, 3 * canvas->width, NULL))
        status = tuff_os_write_file(ctx, path, bytes, size);
    else
        status = tuff_fail(ctx, TUFF_E_NOMEM, "%s: %s", path, image.message);
    free(bytes);
    return status;
}
