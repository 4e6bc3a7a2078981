/* train/fit: the loop: batches in, steps, evaluation, checkpoints, metrics. */
#include "base/os.h"
#include "io/checkpoint.h"
#include "io/metrics.h"
#include "models/weights.h"
#include "train/run.h"

#include <math.h>

#define RATES_MAX 65536 /* steps, when they are not known before the first was timed */

struct fit {
    struct tuff_ctx *ctx;
    const struct tuff_fit_params *params;
    struct tuff_gpt2_config config;
    struct tuff_os_lock *lock;
    struct tuff_tokenizer *tokenizer;
    struct tuff_token_file *data;
    struct tuff_store *store;
    struct tuff_gpt2 *model;
    struct tuff_trainer *trainer;
    struct tuff_prefetch *prefetch;
    struct tuff_loader *held_out;
    struct tuff_csv *csv;
    struct tuff_events *events;
    json_t *settings;
    struct tuff_run_state state;
    double *lr;
    int64_t steps;
    double begin, rate_begin; /* seconds; of training, of the current rate's window */
    int64_t rate_tokens;
    double rate;
    struct tuff_fit_report *report;
    char *resume_from;
};

static void tell(struct fit *f, struct tuff_fit_event event)
{
    event.steps = f->steps;
    if (f->params->on_event)
        f->params->on_event(f->params->user, &event);
}

static void note(struct fit *f, const char *text)
{
    tell(f, (struct tuff_fit_event) {.kind = TUFF_FIT_NOTE, .text = text});
}

static enum tuff_status check_params(struct tuff_ctx *ctx, const struct tuff_fit_params *p)
{
    const struct {
        const char *name;
        double value, least;
    } list[] = {{"batch", (double) p->batch, 1},
                {"context", (double) p->context, 1},
                {"accumulate", (double) p->accumulate, 1},
                {"lr", p->lr, 0},
                {"warmup", (double) p->warmup, 0},
                {"weight-decay", p->weight_decay, 0},
                {"validation", p->validation, 0}};
    for (size_t i = 0; i < TUFF_COUNT(list); i++)
        if (!(list[i].value >= list[i].least))
            return tuff_fail(ctx, TUFF_E_RANGE, "%s must be %g or more", list[i].name,
                             list[i].least);
    if (p->validation > 0.9)
        return tuff_fail(ctx, TUFF_E_RANGE, "validation must be 0 to 0.9");
    if (p->steps < 1 && p->epochs < 1 && !(p->seconds > 0))
        return tuff_fail(ctx, TUFF_E_ARG, "say how long to train: steps, epochs or seconds");
    if (!p->n_data)
        return tuff_fail(ctx, TUFF_E_ARG, "no data given");
    return TUFF_OK;
}

static enum tuff_status open_run(struct fit *f)
{
    const struct tuff_fit_params *p = f->params;
    TUFF_TRY(tuff_os_mkdirs(f->ctx, p->out));
    char *lock = tuff_os_path_join(p->out, "lock");
    enum tuff_status status = lock ? tuff_os_lock(f->ctx, lock, &f->lock)
                                   : tuff_fail(f->ctx, TUFF_E_NOMEM, "training: out of memory");
    free(lock);
    TUFF_TRY(status);
    TUFF_TRY(tuff_checkpoint_newest(f->ctx, p->out, &f->resume_from, NULL));
    if (f->resume_from && !p->resume)
        return tuff_fail(f->ctx, TUFF_E_ARG, "%s: holds checkpoints already; --resume continues "
                         "them, another --out starts anew", p->out);
    if (p->resume && !f->resume_from)
        note(f, "nothing to resume: starting from the beginning");
    if (f->resume_from && !f->params->tokenizer)
        return TUFF_OK;
    return p->tokenizer ? tuff_tokenizer_load(f->ctx, p->tokenizer, &f->tokenizer) : TUFF_OK;
}

