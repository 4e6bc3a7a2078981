/* train/run: see run.h. */
#include "train/run.h"
#include "base/os.h"
#include "data/position.h"
#include "io/checkpoint.h"
#include "io/metrics.h"
#include "models/weights.h"
#include "tuff/io.h"

static enum tuff_status no_memory(struct tuff_ctx *ctx)
{
    return tuff_fail(ctx, TUFF_E_NOMEM, "training: out of host memory");
}

/* ---- data ---- */

/* Encodes bytes [begin, end) of one file. */
static enum tuff_status encode(struct tuff_ctx *ctx, const struct tuff_tokenizer *tokenizer,
                               struct tuff_token_writer *writer, const uint8_t *text, size_t n)
{
    struct tuff_ids ids = {0};
    enum tuff_status status = tuff_tokenizer_encode(ctx, tokenizer, (const char *) text, n,
                                                    TUFF_ENCODE_SPECIAL_AS_TEXT, &ids);
    if (status == TUFF_OK)
        status = tuff_token_writer_append(writer, ids.items, ids.n, n);
    tuff_ids_fini(&ids);
    return status;
}

/* The first line that begins at or after `at`: where the held-out part may begin. */
static size_t line_start(const struct tuff_map *map, size_t at)
{
    while (at < map->size && at > 0 && map->data[at - 1] != '\n')
        at++;
    return at;
}

static enum tuff_status tokenize(struct tuff_ctx *ctx, const struct tuff_fit_params *params,
                                 const struct tuff_tokenizer *tokenizer, const char *path)
{
    struct tuff_corpus corpus;
    struct tuff_token_writer *writer = NULL;
    TUFF_TRY(tuff_corpus_init(ctx, params->data, params->n_data, &corpus));
    uint64_t split = (uint64_t) ((double) corpus.bytes * (1 - params->validation)), before = 0;
    bool held_out = false;
    enum tuff_status status = tuff_token_writer_create(
        ctx, path, tuff_tokenizer_vocab_size(tokenizer), 0, &writer);
    for (size_t i = 0; i < corpus.n && status == TUFF_OK; i++) {
        struct tuff_map map;
        status = tuff_os_map(ctx, corpus.paths[i], &map);
        size_t cut = status != TUFF_OK || held_out                  ? 0
                     : before + map.size > split && params->validation > 0
                         ? line_start(&map, (size_t) (split - before))
                         : map.size;
        if (status == TUFF_OK && cut)
            status = encode(ctx, tokenizer, writer, map.data, cut);
        if (status == TUFF_OK && cut < map.size && !held_out) {
            status = tuff_token_writer_validation(writer);
            held_out = true;
        }
        if (status == TUFF_OK && cut < map.size)
            status = encode(ctx, tokenizer, writer, map.data + cut, map.size - cut);
        before += map.size;
        tuff_os_unmap(&map);
    }
    tuff_corpus_fini(&corpus);
    if (status != TUFF_OK) {
        tuff_token_writer_abort(&writer);
        return status;
    }
    return tuff_token_writer_finish(&writer);
}

enum tuff_status tuff_run_data(struct tuff_ctx *ctx, const struct tuff_fit_params *params,
                               const struct tuff_tokenizer *tokenizer,
                               struct tuff_token_file **file)
{
    size_t n = params->n_data == 1 ? strlen(params->data[0]) : 0;
    if (n > 4 && !strcmp(params->data[0] + n - 4, ".tok"))
        return tuff_token_file_open(ctx, params->data[0], true, file);
    char *path = tuff_os_path_join(params->out, "data.tok");
    if (!path)
        return no_memory(ctx);
    enum tuff_status status = TUFF_OK;
    if (!params->resume || tuff_os_path_kind(path) != TUFF_PATH_FILE) {
        if (!tokenizer)
            status = tuff_fail(ctx, TUFF_E_ARG, "training on text needs a tokenizer "
                               "(make one with `tuff tokenizer train`)");
        else
            status = tokenize(ctx, params, tokenizer, path);
    }
    if (status == TUFF_OK)
        status = tuff_token_file_open(ctx, path, true, file);
    free(path);
    return status;
}

