/* train/run: checkpoints of a run, and its picture; see run.h. */
#include "train/run.h"
#include "base/os.h"
#include "data/position.h"
#include "io/checkpoint.h"
#include "io/metrics.h"
#include "models/weights.h"
#include "train/settings.h"
#include "tuff/io.h"
#include "tuff/soft_prompt.h"

#include <inttypes.h>
#include <math.h>

static enum tuff_status no_memory(struct tuff_ctx *ctx)
{
    return tuff_fail(ctx, TUFF_E_NOMEM, "training: out of host memory");
}

/* ---- settings ---- */

static json_t *text_list(const char *const *texts, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_string(texts[i]));
    return list;
}

static json_t *hash_text(uint64_t hash)
{
    char text[32];
    snprintf(text, sizeof text, "%016" PRIx64, hash);
    return json_string(text);
}

static const char *amp_text(const struct tuff_fit_params *p, char text[32])
{
    snprintf(text, 32, "O%d %s", p->amp, p->amp_dtype == TUFF_F16 ? "f16" : "bf16");
    return p->amp ? text : "O0";
}

static bool read_amp(const char *text, struct tuff_fit_params *p)
{
    for (p->amp = 0; p->amp < 4; p->amp++)
        for (int i = 0; i < 2; i++) {
            char same[32];
            p->amp_dtype = i ? TUFF_BF16 : TUFF_F16;
            if (!strcmp(text, amp_text(p, same)))
                return true;
        }
    return false;
}

json_t *tuff_run_settings(const struct tuff_fit_params *p, const struct tuff_token_info *data,
                          const struct tuff_tokenizer *tokenizer, int64_t steps, int64_t warmup)
{
    const struct tuff_device_info *device = tuff_device_info(p->device);
    struct tuff_fit_params as = *p; /* as they came out */
    char amp[32];
    as.steps = steps;
    as.schedule.warmup = warmup;
    json_t *root = json_pack("{s:s, s:i, s:s, s:s, s:s, s:s, s:s}", "amp", amp_text(p, amp),
                             "checkpoint", p->checkpoint, "schedule",
                             tuff_schedule_name(p->schedule.kind), "optimizer",
                             tuff_optimizer_name(p->optimizer.kind), "device", device->name,
                             "driver", device->driver, "tuff", tuff_version());
    if (!root)
        return NULL;
    int bad = json_object_set_new(root, "tokens", hash_text(data->checksum));
    bad |= !tuff_settings_write(root, &as, TUFF_SETTING_SAME);
    if (tokenizer)
        bad |= json_object_set_new(root, "tokenizer", hash_text(tuff_run_vocabulary(tokenizer)));
    if (p->n_data && !tuff_run_is_token_file(p))
        bad |= json_object_set_new(root, "data", text_list(p->data, p->n_data));
    if (!bad)
        return root;
    json_decref(root);
    return NULL;
}

/* "key (was x, is y)"; NULL: "?" */
static void add_change(struct tuff_text *list, const char *key, const json_t *old,
                       const json_t *value)
{
    char *was = old ? json_dumps(old, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6)) : NULL;
    char *is = value ? json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6)) : NULL;
    tuff_text_printf(list, "%s%s (was %s, is %s)", list->n ? ", " : "", key, was ? was : "?",
                     is ? is : "?");
    free(was);
    free(is);
}

enum tuff_status tuff_run_same(struct tuff_ctx *ctx, const json_t *before, const json_t *now,
                               const char *other)
{
    static const char *const words[] = {"group", "freeze"}; /* not written where there are none */
    struct tuff_text list = {0};
    const char *key;
    json_t *value;
    for (size_t i = 0; i < TUFF_COUNT(words); i++)
        if (json_object_get(before, words[i]) && !json_object_get(now, words[i]))
            add_change(&list, words[i], json_object_get(before, words[i]), NULL);
    json_object_foreach((json_t *) (uintptr_t) now, key, value)
    {
        const json_t *old = json_object_get(before, key);
        /* A setting that earlier versions did not have, and that is off. */
        bool off = !old && (json_is_false(value) || !strcmp(key, "amp") ||
                            (json_is_number(value) && json_number_value(value) == 0));
        if (off || (old && json_equal(old, value)))
            continue;
        add_change(&list, key, old, value);
    }
    if (other && *other)
        tuff_text_printf(&list, "%s%s", list.n ? ", " : "", other);
    enum tuff_status status = TUFF_OK;
    if (list.n)
        status = tuff_fail(ctx, TUFF_E_ARG, "resume: changed since the checkpoint: %s; --force "
                           "continues all the same, with other bits", list.s);
    tuff_text_fini(&list);
    return status;
}

