/* cli/attention_draw: see attention_draw.h. */
#include "cli/attention_draw.h"
#include "base/os.h"
#include "io/canvas.h"

#include <math.h>

#define INK 0x1f2933u
#define EDGE 0xb8c0cau
#define LETTERS 0.62 /* width of a small capital's cell in SVG, of the font's size */

/* One of the two: SVG where `svg`, else the canvas. */
struct paper {
    bool svg;
    struct tuff_text text;
    struct tuff_canvas canvas;
};

struct layout {
    double cell, size;        /* of a token in a map; of letters */
    double label, title, gap; /* room for the tokens' names, above a map, between maps */
    double width, height;     /* of a map with its rooms */
};

static void box(struct paper *p, double x, double y, double w, double h, uint32_t colour)
{
    if (p->svg) {
        tuff_text_printf(&p->text, "<rect x=\"%g\" y=\"%g\" width=\"%g\" height=\"%g\" "
                         "fill=\"#%06x\"/>\n", x, y, w, h, colour);
        return;
    }
    tuff_canvas_box(&p->canvas, (int) x, (int) y, (int) (x + w), (int) (y + h));
    tuff_canvas_paint(&p->canvas, colour, 1);
}

static void escape(struct tuff_text *to, const char *text)
{
    for (; *text; text++) {
        const char *name = *text == '&' ? "&amp;" : *text == '<' ? "&lt;" : *text == '>' ? "&gt;" : NULL;
        if (name)
            tuff_text_printf(to, "%s", name);
        else
            tuff_text_add(to, text, 1);
    }
}

/* (x, y): where the base line begins, or with `up` the foot of a text that climbs; `end`: where it
 * ends. */
static void write_text(struct paper *p, double x, double y, const char *text, double size, bool up,
                       bool end)
{
    if (p->svg) {
        tuff_text_printf(&p->text, "<text x=\"%g\" y=\"%g\"%s%s", x, y, end ? " text-anchor=\"end\"" : "",
                         up ? " transform=\"rotate(-90 " : "");
        if (up)
            tuff_text_printf(&p->text, "%g %g)\"", x, y);
        tuff_text_printf(&p->text, " font-size=\"%g\">", size * 1.4);
        escape(&p->text, text);
        tuff_text_printf(&p->text, "</text>\n");
        return;
    }
    double width = end ? tuff_canvas_text_width(text, size) : 0;
    tuff_canvas_text(&p->canvas, up ? x : x - width, up ? y + width : y, text, size,
                     TUFF_MAX(size / 7, 1), up);
    tuff_canvas_paint(&p->canvas, INK, 1);
}

/* From white to dark blue. */
static uint32_t shade(float weight)
{
    static const int dark[3] = {0x12, 0x35, 0x7a};
    double amount = sqrt(fmin(fmax((double) weight, 0), 1));
    uint32_t colour = 0;
    for (int c = 0; c < 3; c++)
        colour = colour << 8 | (uint32_t) lround(255 + (dark[c] - 255) * amount);
    return colour;
}

static void draw_map(struct paper *p, const struct layout *l,
                     const struct cli_attention_map *map, double x, double y)
{
    size_t rows = map->from->n, cols = map->to->n;
    double left = x + l->label, top = y + l->title + l->label;
    double width = l->cell * (double) cols, height = l->cell * (double) rows;
    char title[64];
    snprintf(title, sizeof title, "%slayer %lld head %lld", map->part, (long long) map->layer,
             (long long) map->head);
    write_text(p, left, y + l->title - 4, title, 8, false, false);
    box(p, left - 1, top - 1, width + 2, height + 2, EDGE);
    box(p, left, top, width, height, 0xffffff);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++) {
            uint32_t colour = shade(map->weights[i * cols + j]);
            if (colour != 0xffffff)
                box(p, left + l->cell * (double) j, top + l->cell * (double) i, l->cell, l->cell,
                    colour);
        }
    for (size_t i = 0; i < TUFF_MAX(rows, cols) && l->label > 0; i++) {
        double middle = l->cell * ((double) i + 0.5) + l->size / 2;
        if (i < rows)
            write_text(p, left - 4, top + middle, map->from->labels[i], l->size, false, true);
        if (i < cols)
            write_text(p, left + middle, top - 4, map->to->labels[i], l->size, true, false);
    }
}

static size_t longest_label(const struct cli_attention_text *text)
{
    size_t longest = 0;
    for (size_t i = 0; i < text->n; i++)
        longest = TUFF_MAX(longest, strlen(text->labels[i]));
    return longest;
}

/* The longest text of a map. */
static size_t most_tokens(const struct cli_attention_maps *maps)
{
    size_t n = 1;
    for (size_t i = 0; i < maps->rows * maps->cols; i++)
        n = TUFF_MAX(n, TUFF_MAX(maps->items[i].from->n, maps->items[i].to->n));
    return n;
}