/* ---- checkpoints ---- */

json_t *tuff_run_settings(const struct tuff_fit_params *p, const struct tuff_token_info *data,
                          int64_t steps)
{
    const struct tuff_device_info *device = tuff_device_info(p->device);
    static const char *const schedules[] = {"constant", "linear", "cosine"};
    json_t *root = json_pack(
        "{s:I, s:I, s:I, s:I, s:f, s:f, s:s, s:I, s:f, s:f, s:f, s:f, s:f, s:I, s:s, s:s}",
        "steps", (json_int_t) steps, "batch", (json_int_t) p->batch, "context",
        (json_int_t) p->context, "accumulate", (json_int_t) p->accumulate, "lr", p->lr, "min-lr",
        p->min_lr, "schedule", schedules[p->schedule], "warmup", (json_int_t) p->warmup,
        "weight-decay", p->weight_decay, "beta1", p->beta1, "beta2", p->beta2, "clip", p->clip,
        "dropout", p->dropout, "seed", (json_int_t) p->seed, "device", device->name, "driver",
        device->driver);
    char checksum[32];
    snprintf(checksum, sizeof checksum, "%016llx", (unsigned long long) data->checksum);
    if (root)
        json_object_set_new(root, "data", json_string(checksum));
    return root;
}

static enum tuff_status write_state(struct tuff_ctx *ctx, const char *folder,
                                    const struct tuff_run_state *state, const json_t *settings)
{
    char *path = tuff_os_path_join(folder, "trainer.json");
    json_t *root = json_pack("{s:I, s:I, s:I, s:f}", "step", (json_int_t) state->step, "applied",
                             (json_int_t) state->applied, "steps", (json_int_t) state->steps,
                             "best_loss", state->best_loss);
    enum tuff_status status = no_memory(ctx);
    if (path && root) {
        json_object_set_new(root, "position", tuff_position_to_json(&state->position));
        json_object_set_new(root, "settings", json_deep_copy(settings));
        status = tuff_json_save(ctx, path, root);
    }
    json_decref(root);
    free(path);
    return status;
}

enum tuff_status tuff_run_save(struct tuff_ctx *ctx, const struct tuff_fit_params *params,
                               struct tuff_store *store, struct tuff_gpt2 *model,
                               const struct tuff_tokenizer *tokenizer, const json_t *settings,
                               const struct tuff_run_state *state, bool best, char *name,
                               size_t name_size)
{
    struct tuff_checkpoint *checkpoint = NULL;
    TUFF_TRY(tuff_checkpoint_begin(ctx, params->out, state->step, &checkpoint));
    const char *folder = tuff_checkpoint_folder(checkpoint);
    enum tuff_status status = tuff_gpt2_save(model, folder);
    if (status == TUFF_OK && tokenizer) {
        char *path = tuff_os_path_join(folder, "tokenizer.json");
        status = path ? tuff_tokenizer_save(ctx, tokenizer, path) : no_memory(ctx);
        free(path);
    }
    if (status == TUFF_OK)
        status = tuff_weights_save_copy(store, folder, "exp_avg", TUFF_STATE_0);
    if (status == TUFF_OK)
        status = tuff_weights_save_copy(store, folder, "exp_avg_sq", TUFF_STATE_1);
    if (status == TUFF_OK)
        status = write_state(ctx, folder, state, settings);
    if (status != TUFF_OK) {
        tuff_checkpoint_abort(&checkpoint);
        return status;
    }
    snprintf(name, name_size, "%s/step-%08llu", params->out, (unsigned long long) state->step);
    return tuff_checkpoint_commit(
        &checkpoint, &(struct tuff_checkpoint_params) {.best = best, .keep = params->keep});
}