static enum tuff_status open_data(struct fit *f)
{
    const struct tuff_fit_params *p = f->params;
    if (f->resume_from && !f->tokenizer) {
        char *path = tuff_os_path_join(f->resume_from, "tokenizer.json");
        enum tuff_status status = TUFF_OK;
        if (path && tuff_os_path_kind(path) == TUFF_PATH_FILE)
            status = tuff_tokenizer_load(f->ctx, path, &f->tokenizer);
        free(path);
        TUFF_TRY(status);
    }
    TUFF_TRY(tuff_run_data(f->ctx, p, f->tokenizer, &f->data));
    const struct tuff_token_info *info = tuff_token_file_info(f->data);
    const char *from = f->resume_from ? f->resume_from : p->init;
    if (from)
        TUFF_TRY(tuff_gpt2_config_load(f->ctx, from, &f->config));
    else
        f->config = p->config;
    if (!f->config.vocab_size)
        f->config.vocab_size = (int64_t) info->vocab;
    if ((uint64_t) f->config.vocab_size < info->vocab)
        return tuff_fail(f->ctx, TUFF_E_RANGE, "the data's vocabulary has %llu ids, the model's %lld",
                         (unsigned long long) info->vocab, (long long) f->config.vocab_size);
    if (p->dropout >= 0)
        f->config.embd_pdrop = f->config.resid_pdrop = f->config.attn_pdrop = p->dropout;
    struct tuff_loader_params train = {.file = f->data,
                                       .split = TUFF_SPLIT_TRAIN,
                                       .batch = (uint32_t) (p->batch * p->accumulate),
                                       .context = (uint32_t) p->context};
    f->state.position.seed = p->seed;
    TUFF_TRY(tuff_prefetch_create(f->ctx, &train, &f->state.position, &f->prefetch));
    if (info->count > info->train) {
        train.split = TUFF_SPLIT_VALIDATION;
        train.batch = (uint32_t) p->batch;
        TUFF_TRY(tuff_loader_create(f->ctx, &train, &f->held_out));
    }
    return TUFF_OK;
}

static enum tuff_status create_trainer(struct fit *f)
{
    const struct tuff_fit_params *p = f->params;
    f->steps = p->steps;
    if (!f->steps && p->epochs > 0) {
        const struct tuff_token_info *info = tuff_token_file_info(f->data);
        uint64_t windows = (info->train - 1) / (uint64_t) p->context * (uint64_t) p->epochs;
        f->steps = (int64_t) tuff_div_up(windows, (uint64_t) (p->batch * p->accumulate));
    }
    int64_t rates = f->steps > 0 ? f->steps : RATES_MAX;
    f->lr = tuff_calloc((size_t) rates, sizeof *f->lr);
    if (!f->lr)
        return tuff_fail(f->ctx, TUFF_E_NOMEM, "training: out of host memory");
    tuff_schedule_fill(f->lr, rates, p->schedule, p->lr, p->warmup, p->min_lr);
    TUFF_TRY(tuff_store_create(f->ctx, p->device, &f->store));
    TUFF_TRY(tuff_gpt2_create(f->store, &f->config, &f->model));
    bool dropout = f->config.embd_pdrop > 0 || f->config.resid_pdrop > 0 || f->config.attn_pdrop > 0;
    return tuff_trainer_create(
        f->ctx,
        &(struct tuff_trainer_params) {.store = f->store,
                                       .model = f->model,
                                       .batch = p->batch,
                                       .context = p->context,
                                       .adamw = {.beta1 = p->beta1,
                                                 .beta2 = p->beta2,
                                                 .eps = 1e-8,
                                                 .clip = p->clip,
                                                 .lr = f->lr,
                                                 .lr_count = rates,
                                                 .weight_decay = {p->weight_decay}},
                                       .dropout = dropout,
                                       .seed = p->seed},
        &f->trainer);
}

static enum tuff_status submit(struct fit *f, const struct tuff_batch *batch)
{
    const struct tuff_fit_params *p = f->params;
    size_t n = (size_t) p->accumulate, micro = (size_t) (p->batch * p->context);
    const uint32_t **list = tuff_calloc(2 * n, sizeof *list);
    if (!list)
        return tuff_fail(f->ctx, TUFF_E_NOMEM, "training: out of host memory");
    for (size_t i = 0; i < n; i++) {
        list[i] = batch->ids + i * micro;
        list[n + i] = batch->targets + i * micro;
    }
    enum tuff_status status = tuff_trainer_step(f->trainer, list, list + n, n, batch->counted);
    free(list);
    return status;
}

/* How many steps fit: three on weights of zero (whose gradients are zero, so that nothing is
 * learnt), of which the first also compiles. What validation and saving take is set aside. */
