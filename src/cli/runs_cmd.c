/* tuff runs: run folders side by side: how far each is, its losses, and the settings in which they differ. */
#include "base/json.h"
#include "base/os.h"
#include "cli/cli.h"
#include "io/metrics.h"

#include <math.h>

struct run {
    char *path;
    json_t *state; /* trainer.json of the last checkpoint; NULL: there is none */
    int64_t step;
    double loss, val_loss, best, rate; /* the last ones, the lowest, tokens/s; NaN: none */
};
struct runs {
    struct cli *cli;
    struct { struct run *items; size_t n, cap; } list;
};

static enum tuff_status no_memory(struct runs *r)
{
    return tuff_fail(r->cli->ctx, TUFF_E_NOMEM, "out of host memory");
}

/* ---- reading ---- */

static double last_of(const struct tuff_table *t, const char *name, double *least)
{
    int column = tuff_table_column(t, name);
    double last = NAN;
    for (size_t i = 0; column >= 0 && i < t->n_rows; i++) {
        double value = t->values[i * t->n_columns + (size_t) column];
        if (!isfinite(value))
            continue;
        last = value;
        if (least)
            *least = isfinite(*least) ? TUFF_MIN(*least, value) : value;
    }
    return last;
}

/* What RUN/last names; a run without a checkpoint has no state. */
static enum tuff_status read_state(struct runs *r, struct run *run)
{
    struct tuff_map map;
    char name[64] = "", *last = tuff_os_path_join(run->path, "last"), *folder, *file = NULL;
    if (!last)
        return no_memory(r);
    if (tuff_os_path_kind(last) == TUFF_PATH_FILE &&
        tuff_os_map(r->cli->ctx, last, &map) == TUFF_OK) {
        snprintf(name, sizeof name, "%.*s", (int) TUFF_MIN(map.size, 60), (const char *) map.data);
        name[strcspn(name, "\n/")] = 0;
        tuff_os_unmap(&map);
    }
    free(last);
    if (!*name)
        return TUFF_OK;
    folder = tuff_os_path_join(run->path, name);
    file = folder ? tuff_os_path_join(folder, "trainer.json") : NULL;
    enum tuff_status status = file ? tuff_json_load(r->cli->ctx, file, &run->state) : no_memory(r);
    free(folder);
    free(file);
    return status;
}

static enum tuff_status read_run(struct runs *r, const char *path, const char *metrics)
{
    struct tuff_table table;
    TUFF_TRY(tuff_table_load(r->cli->ctx, metrics, &table));
    struct run *run = TUFF_PUSH(&r->list);
    enum tuff_status status = run && (run->path = strdup(path)) ? TUFF_OK : no_memory(r);
    if (status == TUFF_OK) {
        run->best = NAN;
        double step = last_of(&table, "step", NULL);
        run->step = isfinite(step) ? (int64_t) step : 0;
        run->loss = last_of(&table, "loss", NULL);
        run->val_loss = last_of(&table, "val_loss", &run->best);
        run->rate = last_of(&table, "tokens_per_s", NULL);
        status = read_state(r, run);
    }
    tuff_table_fini(&table);
    return status;
}

/* The folder if it is a run, else the runs directly in it. */
static enum tuff_status read_folder(struct runs *r, const char *path, bool deeper)
{
    struct tuff_os_list list = {0};
    char *metrics = tuff_os_path_join(path, "metrics.csv");
    enum tuff_status status = metrics ? TUFF_OK : no_memory(r);
    bool is_run = metrics && tuff_os_path_kind(metrics) == TUFF_PATH_FILE;
    if (is_run)
        status = read_run(r, path, metrics);
    else if (status == TUFF_OK && deeper)
        status = tuff_os_list(r->cli->ctx, path, &list);
    for (size_t i = 0; i < list.n && status == TUFF_OK; i++) {
        char *below = tuff_os_path_join(path, list.items[i]);
        status = !below ? no_memory(r)
                 : tuff_os_path_kind(below) == TUFF_PATH_DIR ? read_folder(r, below, false)
                                                             : TUFF_OK;
        free(below);
    }
    tuff_os_list_free(&list);
    free(metrics);
    return status;
}

/* ---- showing ---- */

