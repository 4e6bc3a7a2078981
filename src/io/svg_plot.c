/* io/svg_plot: see svg_plot.h. */
#include "io/svg_plot.h"

#include <math.h>

enum { LEFT = 58, RIGHT = 16, TOP = 14, BOTTOM = 30, STRETCHES = 320 };

struct axes {
    int width, height;
    double x0, x1, y0, y1; /* y0, y1: of the logarithm where log */
    bool log;
};

static double y_of(const struct axes *a, double y)
{
    return a->log ? log10(y) : y;
}

static double px(const struct axes *a, double x)
{
    return LEFT + (x - a->x0) / (a->x1 - a->x0) * (a->width - LEFT - RIGHT);
}

static double py(const struct axes *a, double y)
{
    return a->height - BOTTOM - (y_of(a, y) - a->y0) / (a->y1 - a->y0) * (a->height - TOP - BOTTOM);
}

static bool finite_point(const struct tuff_plot_series *s, size_t i)
{
    return isfinite(s->x[i]) && isfinite(s->y[i]);
}

/* False: there is no point. */
static bool fit_axes(const struct tuff_plot *plot, struct axes *a)
{
    *a = (struct axes) {plot->width ? plot->width : 640, plot->height ? plot->height : 250,
                        INFINITY, -INFINITY, INFINITY, -INFINITY, false};
    for (size_t k = 0; k < plot->n_series; k++)
        for (size_t i = 0; i < plot->series[k].n; i++)
            if (finite_point(&plot->series[k], i)) {
                a->x0 = fmin(a->x0, plot->series[k].x[i]);
                a->x1 = fmax(a->x1, plot->series[k].x[i]);
                a->y0 = fmin(a->y0, plot->series[k].y[i]);
                a->y1 = fmax(a->y1, plot->series[k].y[i]);
            }
    if (!(a->x0 <= a->x1))
        return false;
    a->log = a->y0 > 0 && a->y1 > 100 * a->y0;
    a->y0 = y_of(a, a->y0);
    a->y1 = y_of(a, a->y1);
    double room = a->y1 > a->y0 ? 0.06 * (a->y1 - a->y0) : fmax(fabs(a->y0) * 0.1, 1e-9);
    a->y1 += room;
    a->y0 -= !a->log && a->y0 >= 0 && a->y0 < room ? a->y0 : room; /* 0 stays the floor */
    if (a->x1 == a->x0)
        a->x1 = a->x0 + 1;
    return true;
}

/* 1, 2 or 5 times a power of ten, so that there are some n of them. */
static double tick(double range, double n)
{
    double power = pow(10, floor(log10(range / n))), share = range / n / power;
    return power * (share < 1.5 ? 1 : share < 3.5 ? 2 : share < 7.5 ? 5 : 10);
}

static void label(struct tuff_text *to, double x, double y, const char *anchor, double value)
{
    if (fabs(value) >= 1e5)
        tuff_text_printf(to, "<text class=\"label\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%.4gk</text>",
                         x, y, anchor, value / 1000);
    else
        tuff_text_printf(to, "<text class=\"label\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%.5g</text>",
                         x, y, anchor, value);
}

static void grid_line(struct tuff_text *to, const struct axes *a, double value)
{
    double y = py(a, value);
    tuff_text_printf(to, "<path class=\"grid\" d=\"M%d %.1fH%d\"/>", LEFT, y, a->width - RIGHT);
    label(to, LEFT - 8, y + 4, "end", value);
}

static void draw_grid(struct tuff_text *to, const struct axes *a, const char *x_label)
{
    double step = tick(a->y1 - a->y0, 4);
    if (a->log)
        for (double e = ceil(a->y0), by = fmax(1, ceil((a->y1 - a->y0) / 5)); e <= a->y1; e += by)
            grid_line(to, a, pow(10, e));
    else
        for (double i = ceil(a->y0 / step); i * step <= a->y1; i++)
            grid_line(to, a, i * step);
    step = fmax(tick(a->x1 - a->x0, a->width / 100), 1);
    for (double i = ceil(a->x0 / step); i * step <= a->x1; i++)
        label(to, px(a, i * step), a->height - 10, "middle", i * step);
    if (x_label)
        tuff_text_printf(to, "<text class=\"label\" x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>",
                         LEFT - 8, a->height - 10, x_label);
}