static enum tuff_status choose_steps(struct fit *f)
{
    const struct tuff_fit_params *p = f->params;
    double start = tuff_os_now(), second = 0;
    struct tuff_step_result result;
    bool have;
    TUFF_TRY(tuff_trainer_start(f->trainer, 0, 0));
    for (int i = 0; i < 3; i++) {
        struct tuff_batch batch;
        TUFF_TRY(tuff_prefetch_next(f->prefetch, &batch));
        TUFF_TRY(submit(f, &batch));
        TUFF_TRY(tuff_trainer_result(f->trainer, true, &have, &result));
        if (!i)
            second = tuff_os_now();
    }
    double step = (tuff_os_now() - second) / 2, left = p->seconds - (tuff_os_now() - start);
    double evals = 0;
    if (f->held_out) {
        double batches = (double) tuff_loader_windows(f->held_out, 0, 0) / (double) p->batch;
        if (p->eval_batches > 0)
            batches = TUFF_MIN(batches, (double) p->eval_batches);
        evals = batches * step / (double) p->accumulate * 0.4; /* forward is a third of a step */
    }
    f->steps = (int64_t) TUFF_MIN(TUFF_MAX((left - evals) * 0.95 / step, 1), (double) RATES_MAX);
    tuff_schedule_fill(f->lr, f->steps, p->schedule, p->lr, TUFF_MIN(p->warmup, f->steps / 4),
                       p->min_lr);
    TUFF_TRY(tuff_trainer_set_rates(f->trainer, f->lr, f->steps));
    tuff_prefetch_seek(f->prefetch, &f->state.position);
    char text[128];
    snprintf(text, sizeof text, "a step takes %.3f s: %lld steps fit into the time", step,
             (long long) f->steps);
    note(f, text);
    return TUFF_OK;
}

/* Weights, optimizer and position as the checkpoint has them. */
static enum tuff_status restore(struct fit *f)
{
    json_t *before = NULL;
    TUFF_TRY(tuff_run_read(f->ctx, f->resume_from, &f->state, &before));
    if (!f->steps)
        f->steps = f->state.steps;
    const struct tuff_token_info *info = tuff_token_file_info(f->data);
    f->settings = tuff_run_settings(f->params, info, f->steps);
    enum tuff_status status =
        f->params->force ? TUFF_OK : tuff_run_same(f->ctx, before, f->settings);
    json_decref(before);
    TUFF_TRY(status);
    tuff_schedule_fill(f->lr, f->steps, f->params->schedule, f->params->lr,
                       f->params->steps > 0 || f->params->epochs > 0
                           ? f->params->warmup
                                            : TUFF_MIN(f->params->warmup, f->steps / 4),
                       f->params->min_lr);
    TUFF_TRY(tuff_trainer_set_rates(f->trainer, f->lr, f->steps));
    TUFF_TRY(tuff_gpt2_load(f->model, f->resume_from));
    const struct {
        const char *name;
        enum tuff_copy copy;
    } moments[] = {{"exp_avg.safetensors", TUFF_STATE_0}, {"exp_avg_sq.safetensors", TUFF_STATE_1}};
    for (size_t i = 0; i < TUFF_COUNT(moments); i++) {
        char *path = tuff_os_path_join(f->resume_from, moments[i].name);
        status = path ? tuff_weights_load_copy(f->store, path, moments[i].copy)
                      : tuff_fail(f->ctx, TUFF_E_NOMEM, "training: out of host memory");
        free(path);
        TUFF_TRY(status);
    }
    TUFF_TRY(tuff_checkpoint_drop_after(f->ctx, f->params->out, f->state.step));
    tuff_prefetch_seek(f->prefetch, &f->state.position);
    return TUFF_OK;
}

static enum tuff_status open_metrics(struct fit *f)
{
    static const char *const columns[] = {"step", "loss", "grad_norm", "lr", "tokens_per_s",
                                          "val_loss", "val_bits_per_byte"};
    uint64_t last = f->resume_from ? f->state.step : TUFF_METRICS_NEW;
    char *path = tuff_os_path_join(f->params->out, "metrics.csv");
    enum tuff_status status =
        path ? tuff_csv_open(f->ctx, path, columns, TUFF_COUNT(columns), last, &f->csv)
             : tuff_fail(f->ctx, TUFF_E_NOMEM, "training: out of host memory");
    free(path);
    return status == TUFF_OK ? tuff_events_open(f->ctx, f->params->out, last, &f->events) : status;
}

