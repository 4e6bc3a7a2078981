/* Writes what a run of `tuff train` was made of, so that another program can train the same model
 * from the same weights on the same tokens in the same order:
 *
 *   build/export_run RUN OUT
 *
 * makes OUT/init (the weights that the run began with), OUT/batches.bin, OUT/heldout.bin and
 * OUT/plan.json as tools/golden/train_reference.py describes them, for the steps that RUN's newest
 * checkpoint has behind it. All of it comes from the function that `tuff train` itself starts with,
 * given the settings in that checkpoint; nothing is trained. A run with dropout or with skipped
 * steps is refused, because nobody else can follow it. One begun with --init looks like any other,
 * but its first loss is not the reference's. */
#include "base/os.h"
#include "graph/store.h"
#include "io/checkpoint.h"
#include "train/fit_run.h"

struct export {
    struct tuff_ctx *ctx;
    struct tuff_arena arena; /* paths */
    const char *out;
    struct tuff_fit_memory *memory;
    struct tuff_fit_params params;
    struct tuff_fit_report report;
    struct tuff_run_state done; /* where the run stands */
    struct fit fit;
    int64_t heldout_windows;
};

/* ---- the run, as it was before its first step ---- */

static enum tuff_status read_checkpoint(struct export *e, const char *run)
{
    char *folder;
    json_t *settings = NULL;
    TUFF_TRY(tuff_checkpoint_newest(e->ctx, run, &folder, NULL));
    if (!folder)
        return tuff_fail(e->ctx, TUFF_E_IO, "%s: holds no checkpoint of a run", run);
    enum tuff_status status = tuff_run_read(e->ctx, folder, &e->done, &settings);
    if (status == TUFF_OK)
        status = tuff_model_config_load(e->ctx, folder, &e->params.config);
    json_decref(settings);
    free(folder);
    return status;
}

static enum tuff_status begin(struct export *e, const char *run, struct tuff_device *device)
{
    struct tuff_fit_params *p = &e->params;
    TUFF_TRY(read_checkpoint(e, run));
    TUFF_TRY(tuff_fit_recall(e->ctx, run, p, &e->memory));
    if (e->done.applied != e->done.step)
        return tuff_fail(e->ctx, TUFF_E_UNSUPPORTED, "%s: %llu of its %llu steps were skipped", run,
                         (unsigned long long) (e->done.step - e->done.applied),
                         (unsigned long long) e->done.step);
    if (tuff_model_has_dropout(&p->config))
        return tuff_fail(e->ctx, TUFF_E_UNSUPPORTED, "%s: trained with dropout, which is random",
                         run);
    const char **tokens = tuff_arena_alloc(&e->arena, sizeof *tokens);
    char *file = tuff_arena_printf(&e->arena, "%s/data.tok", run);
    p->out = tuff_arena_printf(&e->arena, "%s/export.tmp", e->out);
    if (!tokens || !file || !p->out)
        return tuff_fail(e->ctx, TUFF_E_NOMEM, "out of host memory");
    if (!tuff_run_is_token_file(p)) {
        *tokens = file;
        p->data = tokens;
        p->n_data = 1;
    }
    p->device = device;
    TUFF_TRY(tuff_os_mkdirs(e->ctx, e->out));
    TUFF_TRY(tuff_os_remove_tree(e->ctx, p->out)); /* what an export that was cut off has left */
    e->fit = (struct fit) {.ctx = e->ctx, .params = p, .report = &e->report};
    TUFF_TRY(tuff_fit_start(&e->fit));
    if (!e->fit.held_out)
        return tuff_fail(e->ctx, TUFF_E_UNSUPPORTED, "%s: no text was held out", run);
    return TUFF_OK;
}

/* ---- what is written ---- */

static enum tuff_status open_file(struct export *e, const char *name, struct tuff_os_file **file)
{
    char *path = tuff_arena_printf(&e->arena, "%s/%s", e->out, name);
    return path ? tuff_os_open(e->ctx, path, false, file)
                : tuff_fail(e->ctx, TUFF_E_NOMEM, "out of host memory");
}

/* Row by row context + 1 tokens: the first input, then the targets, which are the inputs moved by
 * one. */
static enum tuff_status write_windows(struct tuff_os_file *file, const uint32_t *ids,
                                      const uint32_t *targets, size_t rows, size_t context)
{
    for (size_t i = 0; i < rows; i++) {
        TUFF_TRY(tuff_os_write(file, ids + i * context, sizeof *ids));
        TUFF_TRY(tuff_os_write(file, targets + i * context, context * sizeof *targets));
    }
    return TUFF_OK;
}

static enum tuff_status write_batches(struct export *e)
{
    const struct tuff_fit_params *p = &e->params;
    struct tuff_os_file *file;
    TUFF_TRY(open_file(e, "batches.bin", &file));
    enum tuff_status status = TUFF_OK;
    for (uint64_t i = 0; i < e->done.step && status == TUFF_OK; i++) {
        struct tuff_batch batch;
        status = tuff_prefetch_next(e->fit.prefetch, &batch);
        if (status == TUFF_OK)
            status = write_windows(file, batch.ids, batch.targets,
                                   (size_t) (p->batch * p->accumulate), (size_t) p->context);
    }
    enum tuff_status closed = tuff_os_close(&file, false);
    return status == TUFF_OK ? closed : status;
}

