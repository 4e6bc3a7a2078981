/* train/report: RUN/report.html: what metrics.csv, trainer.json, config.json and samples.jsonl say, as a
 * page that asks for nothing outside itself. */
#include "base/json.h"
#include "base/os.h"
#include "io/metrics.h"
#include "io/svg_plot.h"
#include "train/report_style.h"
#include "train/run.h"

#include <math.h>

#define SERIES 8 /* a plot: as many colours there are */

struct report {
    struct tuff_ctx *ctx;
    const char *run;
    struct tuff_table table;
    json_t *state, *config; /* of the last checkpoint; NULL: there is none yet */
    json_t *samples;        /* array of {step, prompt, text} */
    struct tuff_text html;
};

static enum tuff_status no_memory(struct report *r)
{
    return tuff_fail(r->ctx, TUFF_E_NOMEM, "report: out of host memory");
}

/* ---- reading ---- */

static enum tuff_status load_json(struct report *r, const char *folder, const char *name, json_t **root)
{
    char *path = tuff_os_path_join(folder, name);
    enum tuff_status status = path ? TUFF_OK : no_memory(r);
    if (path && tuff_os_path_kind(path) == TUFF_PATH_FILE)
        status = tuff_json_load(r->ctx, path, root);
    free(path);
    return status;
}

static enum tuff_status load_checkpoint(struct report *r)
{
    char name[64], *last = tuff_os_path_join(r->run, "last"), *folder = NULL;
    bool known = last && tuff_os_read_small(last, name, sizeof name) && !strchr(name, '/');
    if (known)
        folder = tuff_os_path_join(r->run, name);
    enum tuff_status status = last && (!known || folder) ? TUFF_OK : no_memory(r);
    if (folder)
        status = load_json(r, folder, "trainer.json", &r->state);
    if (folder && status == TUFF_OK)
        status = load_json(r, folder, "config.json", &r->config);
    free(last);
    free(folder);
    return status;
}

/* A line cut short by a kill is passed over. */
static enum tuff_status load_samples(struct report *r)
{
    struct tuff_map map;
    char *path = tuff_os_path_join(r->run, "samples.jsonl");
    if (!path || !(r->samples = json_array())) {
        free(path);
        return no_memory(r);
    }
    enum tuff_status status = TUFF_OK;
    bool there = tuff_os_path_kind(path) == TUFF_PATH_FILE;
    if (there)
        status = tuff_os_map(r->ctx, path, &map);
    free(path);
    if (!there || status != TUFF_OK)
        return status;
    for (size_t at = 0; at < map.size;) {
        const char *line = (const char *) map.data + at, *end = memchr(line, '\n', map.size - at);
        size_t n = end ? (size_t) (end - line) : map.size - at;
        json_t *one = json_loadb(line, n, 0, NULL);
        if (one && json_is_string(json_object_get(one, "prompt")) &&
            json_is_string(json_object_get(one, "text")))
            json_array_append(r->samples, one);
        json_decref(one);
        at += n + 1;
    }
    tuff_os_unmap(&map);
    return TUFF_OK;
}

static enum tuff_status load(struct report *r)
{
    char *csv = tuff_os_path_join(r->run, "metrics.csv");
    enum tuff_status status = csv ? tuff_table_load(r->ctx, csv, &r->table) : no_memory(r);
    free(csv);
    TUFF_TRY(status);
    TUFF_TRY(load_checkpoint(r));
    return load_samples(r);
}

/* ---- numbers ---- */

static double last_of(const struct report *r, const char *name, double (*choose)(double, double))
{
    int column = tuff_table_column(&r->table, name);
    double found = NAN;
    for (size_t i = 0; column >= 0 && i < r->table.n_rows; i++) {
        double value = r->table.values[i * r->table.n_columns + (size_t) column];
        if (isfinite(value))
            found = choose && isfinite(found) ? choose(found, value) : value;
    }
    return found;
}

static void tile(struct report *r, const char *name, const char *format, double value)
{
    if (!isfinite(value))
        return;
    tuff_text_printf(&r->html, "<div class=\"tile\"><b>");
    tuff_text_printf(&r->html, format, value);
    tuff_text_printf(&r->html, "</b><span>%s</span></div>\n", name);
}