static enum tuff_status start(struct fit *f)
{
    const struct tuff_fit_params *p = f->params;
    if (f->resume_from) {
        TUFF_TRY(restore(f));
    } else {
        f->state.best_loss = 1e300;
        if (!f->steps)
            TUFF_TRY(choose_steps(f));
        f->settings = tuff_run_settings(p, tuff_token_file_info(f->data), f->steps);
        TUFF_TRY(p->init ? tuff_gpt2_load(f->model, p->init) : tuff_gpt2_init(f->model, p->seed));
    }
    f->state.steps = f->steps;
    if (!f->settings)
        return tuff_fail(f->ctx, TUFF_E_NOMEM, "training: out of host memory");
    TUFF_TRY(open_metrics(f));
    return tuff_trainer_start(f->trainer, f->state.step, f->state.applied);
}

/* ---- results ---- */

static enum tuff_status log_step(struct fit *f, const struct tuff_step_result *r)
{
    double now = tuff_os_now();
    f->rate_tokens += (int64_t) r->tokens;
    if (now - f->rate_begin > 1 || f->rate == 0) {
        f->rate = (double) f->rate_tokens / TUFF_MAX(now - f->rate_begin, 1e-9);
        f->rate_begin = now;
        f->rate_tokens = 0;
    }
    f->state.applied = r->applied;
    f->report->train_loss = r->loss;
    double lr = f->lr[TUFF_MIN((int64_t) TUFF_MAX(r->applied, 1) - 1, f->steps - 1)];
    double values[] = {r->loss, r->norm, lr, f->rate};
    static const char *const tags[] = {"train/loss", "train/grad_norm", "train/lr",
                                       "train/tokens_per_s"};
    TUFF_TRY(tuff_csv_row(f->csv, r->step, values, 15));
    TUFF_TRY(tuff_events_scalars(f->events, r->step, 4, tags, values));
    double tokens = (double) (f->steps - (int64_t) r->step) * (double) r->tokens;
    tell(f, (struct tuff_fit_event) {.kind = TUFF_FIT_STEP, .step = (int64_t) r->step,
                                     .loss = r->loss, .norm = r->norm, .lr = lr,
                                     .tokens_per_s = f->rate,
                                     .eta = f->rate > 0 ? tokens / f->rate : -1,
                                     .skipped = r->skipped});
    return TUFF_OK;
}

static enum tuff_status take_results(struct fit *f, bool wait)
{
    for (bool have = true; have;) {
        struct tuff_step_result result;
        TUFF_TRY(tuff_trainer_result(f->trainer, wait, &have, &result));
        if (have)
            TUFF_TRY(log_step(f, &result));
    }
    return TUFF_OK;
}

static enum tuff_status evaluate(struct fit *f, bool whole, bool *best)
{
    const struct tuff_fit_params *p = f->params;
    const struct tuff_token_info *info = tuff_token_file_info(f->data);
    size_t n = (size_t) (p->batch * p->context);
    struct tuff_data_position position = {0};
    double nats = 0, tokens = 0;
    uint32_t *ids = tuff_calloc(2 * n, sizeof *ids);
    enum tuff_status status =
        ids ? TUFF_OK : tuff_fail(f->ctx, TUFF_E_NOMEM, "training: out of host memory");
    for (int64_t i = 0; status == TUFF_OK && (whole || !p->eval_batches || i < p->eval_batches);
         i++) {
        uint64_t counted;
        double sum;
        status = tuff_loader_fill(f->held_out, &position, ids, ids + n, &counted);
        if (status != TUFF_OK || !counted)
            break;
        status = tuff_trainer_evaluate(f->trainer, ids, ids + n, &sum);
        nats += sum;
        tokens += (double) counted;
    }
    free(ids);
    TUFF_TRY(status);
    double loss = nats / tokens;
    double per_byte = (double) (info->count - info->train) / (double) info->validation_bytes;
    *best = loss < f->state.best_loss;
    f->state.best_loss = TUFF_MIN(loss, f->state.best_loss);
    f->report->val_loss = loss;
    f->report->bits_per_byte = loss * per_byte / log(2);
    double values[] = {0, 0, 0, 0, loss, f->report->bits_per_byte};
    static const char *const tags[] = {"validation/loss", "validation/bits_per_byte"};
    TUFF_TRY(tuff_csv_row(f->csv, f->state.step, values, 48));
    TUFF_TRY(tuff_events_scalars(f->events, f->state.step, 2, tags, values + 4));
    tell(f, (struct tuff_fit_event) {.kind = TUFF_FIT_EVAL, .step = (int64_t) f->state.step,
                                     .val_loss = loss, .bits_per_byte = f->report->bits_per_byte,
                                     .best = *best});
    f->rate_begin = tuff_os_now(); /* the rate is of training alone */
    f->rate_tokens = 0;
    return TUFF_OK;
}