/* Cells as large as there is room for; names of tokens where they can be read. */
static struct layout plan(const struct cli_attention_maps *maps)
{
    size_t longest = 0, most = TUFF_MAX(maps->rows, maps->cols), tokens = most_tokens(maps);
    struct layout l = {.gap = 12, .title = 18};
    l.cell = floor(fmin(fmax((most > 1 ? 1200.0 / (double) most : 640.0) / (double) tokens, 2), 24));
    l.size = fmin(floor(l.cell * 0.6), 9);
    for (size_t i = 0; i < maps->rows * maps->cols; i++)
        longest = TUFF_MAX(longest, TUFF_MAX(longest_label(maps->items[i].from),
                                             longest_label(maps->items[i].to)));
    if (l.size >= 5)
        l.label = 10 + (double) longest * l.size * 1.4 * LETTERS;
    l.width = l.label + l.cell * (double) tokens + l.gap;
    l.height = l.title + l.label + l.cell * (double) tokens + l.gap;
    return l;
}

static enum tuff_status start(struct tuff_ctx *ctx, struct paper *p, double width, double height)
{
    if (!p->svg)
        return tuff_canvas_init(ctx, &p->canvas, (int) width, (int) height);
    tuff_text_printf(&p->text, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%g\" "
                     "height=\"%g\" viewBox=\"0 0 %g %g\">\n<rect width=\"100%%\" height=\"100%%\" "
                     "fill=\"#ffffff\"/>\n<g font-family=\"monospace\" fill=\"#%06x\" "
                     "shape-rendering=\"crispEdges\" xml:space=\"preserve\">\n", width, height, width, height, INK);
    return TUFF_OK;
}

static enum tuff_status finish(struct tuff_ctx *ctx, struct paper *p, const char *path)
{
    enum tuff_status status;
    if (!p->svg) {
        status = tuff_canvas_write(ctx, &p->canvas, path);
        tuff_canvas_fini(&p->canvas);
        return status;
    }
    tuff_text_printf(&p->text, "</g>\n</svg>\n");
    status = p->text.failed ? tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", path)
                            : tuff_os_write_file(ctx, path, p->text.s, p->text.n);
    tuff_text_fini(&p->text);
    return status;
}

static bool ends(const char *path, const char *with)
{
    size_t n = strlen(path), k = strlen(with);
    return n > k && !strcmp(path + n - k, with);
}

enum tuff_status cli_attention_draw(struct tuff_ctx *ctx, const struct cli_attention_maps *maps,
                                    const char *path)
{
    struct paper p = {.svg = ends(path, ".svg")};
    struct layout l = plan(maps);
    double width = l.gap + l.width * (double) maps->cols;
    double height = l.gap + l.height * (double) maps->rows;
    size_t tokens = most_tokens(maps);
    double cells = (double) (maps->rows * maps->cols * tokens * tokens);
    if (!p.svg && !ends(path, ".png"))
        return tuff_fail(ctx, TUFF_E_ARG, "%s: a picture's name ends in .svg or .png", path);
    if (width > 8192 || height > 8192 || (p.svg && cells > 4e5))
        return tuff_fail(ctx, TUFF_E_RANGE, "%s: %zu maps of %zu tokens are too much for one "
                         "picture; choose a --layer or a --head%s", path, maps->rows * maps->cols,
                         tokens, p.svg ? ", or a .png" : "");
    TUFF_TRY(start(ctx, &p, width, height));
    for (size_t i = 0; i < maps->rows * maps->cols; i++)
        draw_map(&p, &l, &maps->items[i], l.gap + l.width * (double) (i % maps->cols),
                 l.gap + l.height * (double) (i / maps->cols));
    return finish(ctx, &p, path);
}

/* In 12 columns, if a character is one. */
static void print_label(const char *text)
{
    size_t bytes = 0, n = 0;
    for (; text[bytes]; bytes++) {
        bool first = ((unsigned char) text[bytes] & 0xc0) != 0x80;
        if (first && n == 12)
            break;
        n += first;
    }
    printf("%*s%.*s |", (int) (12 - n), "", (int) bytes, text);
}

void cli_attention_print(const struct cli_attention_maps *maps)
{
    static const char shades[] = " .:-=+*#%@";
    for (size_t m = 0; m < maps->rows * maps->cols; m++) {
        const struct cli_attention_map *map = &maps->items[m];
        printf("%s%slayer %lld head %lld\n", m ? "\n" : "", map->part, (long long) map->layer,
               (long long) map->head);
        for (size_t i = 0; i < map->from->n; i++) {
            print_label(map->from->labels[i]);
            for (size_t j = 0; j < map->to->n; j++)
                putchar(shades[(int) fmin(
                    9.99 * sqrt((double) map->weights[i * map->to->n + j]), 9)]);
            printf("|\n");
        }
    }
}