static void put_tiles(struct report *r)
{
    double best = last_of(r, "val_loss", fmin);
    tuff_text_printf(&r->html, "<section class=\"tiles\">\n");
    tile(r, "training loss", "%.4f", last_of(r, "loss", NULL));
    tile(r, "best validation loss", "%.4f", best);
    tile(r, "perplexity there", "%.3f", exp(best));
    tile(r, "bits per byte, last", "%.4f", last_of(r, "val_bits_per_byte", NULL));
    tile(r, "tokens a second", "%.0f", last_of(r, "tokens_per_s", NULL));
    tile(r, "joules per 1000 tokens", "%.1f", last_of(r, "joules_per_1000_tokens", NULL));
    tile(r, "watts", "%.1f", last_of(r, "watts", NULL));
    tile(r, "\xC2\xB0" "C at most", "%.0f", last_of(r, "celsius", fmax));
    tuff_text_printf(&r->html, "</section>\n");
}

/* ---- curves ---- */

struct curves {
    struct tuff_plot_series series[SERIES];
    char label[SERIES][64]; /* "": not in the legend */
    int color[SERIES];
    size_t n;
};

/* Means of the values around each: no later than these, and at the ends as good as there are values on
 * both sides. */
static void smooth_out(double *y, size_t n)
{
    size_t most = TUFF_MIN(n / 60 + 2, 200);
    double *sums = tuff_calloc(n + 1, sizeof *sums);
    for (size_t i = 0; sums && i < n; i++)
        sums[i + 1] = sums[i] + y[i];
    for (size_t i = 0; sums && i < n; i++) {
        size_t half = TUFF_MIN(most, TUFF_MIN(i, n - 1 - i));
        y[i] = (sums[i + half + 1] - sums[i - half]) / (double) (2 * half + 1);
    }
    free(sums);
}

/* A column as a series; false: there is no number in it. */
static bool add_curve(struct report *r, struct curves *c, const char *column, const char *label,
                      int color, bool smooth, bool faint)
{
    const struct tuff_table *t = &r->table;
    int at = tuff_table_column(t, column);
    double *memory = at >= 0 && c->n < SERIES ? tuff_calloc(2 * t->n_rows + 1, sizeof *memory) : NULL;
    double *x = memory, *y = memory ? memory + t->n_rows : NULL;
    size_t n = 0;
    for (size_t i = 0; memory && i < t->n_rows; i++) {
        const double *row = t->values + i * t->n_columns;
        if (!isfinite(row[at]))
            continue;
        x[n] = row[0];
        y[n++] = row[at];
    }
    if (!n) {
        free(memory);
        return false;
    }
    if (smooth)
        smooth_out(y, n);
    c->color[c->n] = color;
    c->series[c->n] = (struct tuff_plot_series) {.x = x, .y = y, .n = n, .faint = faint};
    snprintf(c->label[c->n++], sizeof c->label[0], "%s", label ? label : "");
    return true;
}

static void put_legend(struct report *r, const struct curves *c)
{
    size_t named = 0;
    for (size_t i = 0; i < c->n; i++)
        named += c->label[i][0] != 0;
    if (named < 2)
        return;
    tuff_text_printf(&r->html, "<p class=\"legend\">");
    for (size_t i = 0; i < c->n; i++)
        if (c->label[i][0]) {
            tuff_text_printf(&r->html, "<span><svg viewBox=\"0 0 18 8\"><path class=\"c%d\" d=\"M1 4H17\"/>"
                             "</svg>", c->color[i]);
            tuff_html_text(&r->html, c->label[i]);
            tuff_text_printf(&r->html, "</span>");
        }
    tuff_text_printf(&r->html, "</p>");
}

/* Ends the curves; without any there is no card. */
static void put_card(struct report *r, struct curves *c, const char *title, bool wide)
{
    if (c->n) {
        tuff_text_printf(&r->html, "<section class=\"card%s\"><h2>%s</h2>", wide ? " wide" : "", title);
        put_legend(r, c);
        tuff_svg_plot(&r->html, &(struct tuff_plot) {.title = title, .x_label = "step",
                                                     .series = c->series, .n_series = c->n,
                                                     .width = wide ? 1060 : 0, .height = wide ? 300 : 0},
                      c->color);
        tuff_text_printf(&r->html, "</section>\n");
    }
    for (size_t i = 0; i < c->n; i++)
        free((double *) (uintptr_t) c->series[i].x);
    *c = (struct curves) {.n = 0};
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && !strcmp(text + n - m, end);
}