static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *run_json(const struct run *run)
{
    return json_pack("{s:s, s:I, s:O?, s:o, s:o, s:o, s:o, s:O?}", "run", run->path, "step",
                     (json_int_t) run->step, "steps", json_object_get(run->state, "steps"), "loss",
                     number(run->loss), "val_loss", number(run->val_loss), "best_val_loss",
                     number(run->best), "tokens_per_s", number(run->rate), "settings",
                     json_object_get(run->state, "settings"));
}

static void cell(double value, int width, int digits)
{
    if (isfinite(value))
        printf("  %*.*f", width, digits, value);
    else
        printf("  %*s", width, "-");
}

static void print_table(const struct runs *r)
{
    size_t width = 3;
    for (size_t i = 0; i < r->list.n; i++)
        width = TUFF_MAX(width, strlen(r->list.items[i].path));
    printf("%-*s  %9s  %9s  %8s  %8s  %8s  %9s\n", (int) width, "run", "step", "of", "loss",
           "val_loss", "best", "tokens/s");
    for (size_t i = 0; i < r->list.n; i++) {
        const struct run *run = &r->list.items[i];
        const json_t *steps = json_object_get(run->state, "steps");
        char of[24] = "-";
        if (json_is_integer(steps))
            snprintf(of, sizeof of, "%lld", (long long) json_integer_value(steps));
        printf("%-*s  %9lld  %9s", (int) width, run->path, (long long) run->step, of);
        cell(run->loss, 8, 4);
        cell(run->val_loss, 8, 4);
        cell(run->best, 8, 4);
        cell(run->rate, 9, 0);
        printf("\n");
    }
}

static const json_t *setting(const struct run *run, const char *key)
{
    return json_object_get(json_object_get(run->state, "settings"), key);
}

/* A line a setting that is not the same everywhere, in the order of the runs. */
static void print_differences(const struct runs *r)
{
    json_t *all = json_object(), *value;
    const char *key;
    for (size_t i = 0; i < r->list.n && all; i++)
        json_object_update_missing(all, json_object_get(r->list.items[i].state, "settings"));
    json_object_foreach(all, key, value)
    {
        bool same = true;
        for (size_t i = 0; i < r->list.n && same; i++) {
            const json_t *one = setting(&r->list.items[i], key);
            same = !r->list.items[i].state || (one && json_equal(one, value));
        }
        if (same)
            continue;
        printf("%s:", key);
        for (size_t i = 0; i < r->list.n; i++) {
            const json_t *one = setting(&r->list.items[i], key);
            char *text = one ? json_dumps(one, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6)) : NULL;
            printf("%s %s", i ? "," : "", text ? text : "-");
            free(text);
        }
        printf("\n");
    }
    json_decref(all);
}

static void print_json(const struct runs *r)
{
    for (size_t i = 0; i < r->list.n; i++) {
        json_t *root = run_json(&r->list.items[i]);
        char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
        printf("%s\n", text ? text : "{}");
        free(text);
        json_decref(root);
    }
}

static int run(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    struct runs r = {.cli = cli};
    struct cli_strings words = {0};
    bool json = false;
    const struct cli_option options[] = {
        {"json", CLI_FLAG, &json, NULL, "an object a line, with all settings", 0, 0}};
    int code = cli_parse(cli, command, options, TUFF_COUNT(options), &words, argc, argv);
    enum tuff_status status = TUFF_OK;
    if (code < 0 && !words.n)
        code = cli_error(command, CLI_USAGE, "which folder? Runs, or folders with runs in them");
    for (size_t i = 0; i < words.n && code < 0 && status == TUFF_OK; i++)
        status = read_folder(&r, words.items[i], true);
    if (code < 0 && status == TUFF_OK && !r.list.n)
        code = cli_error(command, CLI_FAILED, "%s: no run there (a run has a metrics.csv)",
                         words.items[0]);
    if (code < 0 && status != TUFF_OK)
        code = cli_fail(cli, command);
    if (code < 0) {
        if (json)
            print_json(&r);
        else
            print_table(&r);
        if (!json && r.list.n > 1)
            print_differences(&r);
        code = CLI_OK;
    }
    for (size_t i = 0; i < r.list.n; i++) {
        free(r.list.items[i].path);
        json_decref(r.list.items[i].state);
    }
    free(r.list.items);
    free(words.items);
    return code;
}

const struct cli_command cli_runs = {
    .name = "runs",
    .summary = "list and compare training runs",
    .usage = "FOLDER... [--json]",
    .example = "tuff runs runs/",
    .run = run,
};