/* ---- checkpoints ---- */

/* Infinity, which JSON has not, is null. */
static json_t *plateau_json(const struct tuff_plateau *s)
{
    return json_pack("{s:f, s:o, s:I, s:I}", "rate", s->rate, "best",
                     isfinite(s->best) ? json_real(s->best) : json_null(), "bad",
                     (json_int_t) s->bad, "cooldown", (json_int_t) s->cooldown);
}

static enum tuff_status read_plateau(struct tuff_ctx *ctx, const char *folder, const json_t *from,
                                     struct tuff_plateau *s)
{
    *s = (struct tuff_plateau) {.rate = 1, .best = INFINITY};
    if (!from)
        return TUFF_OK;
    TUFF_TRY(tuff_json_real(ctx, folder, from, "rate", &s->rate));
    if (!json_is_null(json_object_get(from, "best")))
        TUFF_TRY(tuff_json_real(ctx, folder, from, "best", &s->best));
    TUFF_TRY(tuff_json_int(ctx, folder, from, "bad", &s->bad));
    TUFF_TRY(tuff_json_int(ctx, folder, from, "cooldown", &s->cooldown));
    return s->rate > 0 && s->rate <= 1 && s->bad >= 0 && s->cooldown >= 0
               ? TUFF_OK
               : tuff_fail(ctx, TUFF_E_FORMAT, "%s/trainer.json: \"plateau\" is no state of a schedule",
                           folder);
}

static enum tuff_status write_state(struct tuff_ctx *ctx, const char *folder,
                                    const struct tuff_run_save_params *params)
{
    const struct tuff_run_state *state = params->state;
    const struct tuff_fit_params *p = params->fit;
    char *path = tuff_os_path_join(folder, "trainer.json");
    json_t *root = json_pack("{s:I, s:I, s:I, s:f, s:f}", "step", (json_int_t) state->step, "applied",
                             (json_int_t) state->applied, "steps", (json_int_t) state->steps,
                             "best_loss", state->best_loss, "loss_of_best", state->loss_of_best);
    json_t *options = json_object();
    bool written = tuff_settings_write(options, p, TUFF_SETTING_OPTION);
    if (p->n_data)
        json_object_set_new(options, "data", text_list(p->data, p->n_data));
    json_object_set_new(options, "on-nan", json_string(tuff_fit_on_nan_name(p->on_nan)));
    if (p->n_eval_data)
        json_object_set_new(options, "eval-data", text_list(p->eval_data, p->n_eval_data));
    int bad = (!written) | json_object_set_new(root, "position", tuff_position_to_json(&state->position));
    bad |= json_object_set_new(root, "since_best", json_integer(state->since_best));
    bad |= json_object_set_new(root, "rollbacks", json_integer(state->rollbacks));
    if (p->schedule.kind == TUFF_SCHEDULE_PLATEAU)
        bad |= json_object_set_new(root, "plateau", plateau_json(&state->plateau));
    bad |= json_object_set_new(root, "settings", json_deep_copy(params->settings));
    bad |= json_object_set_new(root, "options", options);
    enum tuff_status status = path && !bad ? tuff_json_save(ctx, path, root) : no_memory(ctx);
    json_decref(root);
    free(path);
    return status;
}

#define AVERAGE "ema" /* the file of the parameters' moving averages */
#define OWN_STATES "optimizer" /* the file of states with shapes of their own */

static bool has_own_states(const struct tuff_optimizer_params *o)
{
    return o->kind == TUFF_ADAFACTOR || o->kind == TUFF_MUON || o->kind == TUFF_GALORE ||
           o->loss_scale > 0 || o->skip_outliers > 0;
}