/* The columns eval_*: losses beside the validation's, metrics in a plot of their own. */
static void add_sets(struct report *r, struct curves *c, bool losses)
{
    int color = losses ? 2 : 0;
    for (size_t i = 0; i < r->table.n_columns; i++) {
        const char *name = r->table.columns[i];
        char label[64];
        if (strncmp(name, "eval_", 5) || ends_with(name, "_loss") != losses)
            continue;
        snprintf(label, sizeof label, "%.*s", (int) (strlen(name + 5) - (losses ? 5 : 0)), name + 5);
        color += add_curve(r, c, name, label, color % SERIES, false, false);
    }
}

static void put_curves(struct report *r)
{
    static const struct {
        const char *title, *column;
        int color;
    } single[] = {{"Learning rate", "lr", 0},
                  {"Gradient norm, before clipping", "grad_norm", 3},
                  {"Tokens a second", "tokens_per_s", 2},
                  {"Power (W)", "watts", 4},
                  {"Temperature (\xC2\xB0" "C)", "celsius", 1},
                  {"Joules per 1000 tokens", "joules_per_1000_tokens", 5}};
    struct curves c = {.n = 0};
    tuff_text_printf(&r->html, "<div class=\"cards\">\n");
    add_curve(r, &c, "loss", NULL, 0, false, true);
    add_curve(r, &c, "loss", "training, smoothed", 0, true, false);
    add_curve(r, &c, "val_loss", "validation", 1, false, false);
    add_sets(r, &c, true);
    put_card(r, &c, "Loss (nats a token)", true);
    add_sets(r, &c, false);
    put_card(r, &c, "Metrics", true);
    for (size_t i = 0; i < TUFF_COUNT(single); i++) {
        add_curve(r, &c, single[i].column, single[i].title, single[i].color, false, false);
        put_card(r, &c, single[i].title, false);
    }
    tuff_text_printf(&r->html, "</div>\n");
}

/* ---- samples and tables ---- */

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static bool is_last(const struct report *r, size_t i)
{
    const json_t *one = json_array_get(r->samples, i);
    for (size_t k = i + 1; k < json_array_size(r->samples); k++) {
        const json_t *other = json_array_get(r->samples, k);
        if (!strcmp(text_of(one, "prompt"), text_of(other, "prompt")) &&
            json_equal(json_object_get(one, "step"), json_object_get(other, "step")))
            return false; /* a resumed run has said it again */
    }
    return true;
}

static void put_prompt(struct report *r, size_t first)
{
    const char *prompt = text_of(json_array_get(r->samples, first), "prompt");
    tuff_text_printf(&r->html, "<div class=\"sample\"><p>");
    tuff_html_text(&r->html, prompt);
    tuff_text_printf(&r->html, "</p><table>");
    for (size_t i = first; i < json_array_size(r->samples); i++) {
        const json_t *one = json_array_get(r->samples, i);
        if (strcmp(text_of(one, "prompt"), prompt) || !is_last(r, i))
            continue;
        tuff_text_printf(&r->html, "<tr><th>step %lld</th><td>",
                         (long long) json_integer_value(json_object_get(one, "step")));
        tuff_html_text(&r->html, text_of(one, "text"));
        tuff_text_printf(&r->html, "</td></tr>");
    }
    tuff_text_printf(&r->html, "</table></div>\n");
}

static void put_samples(struct report *r)
{
    size_t n = json_array_size(r->samples);
    if (!n)
        return;
    tuff_text_printf(&r->html, "<section class=\"card wide\"><h2>Samples</h2>\n");
    for (size_t i = 0; i < n; i++) {
        size_t before = 0;
        while (before < i && strcmp(text_of(json_array_get(r->samples, before), "prompt"),
                                    text_of(json_array_get(r->samples, i), "prompt")))
            before++;
        if (before == i)
            put_prompt(r, i);
    }
    tuff_text_printf(&r->html, "</section>\n");
}

static void put_value(struct report *r, const char *key, const json_t *value)
{
    char *dump = json_is_string(value)
                     ? NULL : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(6));
    tuff_text_printf(&r->html, "<tr><th>");
    tuff_html_text(&r->html, key);
    tuff_text_printf(&r->html, "</th><td>");
    tuff_html_text(&r->html, dump ? dump : json_is_string(value) ? json_string_value(value) : "");
    tuff_text_printf(&r->html, "</td></tr>\n");
    free(dump);
}

/* What is off, empty or nested says nothing here. */
static bool says_something(const json_t *value)
{
    return !json_is_null(value) && !json_is_object(value) && !json_is_false(value) &&
           !(json_is_number(value) && json_number_value(value) == 0);
}