struct pen {
    struct tuff_text *to;
    const struct axes *axes;
    bool down;
    double x, y;
};

static void draw_to(struct pen *pen, double x, double y)
{
    pen->x = px(pen->axes, x);
    pen->y = py(pen->axes, y);
    tuff_text_printf(pen->to, "%c%.1f %.1f", pen->down ? 'L' : 'M', pen->x, pen->y);
    pen->down = true;
}

/* Points [i, end) as two: their least and their largest, in order; a gap lifts the pen. */
static void draw_stretch(struct pen *pen, const struct tuff_plot_series *s, size_t i, size_t end)
{
    size_t least = SIZE_MAX, most = SIZE_MAX;
    for (; i < end; i++) {
        if (!finite_point(s, i))
            continue;
        if (least == SIZE_MAX || s->y[i] < s->y[least])
            least = i;
        if (most == SIZE_MAX || s->y[i] >= s->y[most])
            most = i;
    }
    if (least == SIZE_MAX) {
        pen->down = false;
        return;
    }
    size_t first = TUFF_MIN(least, most), last = TUFF_MAX(least, most);
    draw_to(pen, s->x[first], s->y[first]);
    if (last != first)
        draw_to(pen, s->x[last], s->y[last]);
}

static void draw_series(struct tuff_text *to, const struct axes *a,
                        const struct tuff_plot_series *s, int color)
{
    struct pen pen = {.to = to, .axes = a};
    size_t each = s->n > 2 * STRETCHES ? tuff_div_up(s->n, STRETCHES) : 1;
    if (!s->n)
        return;
    tuff_text_printf(to, "<path class=\"c%d%s\" d=\"", color, s->faint ? " faint" : "");
    for (size_t i = 0; i < s->n; i += each)
        draw_stretch(&pen, s, i, TUFF_MIN(i + each, s->n));
    tuff_text_printf(to, "\"/>");
    if (!s->faint && (pen.x != 0 || pen.y != 0))
        tuff_text_printf(to, "<circle class=\"c%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\"/>", color, pen.x,
                         pen.y);
}

void tuff_svg_plot(struct tuff_text *to, const struct tuff_plot *plot, const int *color)
{
    struct axes axes;
    bool any = fit_axes(plot, &axes);
    tuff_text_printf(to, "<svg class=\"plot\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"",
                     axes.width, axes.height);
    tuff_html_text(to, plot->title ? plot->title : "");
    tuff_text_printf(to, "\">");
    if (any) {
        draw_grid(to, &axes, plot->x_label);
        for (size_t i = 0; i < plot->n_series; i++)
            draw_series(to, &axes, &plot->series[i], color[i]);
    }
    tuff_text_printf(to, "</svg>\n");
}

/* ---- text ---- */

/* Bytes of the UTF-8 character at c; 0: it is none, or a control character that HTML has no room for. */
static size_t character(const unsigned char *c)
{
    static const unsigned char least[] = {0, 0, 0xC2, 0xE0, 0xF0};
    size_t n = *c < 0x80 ? 1 : *c < 0xE0 ? 2 : *c < 0xF0 ? 3 : *c < 0xF5 ? 4 : 0;
    if (n == 1)
        return (*c >= 32 && *c != 127) || *c == '\n' || *c == '\t';
    if (!n || *c < least[n])
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((c[i] & 0xC0) != 0x80)
            return 0;
    bool overlong = (*c == 0xE0 && c[1] < 0xA0) || (*c == 0xF0 && c[1] < 0x90);
    bool outside = (*c == 0xED && c[1] >= 0xA0) || (*c == 0xF4 && c[1] >= 0x90);
    return overlong || outside ? 0 : n;
}

void tuff_html_text(struct tuff_text *to, const char *text)
{
    static const char special[] = "&<>\"'";
    static const char *const names[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};
    while (*text) {
        const char *at = strchr(special, *text);
        size_t n = character((const unsigned char *) text);
        if (at)
            tuff_text_printf(to, "%s", names[at - special]);
        else if (n)
            tuff_text_add(to, text, n);
        else
            tuff_text_printf(to, "\xEF\xBF\xBD");
        text += n ? n : 1;
    }
}