static enum tuff_status save_optimizer(struct tuff_store *store, const char *folder,
                                       const struct tuff_optimizer_params *o)
{
    for (int i = 0; i < tuff_optimizer_states(o); i++)
        TUFF_TRY(tuff_weights_save_copy(store, folder, tuff_optimizer_state_name(o, i),
                                        (enum tuff_copy) (TUFF_STATE_0 + i)));
    if (o->average > 0)
        TUFF_TRY(tuff_weights_save_copy(store, folder, AVERAGE, TUFF_AVERAGE));
    return has_own_states(o)
               ? tuff_weights_save_some(store, folder, OWN_STATES, tuff_optimizer_owns) : TUFF_OK;
}

enum tuff_status tuff_run_load_optimizer(struct tuff_store *store, const char *folder,
                                         const struct tuff_optimizer_params *o)
{
    int states = tuff_optimizer_states(o), n = states + (o->average > 0) + has_own_states(o);
    for (int i = 0; i < n; i++) {
        bool average = i == states && o->average > 0;
        const char *name = average ? AVERAGE : tuff_optimizer_state_name(o, i);
        enum tuff_copy copy = average ? TUFF_AVERAGE : (enum tuff_copy) (TUFF_STATE_0 + i);
        char file[64];
        snprintf(file, sizeof file, "%s.safetensors", name ? name : OWN_STATES);
        char *path = tuff_os_path_join(folder, file);
        enum tuff_status status = !path  ? no_memory(tuff_store_ctx(store))
                                  : name ? tuff_weights_load_copy(store, path, copy)
                                         : tuff_weights_load_some(store, path, tuff_optimizer_owns);
        free(path);
        TUFF_TRY(status);
    }
    return TUFF_OK;
}

static enum tuff_status save_adapter(struct tuff_ctx *ctx,
                                     const struct tuff_run_save_params *params, const char *folder)
{
    TUFF_TRY(tuff_model_config_save(ctx, folder, params->config));
    return tuff_adapter_save(params->model, folder, params->base);
}

enum tuff_status tuff_run_save(struct tuff_ctx *ctx, const struct tuff_run_save_params *params)
{
    struct tuff_checkpoint *checkpoint = NULL;
    const struct tuff_fit_params *p = params->fit;
    TUFF_TRY(tuff_checkpoint_begin(ctx, p->out, params->state->step, &checkpoint));
    const char *folder = tuff_checkpoint_folder(checkpoint);
    enum tuff_status status = tuff_fit_adapts(p) ? save_adapter(ctx, params, folder)
                                      : tuff_model_save(params->model, folder);
    if (status == TUFF_OK && params->tokenizer)
        status = tuff_tokenizer_save(ctx, params->tokenizer, folder);
    if (status == TUFF_OK)
        status = save_optimizer(params->store, folder, &p->optimizer);
    if (status == TUFF_OK && p->on_save)
        status = p->on_save(p->user, folder);
    if (status == TUFF_OK)
        status = write_state(ctx, folder, params);
    if (status != TUFF_OK) {
        tuff_checkpoint_abort(&checkpoint);
        return status;
    }
    return tuff_checkpoint_commit(&checkpoint, &(struct tuff_checkpoint_params) {
                                                   .best = params->best, .keep = (int) p->keep});
}

static enum tuff_status load_state(struct tuff_ctx *ctx, const char *folder, json_t **root)
{
    char *path = tuff_os_path_join(folder, "trainer.json");
    enum tuff_status status = path ? tuff_json_load(ctx, path, root) : no_memory(ctx);
    free(path);
    return status;
}

