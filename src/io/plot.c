/* io/plot: a line plot. Ranges follow the data, ticks stand at 1, 2 or 5 times a power of ten. */
#include "io/canvas.h"
#include "tuff/io.h"

#include <math.h>

#define INK 0x1f2933u
#define SOFT_INK 0x616e7cu
#define GRID 0xe7eaeeu
#define AXIS 0xb8c0cau
#define TICK_SIZE 8.5 /* height of capitals, pixels */

static const uint32_t colours[8] = {0x2f6fde, 0xe8703a, 0x2f9e62, 0x8a5bd1,
                                    0xd43f57, 0x159aa8, 0xb58a1b, 0x6b7785};

struct axis {
    double low, high; /* shown range */
    double step;      /* between ticks */
    double from, to;  /* pixels of low and high */
};

struct view {
    const struct tuff_plot *plot;
    struct tuff_canvas canvas;
    struct axis x, y;
    int left, top, right, bottom; /* of the plot's inside */
};

/* The least of 1, 2, 5 x 10^k that needs at most `ticks` steps for the range. */
static double nice_step(double range, double ticks)
{
    double power = pow(10, floor(log10(range / ticks)));
    double lead = range / ticks / power;
    return power * (lead <= 1 ? 1 : lead <= 2 ? 2 : lead <= 5 ? 5 : 10);
}

static void fit_axis(struct axis *axis, double low, double high, double margin, double ticks)
{
    if (!(low <= high)) { /* no point at all */
        low = 0;
        high = 1;
    }
    /* Less than rounding can tell apart: a flat line in the middle of a visible range. */
    double range = high - low, least = fmax(fmax(fabs(low), fabs(high)) * 1e-9, 1e-300);
    if (range < least) {
        double half = low == 0 && high == 0 ? 1 : fmax(fabs(low), 1e-290) * 0.1;
        low -= half;
        high += half;
        range = high - low;
    }
    axis->step = nice_step(range, ticks);
    axis->low = low - margin * range;
    axis->high = high + margin * range;
}

static bool finite_point(const struct tuff_plot_series *series, size_t i)
{
    /* Far beyond any measure, so that differences stay finite. */
    return fabs(series->x[i]) < 1e280 && fabs(series->y[i]) < 1e280;
}

static void fit_axes(struct view *view)
{
    double low[2] = {INFINITY, INFINITY}, high[2] = {-INFINITY, -INFINITY};
    for (size_t s = 0; s < view->plot->n_series; s++) {
        const struct tuff_plot_series *series = &view->plot->series[s];
        for (size_t i = 0; i < series->n; i++) {
            if (!finite_point(series, i))
                continue;
            low[0] = fmin(low[0], series->x[i]);
            high[0] = fmax(high[0], series->x[i]);
            low[1] = fmin(low[1], series->y[i]);
            high[1] = fmax(high[1], series->y[i]);
        }
    }
    fit_axis(&view->x, low[0], high[0], 0.015, fmax(view->canvas.width / 110.0, 2));
    fit_axis(&view->y, low[1], high[1], 0.05, fmax(view->canvas.height / 70.0, 2));
}

static double place(const struct axis *axis, double value)
{
    return axis->from + (value - axis->low) / (axis->high - axis->low) * (axis->to - axis->from);
}

/* As many decimals as the step needs; thousands and millions by letter; powers beyond that. */
static void tick_text(char *text, size_t size, double value, double step)
{
    static const struct {
        double unit;
        const char *letter;
    } units[] = {{1e9, "G"}, {1e6, "M"}, {1e3, "k"}};
    if (fabs(value) < step * 1e-6)
        value = 0;
    if (value != 0 && (fabs(value) >= 1e12 || step < 1e-4)) {
        snprintf(text, size, "%.4g", value);
        return;
    }
    for (size_t i = 0; i < TUFF_COUNT(units); i++)
        if (fabs(value) >= units[i].unit * (i == 2 ? 10 : 1) && step >= units[i].unit / 10) {
            snprintf(text, size, "%.*f%s", step < units[i].unit ? 1 : 0, value / units[i].unit,
                     units[i].letter);
            return;
        }
    snprintf(text, size, "%.*f", (int) fmax(0, -floor(log10(step) + 1e-9)), value);
}