/* Without the rows that only fill up the last batch. */
static enum tuff_status write_held_out(struct export *e)
{
    size_t rows = (size_t) e->params.batch, context = (size_t) e->params.context;
    struct tuff_data_position position = {0};
    struct tuff_os_file *file;
    uint32_t *ids = tuff_calloc(2 * rows * context, sizeof *ids), *targets = ids + rows * context;
    if (!ids)
        return tuff_fail(e->ctx, TUFF_E_NOMEM, "out of host memory");
    enum tuff_status status = open_file(e, "heldout.bin", &file);
    if (status != TUFF_OK) {
        free(ids);
        return status;
    }
    for (int64_t i = 0; i < e->fit.all_batches && status == TUFF_OK; i++) {
        size_t used = rows;
        status = tuff_loader_fill(e->fit.held_out, &position, ids, targets, NULL);
        while (used && targets[(used - 1) * context] == TUFF_TARGET_IGNORE)
            used--;
        if (status == TUFF_OK)
            status = write_windows(file, ids, targets, used, context);
        e->heldout_windows += (int64_t) used;
    }
    free(ids);
    enum tuff_status closed = tuff_os_close(&file, false);
    return status == TUFF_OK ? closed : status;
}

/* The parameters of groups with weight decay, of which there may be one value. */
static json_t *decayed(const struct export *e, double *decay)
{
    json_t *names = json_array();
    for (size_t i = 0; i < tuff_store_count(e->fit.store); i++) {
        const struct tuff_variable *v = tuff_store_get(e->fit.store, i);
        if (v->role == TUFF_TRAINABLE && e->fit.optimizer.weight_decay[v->group] != 0) {
            *decay = e->fit.optimizer.weight_decay[v->group];
            json_array_append_new(names, json_string(tuff_variable_name(v)));
        }
    }
    return names;
}

static enum tuff_status write_plan(struct export *e)
{
    const struct tuff_fit_params *p = &e->params;
    const struct tuff_optimizer_params *a = &e->fit.optimizer;
    const struct tuff_token_info *info = tuff_token_file_info(e->fit.data);
    double decay = 0;
    json_t *names = decayed(e, &decay), *rates = json_array();
    for (uint64_t i = 0; i < e->done.step; i++)
        json_array_append_new(rates, json_real(a->lr[i]));
    json_t *root = json_pack(
        "{s:I, s:I, s:I, s:I, s:[f,f], s:f, s:f, s:f, s:I, s:I, s:o, s:o}", "steps",
        (json_int_t) e->done.step, "batch", (json_int_t) p->batch, "context",
        (json_int_t) p->context, "accumulate", (json_int_t) p->accumulate, "betas", a->beta1,
        a->beta2, "eps", a->eps, "clip", a->clip, "weight_decay", decay, "heldout_windows",
        (json_int_t) e->heldout_windows, "heldout_bytes", (json_int_t) info->validation_bytes,
        "decayed", names, "lr", rates);
    char *path = tuff_arena_printf(&e->arena, "%s/plan.json", e->out);
    enum tuff_status status = root && path
                                  ? tuff_json_save(e->ctx, path, root)
                                  : tuff_fail(e->ctx, TUFF_E_NOMEM, "out of host memory");
    json_decref(root);
    return status;
}

static enum tuff_status write_all(struct export *e)
{
    char *init = tuff_arena_printf(&e->arena, "%s/init", e->out);
    if (!init)
        return tuff_fail(e->ctx, TUFF_E_NOMEM, "out of host memory");
    TUFF_TRY(tuff_os_mkdirs(e->ctx, init));
    TUFF_TRY(tuff_model_save(e->fit.model, init));
    TUFF_TRY(write_batches(e));
    TUFF_TRY(write_held_out(e));
    return write_plan(e);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: export_run RUN OUT\n");
        return 2;
    }
    struct export e = {.ctx = tuff_ctx_create(NULL), .out = argv[2]};
    struct tuff_device *device = NULL;
    enum tuff_status status =
        tuff_device_create(e.ctx, &(struct tuff_device_params) {0}, &device);
    if (status == TUFF_OK) {
        status = begin(&e, argv[1], device);
        if (status == TUFF_OK)
            status = write_all(&e);
    }
    if (e.fit.ctx) {
        status = tuff_fit_end(&e.fit, status);
        tuff_os_remove_tree(NULL, e.params.out);
    }
    if (status != TUFF_OK)
        fprintf(stderr, "export_run: %s\n", tuff_error_text(e.ctx));
    else
        printf("%s: %llu steps, %lld held-out windows\n", e.out, (unsigned long long) e.done.step,
               (long long) e.heldout_windows);
    tuff_fit_memory_free(e.memory);
    tuff_device_destroy(device);
    tuff_ctx_destroy(e.ctx);
    tuff_arena_fini(&e.arena);
    return status == TUFF_OK ? 0 : 1;
}