static void put_table(struct report *r, const char *title, const json_t *object,
                      const char *const *only, bool without)
{
    const char *key;
    json_t *value;
    if (!json_object_size(object))
        return;
    tuff_text_printf(&r->html, "<section class=\"card\"><h2>%s</h2><table>\n", title);
    json_object_foreach((json_t *) (uintptr_t) object, key, value)
    {
        bool named = false;
        for (size_t i = 0; only && only[i]; i++)
            named |= !strcmp(only[i], key);
        if (named != without && says_something(value))
            put_value(r, key, value);
    }
    tuff_text_printf(&r->html, "</table></section>\n");
}

static void put_tables(struct report *r)
{
    static const char *const machine[] = {"device", "driver", "tuff", "kernels", NULL};
    const json_t *settings = json_object_get(r->state, "settings");
    tuff_text_printf(&r->html, "<div class=\"cards\" style=\"margin-top:16px\">\n");
    put_samples(r);
    put_table(r, "Training", settings, machine, true);
    tuff_text_printf(&r->html, "<div style=\"display:grid;gap:16px;align-content:start\">\n");
    put_table(r, "Device", settings, machine, false);
    put_table(r, "Model", r->config, NULL, true);
    tuff_text_printf(&r->html, "</div></div>\n");
}

static void put_head(struct report *r)
{
    const char *slash = strrchr(r->run, '/'), *name = slash && slash[1] ? slash + 1 : r->run;
    const json_t *settings = json_object_get(r->state, "settings");
    double step = last_of(r, "step", NULL);
    tuff_text_printf(&r->html, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                     "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
                     "<meta name=\"color-scheme\" content=\"light dark\"><title>");
    tuff_html_text(&r->html, name);
    tuff_text_printf(&r->html, "</title>\n<style>\n%s</style></head>\n<body><main>\n<header><h1>",
                     report_style);
    tuff_html_text(&r->html, name);
    tuff_text_printf(&r->html, "</h1><p>step %.0f of %lld", isfinite(step) ? step : 0,
                     (long long) json_integer_value(json_object_get(r->state, "steps")));
    if (r->config) {
        tuff_text_printf(&r->html, " \xC2\xB7 ");
        tuff_html_text(&r->html, text_of(r->config, "model_type"));
    }
    if (settings) {
        tuff_text_printf(&r->html, " \xC2\xB7 ");
        tuff_html_text(&r->html, text_of(settings, "device"));
    }
    tuff_text_printf(&r->html, "</p></header>\n");
}

/* ---- the two functions ---- */

enum tuff_status tuff_fit_write_report(struct tuff_ctx *ctx, const char *run)
{
    struct report r = {.ctx = ctx, .run = run};
    char *path = tuff_os_path_join(run, "report.html");
    enum tuff_status status = path ? load(&r) : no_memory(&r);
    if (status == TUFF_OK) {
        put_head(&r);
        put_tiles(&r);
        put_curves(&r);
        put_tables(&r);
        tuff_text_printf(&r.html, "</main></body></html>\n");
        status = r.html.failed ? no_memory(&r) : tuff_os_write_file(ctx, path, r.html.s, r.html.n);
    }
    tuff_text_fini(&r.html);
    tuff_table_fini(&r.table);
    json_decref(r.state);
    json_decref(r.config);
    json_decref(r.samples);
    free(path);
    return status;
}

enum tuff_status tuff_fit_add_sample(struct tuff_ctx *ctx, const char *run, int64_t step,
                                     const char *prompt, const char *text)
{
    struct tuff_os_file *file = NULL;
    char *path = tuff_os_path_join(run, "samples.jsonl");
    json_t *root = json_pack("{s:I, s:s%, s:s%}", "step", (json_int_t) step, "prompt", prompt,
                             strlen(prompt), "text", text, strlen(text));
    char *line = root ? json_dumps(root, JSON_COMPACT) : NULL;
    enum tuff_status status =
        path && line ? tuff_os_open(ctx, path, true, &file)
                     : tuff_fail(ctx, TUFF_E_ARG, "sample: not UTF-8, or out of host memory");
    if (status == TUFF_OK) {
        tuff_os_write(file, line, strlen(line));
        tuff_os_write(file, "\n", 1);
        status = tuff_os_close(&file, false);
    }
    free(line);
    json_decref(root);
    free(path);
    return status;
}