enum tuff_status tuff_run_read(struct tuff_ctx *ctx, const char *folder,
                               struct tuff_run_state *state, json_t **settings)
{
    char *path = tuff_os_path_join(folder, "trainer.json");
    json_t *root = NULL;
    int64_t step = 0, applied = 0;
    *settings = NULL;
    if (!path)
        return no_memory(ctx);
    enum tuff_status status = tuff_json_load(ctx, path, &root);
    if (status == TUFF_OK)
        status = tuff_json_int(ctx, path, root, "step", &step);
    if (status == TUFF_OK)
        status = tuff_json_int(ctx, path, root, "applied", &applied);
    if (status == TUFF_OK)
        status = tuff_json_int(ctx, path, root, "steps", &state->steps);
    if (status == TUFF_OK)
        status = tuff_json_real(ctx, path, root, "best_loss", &state->best_loss);
    if (status == TUFF_OK)
        status = tuff_position_from_json(ctx, path, json_object_get(root, "position"),
                                         &state->position);
    state->step = (uint64_t) step;
    state->applied = (uint64_t) applied;
    if (status == TUFF_OK)
        *settings = json_incref(json_object_get(root, "settings"));
    json_decref(root);
    free(path);
    return status;
}

enum tuff_status tuff_run_same(struct tuff_ctx *ctx, const json_t *before, const json_t *now)
{
    struct tuff_text list = {0};
    const char *key;
    json_t *value;
    json_object_foreach((json_t *) (uintptr_t) now, key, value)
    {
        const json_t *old = json_object_get(before, key);
        if (old && json_equal(old, value))
            continue;
        char *was = old ? json_dumps(old, JSON_ENCODE_ANY) : NULL;
        char *is = json_dumps(value, JSON_ENCODE_ANY);
        tuff_text_printf(&list, "%s%s (was %s, is %s)", list.n ? ", " : "", key, was ? was : "?",
                         is ? is : "?");
        free(was);
        free(is);
    }
    enum tuff_status status = TUFF_OK;
    if (list.n)
        status = tuff_fail(ctx, TUFF_E_ARG, "resume: changed since the checkpoint: %s; --force "
                           "continues all the same", list.s);
    tuff_text_fini(&list);
    return status;
}

/* ---- the picture ---- */

struct curve {
    double *x, *y;
    size_t n;
};

static void add(struct curve *curve, double x, double y)
{
    curve->x[curve->n] = x;
    curve->y[curve->n++] = y;
}

enum tuff_status tuff_run_picture(struct tuff_ctx *ctx, const char *out)
{
    char *csv = tuff_os_path_join(out, "metrics.csv"), *png = tuff_os_path_join(out, "loss.png");
    struct tuff_table table = {0};
    enum tuff_status status = csv && png ? tuff_table_load(ctx, csv, &table) : no_memory(ctx);
    double *memory = status == TUFF_OK ? tuff_calloc(6 * table.n_rows, sizeof *memory) : NULL;
    if (memory) {
        struct curve curves[3];
        int loss = tuff_table_column(&table, "loss"), val = tuff_table_column(&table, "val_loss");
        double mean = 0;
        for (int i = 0; i < 3; i++)
            curves[i] = (struct curve) {memory + 2 * (size_t) i * table.n_rows,
                                        memory + (2 * (size_t) i + 1) * table.n_rows, 0};
        for (size_t i = 0; i < table.n_rows; i++) {
            const double *row = table.values + i * table.n_columns;
            if (loss >= 0 && row[loss] == row[loss]) {
                mean = curves[0].n ? 0.9 * mean + 0.1 * row[loss] : row[loss];
                add(&curves[0], row[0], row[loss]);
                add(&curves[1], row[0], mean);
            }
            if (val >= 0 && row[val] == row[val])
                add(&curves[2], row[0], row[val]);
        }
        struct tuff_plot_series series[3] = {
            {.x = curves[0].x, .y = curves[0].y, .n = curves[0].n, .faint = true},
            {.label = "training (smoothed)", .x = curves[1].x, .y = curves[1].y, .n = curves[1].n},
            {.label = "validation", .x = curves[2].x, .y = curves[2].y, .n = curves[2].n}};
        status = tuff_plot_write_png(ctx,
                                     &(struct tuff_plot) {.title = "Loss",
                                                          .x_label = "step",
                                                          .y_label = "nats per token",
                                                          .series = series,
                                                          .n_series = 3},
                                     png);
    }
    free(memory);
    tuff_table_fini(&table);
    free(csv);
    free(png);
    return status;
}