static enum tuff_status parse_state(struct tuff_ctx *ctx, const char *folder, const json_t *root,
                                    struct tuff_run_state *state)
{
    int64_t step = -1, applied = -1;
    state->steps = -1;
    TUFF_TRY(tuff_json_int(ctx, folder, root, "step", &step));
    TUFF_TRY(tuff_json_int(ctx, folder, root, "applied", &applied));
    TUFF_TRY(tuff_json_int(ctx, folder, root, "steps", &state->steps));
    TUFF_TRY(tuff_json_real(ctx, folder, root, "best_loss", &state->best_loss));
    TUFF_TRY(tuff_json_real(ctx, folder, root, "loss_of_best", &state->loss_of_best));
    TUFF_TRY(tuff_json_int(ctx, folder, root, "since_best", &state->since_best));
    TUFF_TRY(tuff_json_int(ctx, folder, root, "rollbacks", &state->rollbacks));
    TUFF_TRY(read_plateau(ctx, folder, json_object_get(root, "plateau"), &state->plateau));
    if (step < 0 || applied < 0 || applied > step || step > state->steps ||
        state->steps > TUFF_FIT_STEPS_MAX)
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s/trainer.json: step %lld, applied %lld, steps "
                         "%lld: no state of a run", folder, (long long) step, (long long) applied,
                         (long long) state->steps);
    state->step = (uint64_t) step;
    state->applied = (uint64_t) applied;
    return tuff_position_from_json(ctx, folder, json_object_get(root, "position"),
                                   &state->position);
}

enum tuff_status tuff_run_read(struct tuff_ctx *ctx, const char *folder,
                               struct tuff_run_state *state, json_t **settings)
{
    json_t *root = NULL;
    *settings = NULL;
    TUFF_TRY(load_state(ctx, folder, &root));
    enum tuff_status status = parse_state(ctx, folder, root, state);
    if (status == TUFF_OK)
        *settings = json_incref(json_object_get(root, "settings"));
    json_decref(root);
    return status;
}

/* ---- recalling ---- */

struct tuff_fit_memory {
    json_t *root;
    const char **data, **eval_data; /* texts belong to root */
};

void tuff_fit_memory_free(struct tuff_fit_memory *memory)
{
    if (!memory)
        return;
    json_decref(memory->root);
    free(memory->data);
    free(memory->eval_data);
    free(memory);
}

static enum tuff_status recall_settings(struct tuff_ctx *ctx, const char *name, const json_t *set,
                                        const json_t *options, struct tuff_fit_params *p)
{
    int64_t checkpoint = p->checkpoint;
    const char *schedule = NULL, *optimizer = NULL, *amp = NULL;
    TUFF_TRY(tuff_settings_read(ctx, name, set, p, TUFF_SETTING_SAME));
    TUFF_TRY(tuff_settings_read(ctx, name, options, p, TUFF_SETTING_OPTION));
    TUFF_TRY(tuff_json_int(ctx, name, set, "checkpoint", &checkpoint));
    TUFF_TRY(tuff_json_string(ctx, name, set, "schedule", &schedule));
    TUFF_TRY(tuff_json_string(ctx, name, set, "optimizer", &optimizer));
    TUFF_TRY(tuff_json_string(ctx, name, set, "amp", &amp));
    if (amp && !read_amp(amp, p))
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s/trainer.json: amp \"%s\": no such level", name, amp);
    if ((schedule && !tuff_schedule_find(schedule, &p->schedule.kind)) ||
        (optimizer && !tuff_optimizer_find(optimizer, &p->optimizer.kind)))
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s/trainer.json: schedule \"%s\", optimizer \"%s\": "
                         "no such kind", name, schedule ? schedule : "",
                         optimizer ? optimizer : "");
    p->checkpoint = (int) TUFF_MIN(TUFF_MAX(checkpoint, -1), 100000);
    p->epochs = 0;
    return TUFF_OK;
}

static enum tuff_status recall_texts(struct tuff_ctx *ctx, const char *folder, const json_t *options,
                                     const char *key, const char ***texts, size_t *n)
{
    const json_t *list = json_object_get(options, key);
    *n = json_array_size(list);
    if (!(*texts = tuff_calloc(TUFF_MAX(*n, 1), sizeof **texts)))
        return no_memory(ctx);
    for (size_t i = 0; i < *n; i++)
        if (!((*texts)[i] = json_string_value(json_array_get(list, i))))
            return tuff_fail(ctx, TUFF_E_FORMAT, "%s/trainer.json: \"%s\" must be texts", folder, key);
    return TUFF_OK;
}