/* Calls for each tick inside the range; i counts them. */
static double tick_at(const struct axis *axis, int i)
{
    double value = (ceil(axis->low / axis->step - 1e-9) + i) * axis->step;
    return value <= axis->high + axis->step * 1e-9 ? value : (double) NAN;
}

static double widest_tick(const struct axis *axis)
{
    double widest = 0, value;
    char text[40];
    for (int i = 0; i < 100 && !isnan(value = tick_at(axis, i)); i++) {
        tick_text(text, sizeof text, value, axis->step);
        widest = fmax(widest, tuff_canvas_text_width(text, TICK_SIZE));
    }
    return widest;
}

static void lay_out(struct view *view)
{
    const struct tuff_plot *plot = view->plot;
    int width = view->canvas.width, height = view->canvas.height;
    view->left = (int) (18 + (plot->y_label ? 24 : 0) + widest_tick(&view->y) + 10);
    view->right = width - 24;
    view->top = plot->title ? 56 : 24;
    view->bottom = height - (plot->x_label ? 62 : 38);
    view->x.from = view->left;
    view->x.to = view->right;
    view->y.from = view->bottom;
    view->y.to = view->top;
}

static void centred(struct tuff_canvas *canvas, double x, double y, const char *text, double size,
                    double thickness)
{
    tuff_canvas_text(canvas, x - tuff_canvas_text_width(text, size) / 2, y, text, size, thickness,
                     false);
}

static void draw_grid(struct view *view)
{
    struct tuff_canvas *canvas = &view->canvas;
    double value;
    for (int i = 0; i < 100 && !isnan(value = tick_at(&view->x, i)); i++) {
        int at = (int) place(&view->x, value);
        tuff_canvas_box(canvas, at, view->top, at + 1, view->bottom);
    }
    for (int i = 0; i < 100 && !isnan(value = tick_at(&view->y, i)); i++) {
        int at = (int) place(&view->y, value);
        tuff_canvas_box(canvas, view->left, at, view->right, at + 1);
    }
    tuff_canvas_paint(canvas, GRID, 1);
    tuff_canvas_box(canvas, view->left - 1, view->top, view->left, view->bottom + 1);
    tuff_canvas_box(canvas, view->left - 1, view->bottom, view->right, view->bottom + 1);
    tuff_canvas_paint(canvas, AXIS, 1);
}

static void draw_texts(struct view *view)
{
    const struct tuff_plot *plot = view->plot;
    struct tuff_canvas *canvas = &view->canvas;
    char text[40];
    double value, middle_y = (view->top + view->bottom) / 2.0;
    for (int i = 0; i < 100 && !isnan(value = tick_at(&view->x, i)); i++) {
        tick_text(text, sizeof text, value, view->x.step);
        centred(canvas, place(&view->x, value), view->bottom + 20, text, TICK_SIZE, 1.15);
    }
    for (int i = 0; i < 100 && !isnan(value = tick_at(&view->y, i)); i++) {
        tick_text(text, sizeof text, value, view->y.step);
        tuff_canvas_text(canvas, view->left - 9 - tuff_canvas_text_width(text, TICK_SIZE),
                         place(&view->y, value) + TICK_SIZE / 2 + 0.5, text, TICK_SIZE, 1.15,
                         false);
    }
    tuff_canvas_paint(canvas, SOFT_INK, 1);
    if (plot->x_label)
        centred(canvas, (view->left + view->right) / 2.0, canvas->height - 18, plot->x_label, 9.5,
                1.25);
    if (plot->y_label)
        tuff_canvas_text(canvas, 26, middle_y + tuff_canvas_text_width(plot->y_label, 9.5) / 2,
                         plot->y_label, 9.5, 1.25, true);
    tuff_canvas_paint(canvas, INK, 0.9);
    if (plot->title)
        tuff_canvas_text(canvas, view->left - 2, 34, plot->title, 13, 1.9, false);
    tuff_canvas_paint(canvas, INK, 1);
}