static enum tuff_status save(struct fit *f, bool best)
{
    TUFF_TRY(tuff_run_save(f->ctx, f->params, f->store, f->model, f->tokenizer, f->settings,
                           &f->state, best, f->report->checkpoint, sizeof f->report->checkpoint));
    TUFF_TRY(tuff_run_picture(f->ctx, f->params->out));
    tell(f, (struct tuff_fit_event) {.kind = TUFF_FIT_SAVE, .step = (int64_t) f->state.step,
                                     .text = f->report->checkpoint, .best = best});
    f->rate_begin = tuff_os_now();
    f->rate_tokens = 0;
    return TUFF_OK;
}

static bool due(int64_t every, uint64_t step)
{
    return every > 0 && step % (uint64_t) every == 0;
}

static enum tuff_status loop(struct fit *f)
{
    const struct tuff_fit_params *p = f->params;
    bool stop = false;
    f->rate_begin = tuff_os_now();
    while (!stop && (int64_t) f->state.step < f->steps) {
        struct tuff_batch batch;
        TUFF_TRY(tuff_prefetch_next(f->prefetch, &batch));
        TUFF_TRY(submit(f, &batch));
        f->state.step++;
        f->state.position = batch.next;
        TUFF_TRY(take_results(f, false));
        enum tuff_fit_wish wish = p->wish ? p->wish(p->user) : TUFF_FIT_GO_ON;
        stop = wish == TUFF_FIT_SAVE_AND_STOP;
        f->report->stopped = stop;
        bool timed_out = p->seconds > 0 && tuff_os_now() - f->begin > p->seconds;
        stop = stop || timed_out;
        bool end = stop || (int64_t) f->state.step == f->steps, best = false;
        bool eval = f->held_out && (due(p->eval_every, f->state.step) ||
                                    (end && !f->report->stopped));
        bool keep = end || due(p->save_every, f->state.step) || wish == TUFF_FIT_SAVE_AND_GO_ON;
        if (eval || keep)
            TUFF_TRY(take_results(f, true));
        if (eval)
            TUFF_TRY(evaluate(f, end, &best));
        if (keep || best)
            TUFF_TRY(save(f, best));
    }
    return TUFF_OK;
}

static void close_all(struct fit *f)
{
    tuff_csv_close(&f->csv);
    tuff_events_close(&f->events);
    json_decref(f->settings);
    tuff_prefetch_destroy(f->prefetch);
    tuff_loader_destroy(f->held_out);
    tuff_trainer_destroy(f->trainer);
    tuff_gpt2_destroy(f->model);
    tuff_store_destroy(f->store);
    tuff_token_file_close(f->data);
    tuff_tokenizer_destroy(f->tokenizer);
    tuff_os_unlock(&f->lock);
    free(f->resume_from);
    free(f->lr);
}

enum tuff_status tuff_fit(struct tuff_ctx *ctx, const struct tuff_fit_params *params,
                          struct tuff_fit_report *report)
{
    struct fit f = {.ctx = ctx, .params = params, .report = report, .begin = tuff_os_now()};
    *report = (struct tuff_fit_report) {.val_loss = NAN, .bits_per_byte = NAN};
    TUFF_TRY(check_params(ctx, params));
    enum tuff_status status = open_run(&f);
    if (status == TUFF_OK)
        status = open_data(&f);
    if (status == TUFF_OK)
        status = create_trainer(&f);
    if (status == TUFF_OK)
        status = start(&f);
    if (status == TUFF_OK)
        status = loop(&f);
    report->step = (int64_t) f.state.step;
    report->seconds = tuff_os_now() - f.begin;
    close_all(&f);
    return status;
}