static enum tuff_status recall(struct tuff_ctx *ctx, const char *folder, struct tuff_fit_params *p,
                               struct tuff_fit_memory *memory)
{
    TUFF_TRY(load_state(ctx, folder, &memory->root));
    const json_t *options = json_object_get(memory->root, "options");
    TUFF_TRY(recall_settings(ctx, folder, json_object_get(memory->root, "settings"), options, p));
    const char *on_nan = NULL;
    TUFF_TRY(tuff_json_string(ctx, folder, options, "on-nan", &on_nan));
    if (on_nan && !tuff_fit_on_nan_find(on_nan, &p->on_nan))
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s/trainer.json: on-nan \"%s\": no such way", folder, on_nan);
    TUFF_TRY(recall_texts(ctx, folder, options, "data", &memory->data, &p->n_data));
    TUFF_TRY(recall_texts(ctx, folder, options, "eval-data", &memory->eval_data, &p->n_eval_data));
    p->data = memory->data;
    p->eval_data = memory->eval_data;
    return TUFF_OK;
}

enum tuff_status tuff_fit_recall(struct tuff_ctx *ctx, const char *run, struct tuff_fit_params *p,
                                 struct tuff_fit_memory **out)
{
    char *folder;
    *out = NULL;
    /* Without the context: tuff_fit will look again, and then tell what it passed over. */
    TUFF_TRY(tuff_checkpoint_newest(NULL, run, &folder, NULL));
    if (!folder)
        return TUFF_OK;
    struct tuff_fit_params found = *p;
    struct tuff_fit_memory *memory = tuff_calloc(1, sizeof *memory);
    enum tuff_status status = memory ? recall(ctx, folder, &found, memory) : no_memory(ctx);
    free(folder);
    if (status == TUFF_OK) {
        *p = found;
        *out = memory;
    } else {
        tuff_fit_memory_free(memory);
    }
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

/* Each step faint, their moving average, validation. The average forgets with the length of the
 * run, so that its line is as smooth for a long one. memory: 6 rows' worth. */
static void make_curves(const struct tuff_table *table, double *memory, struct curve curves[3])
{
    int loss = tuff_table_column(table, "loss"), val = tuff_table_column(table, "val_loss");
    double mean = 0, share = TUFF_MIN(0.2, TUFF_MAX(0.005, 20.0 / (double) (table->n_rows + 1)));
    for (size_t i = 0; i < 3; i++)
        curves[i] = (struct curve) {memory + 2 * i * table->n_rows,
                                    memory + (2 * i + 1) * table->n_rows, 0};
    for (size_t i = 0; i < table->n_rows; i++) {
        const double *row = table->values + i * table->n_columns;
        if (loss >= 0 && isfinite(row[loss])) {
            mean = curves[0].n ? (1 - share) * mean + share * row[loss] : row[loss];
            add(&curves[0], row[0], row[loss]);
            add(&curves[1], row[0], mean);
        }
        if (val >= 0 && isfinite(row[val]))
            add(&curves[2], row[0], row[val]);
    }
}

enum tuff_status tuff_run_picture(struct tuff_ctx *ctx, const char *out)
{
    char *csv = tuff_os_path_join(out, "metrics.csv"), *png = tuff_os_path_join(out, "loss.png");
    struct tuff_table table = {0};
    enum tuff_status status = csv && png ? tuff_table_load(ctx, csv, &table) : no_memory(ctx);
    double *memory = tuff_calloc(6 * table.n_rows, sizeof *memory);
    if (status == TUFF_OK && !memory)
        status = no_memory(ctx);
    if (status == TUFF_OK) {
        struct curve c[3];
        make_curves(&table, memory, c);
        const struct tuff_plot_series series[3] = {
            {.x = c[0].x, .y = c[0].y, .n = c[0].n, .faint = true},
            {.label = "training (smoothed)", .x = c[1].x, .y = c[1].y, .n = c[1].n},
            {.label = "validation", .x = c[2].x, .y = c[2].y, .n = c[2].n}};
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