static void draw_series(struct view *view, size_t index)
{
    const struct tuff_plot_series *series = &view->plot->series[index];
    struct tuff_canvas *canvas = &view->canvas;
    double thickness = series->faint ? 1.2 : 2.2, before[2] = {0, 0};
    bool joined = false;
    tuff_canvas_clip(canvas, view->left, view->top - 2, view->right, view->bottom);
    for (size_t i = 0; i < series->n; i++) {
        if (!finite_point(series, i)) {
            joined = false;
            continue;
        }
        double at[2] = {place(&view->x, series->x[i]), place(&view->y, series->y[i])};
        bool next = i + 1 < series->n && finite_point(series, i + 1);
        if (joined)
            tuff_canvas_segment(canvas, before[0], before[1], at[0], at[1], thickness);
        /* Few points: each is shown, for they are what was measured. */
        if ((!joined && !next) || (series->n <= 40 && !series->faint))
            tuff_canvas_segment(canvas, at[0], at[1], at[0], at[1], 6);
        memcpy(before, at, sizeof before);
        joined = true;
    }
    tuff_canvas_paint(canvas, colours[index % TUFF_COUNT(colours)], series->faint ? 0.35 : 1);
    tuff_canvas_clip(canvas, 0, 0, canvas->width, canvas->height);
}

/* The corner that hides least: of the points, how many fall under a legend of that size there. */
static size_t points_under(const struct view *view, const double box[4])
{
    size_t n = 0;
    for (size_t s = 0; s < view->plot->n_series; s++) {
        const struct tuff_plot_series *series = &view->plot->series[s];
        for (size_t i = 0; i < series->n; i++) {
            double x = place(&view->x, series->x[i]), y = place(&view->y, series->y[i]);
            n += x > box[0] - 6 && x < box[2] + 6 && y > box[1] - 6 && y < box[3] + 6;
        }
    }
    return n;
}

static void draw_legend(struct view *view)
{
    const struct tuff_plot *plot = view->plot;
    struct tuff_canvas *canvas = &view->canvas;
    double width = 0, best[4] = {0};
    size_t rows = 0, least = SIZE_MAX;
    for (size_t s = 0; s < plot->n_series; s++)
        if (plot->series[s].label) {
            width = fmax(width, tuff_canvas_text_width(plot->series[s].label, 9));
            rows++;
        }
    if (!rows)
        return;
    double w = width + 58, h = 20.0 * (double) rows + 12;
    /* Top right, bottom right, top left, bottom left. */
    for (int corner = 0; corner < 4; corner++) {
        double x = corner < 2 ? view->right - 10 - w : view->left + 10;
        double y = corner % 2 ? view->bottom - 10 - h : view->top + 8;
        double box[4] = {x, y, x + w, y + h};
        size_t n = points_under(view, box);
        if (n < least) {
            least = n;
            memcpy(best, box, sizeof best);
        }
    }
    int box[4] = {(int) best[0], (int) best[1], (int) best[2], (int) best[3]};
    tuff_canvas_box(canvas, box[0] - 1, box[1] - 1, box[2] + 1, box[3] + 1);
    tuff_canvas_paint(canvas, GRID, 1);
    tuff_canvas_box(canvas, box[0], box[1], box[2], box[3]);
    tuff_canvas_paint(canvas, 0xffffff, 1);
    double y = box[1] + 16;
    for (size_t s = 0; s < plot->n_series; s++) {
        const struct tuff_plot_series *series = &plot->series[s];
        if (!series->label)
            continue;
        tuff_canvas_segment(canvas, box[0] + 12, y, box[0] + 34, y, series->faint ? 1.6 : 2.6);
        tuff_canvas_paint(canvas, colours[s % TUFF_COUNT(colours)], series->faint ? 0.5 : 1);
        tuff_canvas_text(canvas, box[0] + 44, y + 4.5, series->label, 9, 1.2, false);
        tuff_canvas_paint(canvas, INK, 0.95);
        y += 20;
    }
}

enum tuff_status tuff_plot_write_png(struct tuff_ctx *ctx, const struct tuff_plot *plot,
                                     const char *path)
{
    int width = plot->width ? plot->width : 900, height = plot->height ? plot->height : 540;
    if (width < 200 || width > 8192 || height < 200 || height > 8192)
        return tuff_fail(ctx, TUFF_E_RANGE,
                         "%s: a plot of %d x %d pixels (200 to 8192 are possible)", path, width,
                         height);
    struct view view = {.plot = plot};
    TUFF_TRY(tuff_canvas_init(ctx, &view.canvas, width, height));
    fit_axes(&view);
    lay_out(&view);
    draw_grid(&view);
    for (size_t s = 0; s < plot->n_series; s++)
        draw_series(&view, s);
    draw_texts(&view);
    draw_legend(&view);
    enum tuff_status status = tuff_canvas_write(ctx, &view.canvas, path);
    tuff_canvas_fini(&view.canvas);
    return status;
}
