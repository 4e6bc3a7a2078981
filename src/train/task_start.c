/* train/task_start: from parameters to the moment before the first step of a task. What can be wrong is found in
 * this order, cheap things first. */
#include "train/task_run.h"
#include "io/checkpoint.h"

enum { TEXT, PAIR, LABEL, FIELDS };

static enum tuff_status no_memory(struct task_run *r)
{
    return tuff_fail(r->ctx, TUFF_E_NOMEM, "training: out of host memory");
}

void tuff_task_note(struct task_run *r, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (r->params->on_event)
        r->params->on_event(r->params->user, &(struct tuff_task_fit_event) {
                                                 .kind = TUFF_TASK_FIT_NOTE, .text = text});
}

/* ---- parameters and folders ---- */

static enum tuff_status check_params(struct tuff_ctx *ctx, const struct tuff_task_fit_params *p)
{
    const struct {
        const char *name;
        double value, least, most;
    } list[] = {{"batch", (double) p->batch, 1, 65535},
                {"context", (double) p->context, 3, 1 << 20},
                {"steps", (double) p->steps, 0, TUFF_FIT_STEPS_MAX},
                {"epochs", (double) p->epochs, 0, 1e6},
                {"lr", p->schedule.base, 0, 100},
                {"clip", p->clip, 0, 1e9},
                {"weight-decay", p->weight_decay, 0, 100},
                {"validation", p->validation, 0, 0.9},
                {"mask", p->mask_share, 0, 1}};
    for (size_t i = 0; i < TUFF_COUNT(list); i++)
        if (!(list[i].value >= list[i].least && list[i].value <= list[i].most))
            return tuff_fail(ctx, TUFF_E_RANGE, "%s must be %g to %g, not %g", list[i].name,
                             list[i].least, list[i].most, list[i].value);
    if (p->steps < 1 && p->epochs < 1)
        return tuff_fail(ctx, TUFF_E_ARG, "say how long to train: steps or epochs");
    if (p->kind != TUFF_SAMPLE_MASKED && !p->label)
        return tuff_fail(ctx, TUFF_E_ARG, "say which field is the label");
    return TUFF_OK;
}

static enum tuff_status open_run(struct task_run *r)
{
    const struct tuff_task_fit_params *p = r->params;
    r->made = tuff_os_path_kind(p->out) == TUFF_PATH_NONE;
    TUFF_TRY(tuff_os_mkdirs(r->ctx, p->out));
    char *lock = tuff_os_path_join(p->out, "lock");
    enum tuff_status status = lock ? tuff_os_lock(r->ctx, lock, &r->lock) : no_memory(r);
    free(lock);
    if (status != TUFF_OK)
        r->made = false; /* somebody else's by now */
    TUFF_TRY(status);
    TUFF_TRY(tuff_checkpoint_newest(r->ctx, p->out, &r->resume_from, NULL));
    if (r->resume_from && !p->resume)
        return tuff_fail(r->ctx, TUFF_E_ARG, "%s: holds checkpoints already; --resume continues "
                         "them, another --out starts anew", p->out);
    if (p->resume && !r->resume_from)
        tuff_task_note(r, "nothing to resume: starting from the beginning");
    return TUFF_OK;
}

/* ---- the model's configuration ---- */

static enum tuff_task task_of(enum tuff_sample_kind kind)
{
    return kind == TUFF_SAMPLE_MASKED     ? TUFF_TASK_MASKED_LM
           : kind == TUFF_SAMPLE_SEQUENCE ? TUFF_TASK_SEQUENCE_CLASSIFICATION
                                          : TUFF_TASK_TOKEN_CLASSIFICATION;
}

static enum tuff_status choose_config(struct task_run *r)
{
    const struct tuff_task_fit_params *p = r->params;
    const char *from = r->resume_from ? r->resume_from : r->init;
    r->config = p->config;
    if (from)
        TUFF_TRY(tuff_model_config_load(r->ctx, from, &r->config));
    struct tuff_model_config with_head = r->config;
    TUFF_TRY(tuff_model_config_set_task(r->ctx, &with_head, task_of(p->kind)));
    if (!r->config.vocab_size)
        r->config.vocab_size = tuff_tokenizer_vocab_size(r->tokenizer);
    if (p->dropout >= 0)
        tuff_model_set_dropout(&r->config, p->dropout);
    if (r->config.vocab_size < (int64_t) tuff_tokenizer_vocab_size(r->tokenizer))
        return tuff_fail(r->ctx, TUFF_E_RANGE, "the tokenizer's vocabulary has %lu ids, the model's "
                         "%lld", (unsigned long) tuff_tokenizer_vocab_size(r->tokenizer),
                         (long long) r->config.vocab_size);
    return tuff_model_context_check(r->ctx, &r->config, p->context);
}

/* The model has this task's head, and names for its labels other than LABEL_0, LABEL_1 ... */
static bool knows_labels(const struct task_run *r)
{
    const struct tuff_model_config *c = &r->config;
    bool known = false;
    for (int64_t i = 0; i < c->num_labels && c->label_bytes && c->task == task_of(r->params->kind); i++) {
        char usual[32], name[32];
        snprintf(name, sizeof name, "LABEL_%lld", (long long) i);
        known |= strcmp(tuff_model_label(c, i, usual), name) != 0;
    }
    return known && (r->resume_from || r->init);
}

/* A model that knows this task keeps its labels' names and order; else they are the data's. */
static enum tuff_status choose_labels(struct task_run *r)
{
    const struct tuff_task_fit_params *p = r->params;
    struct tuff_model_config *c = &r->config;
    if (p->kind == TUFF_SAMPLE_MASKED) {
        c->task = task_of(p->kind);
        return TUFF_OK;
    }
    if (knows_labels(r)) {
        char usual[32];
        r->n_labels = (size_t) c->num_labels;
        if (!(r->labels = tuff_calloc(r->n_labels, sizeof *r->labels)))
            return no_memory(r);
        for (size_t i = 0; i < r->n_labels; i++)
            r->labels[i] = tuff_model_label(c, (int64_t) i, usual);
        return TUFF_OK;
    }
    TUFF_TRY(tuff_dataset_labels(r->ctx, r->dataset, LABEL, &r->labels, &r->n_labels));
    if (r->n_labels < 2)
        return tuff_fail(r->ctx, TUFF_E_ARG, "%s: field \"%s\" has %s: there is nothing to tell apart",
                         p->data[0], p->label, r->n_labels ? "one label only" : "no label");
    c->task = task_of(p->kind);
    c->problem = TUFF_PROBLEM_ONE_LABEL;
    return tuff_model_config_set_labels(r->ctx, c, r->labels, r->n_labels);
}

/* ---- data ---- */

static enum tuff_status open_dataset(struct task_run *r)
{
    const struct tuff_task_fit_params *p = r->params;
    bool labelled = p->kind != TUFF_SAMPLE_MASKED;
    const struct tuff_field fields[FIELDS] = {
        [TEXT] = {p->text},
        [PAIR] = {p->pair ? p->pair : "", !p->pair},
        [LABEL] = {labelled ? p->label : "", !labelled}};
    return tuff_dataset_open(r->ctx,
                             &(struct tuff_dataset_params) {.paths = p->data, .n_paths = p->n_data,
                                                            .fields = fields, .n_fields = FIELDS,
                                                            .whole = p->whole},
                             &r->dataset);
}

static enum tuff_status load_samples(struct task_run *r)
{
    const struct tuff_task_fit_params *p = r->params;
    struct tuff_samples_report s;
    TUFF_TRY(tuff_samples_load(r->ctx,
                               &(struct tuff_samples_params) {
                                   .kind = p->kind, .data = r->dataset, .text = TEXT,
                                   .pair = p->pair ? PAIR : SIZE_MAX,
                                   .label = p->kind == TUFF_SAMPLE_MASKED ? SIZE_MAX : LABEL,
                                   .labels = r->labels, .n_labels = r->n_labels,
                                   .tokenizer = r->tokenizer, .context = (size_t) p->context},
                               &r->samples, &s));
    if (s.empty)
        tuff_task_note(r, "%zu of %zu records have no text and are left out, the first is %s", s.empty,
                       s.records, s.first_empty);
    if (s.longer)
        tuff_task_note(r, "%zu of %zu texts are longer than the context of %lld tokens and are %s, the "
                       "first is %s", s.longer, s.records, (long long) p->context,
                       p->kind == TUFF_SAMPLE_MASKED ? "several samples" : "cut", s.first_longer);
    size_t n = tuff_samples_count(r->samples);
    TUFF_TRY(tuff_examples_split(r->ctx, n, p->validation, p->seed, &r->order, &r->train));
    tuff_task_note(r, "data: %zu samples of %llu tokens, %zu of them to train on, %zu held out%s", n,
                   (unsigned long long) s.tokens, r->train, n - r->train,
                   p->kind == TUFF_SAMPLE_MASKED ? "" : ":");
    for (size_t i = 0; i < r->n_labels && i < 20; i++)
        tuff_task_note(r, "  label %zu: %s", i, r->labels[i]);
    return TUFF_OK;
}

/* "[MASK]", or what else tokenizers call it. */
static enum tuff_status find_mask(struct task_run *r, uint32_t *id)
{
    static const char *const names[] = {"[MASK]", "<mask>", "<|mask|>"};
    for (size_t i = 0; i < TUFF_COUNT(names); i++)
        if (tuff_tokenizer_id_of(r->tokenizer, names[i], id))
            return TUFF_OK;
    return tuff_fail(r->ctx, TUFF_E_ARG, "the tokenizer has no token [MASK] or <mask>: masked words need "
                     "one (tuff tokenizer train --model wordpiece has)");
}

static enum tuff_status make_collators(struct task_run *r)
{
    const struct tuff_task_fit_params *p = r->params;
    size_t longest = (size_t) tuff_align_up(tuff_samples_longest(r->samples), 8);
    struct tuff_collate_params *c = &r->learn;
    *c = (struct tuff_collate_params) {.samples = r->samples, .indices = r->order, .n = r->train,
                                       .shuffle = true, .batch = (size_t) p->batch,
                                       .time = TUFF_MIN(longest, (size_t) p->context),
                                       .pad = (uint32_t) TUFF_MAX(r->config.pad_token_id, 0),
                                       .masking = {.share = p->mask_share,
                                                   .vocab = tuff_tokenizer_vocab_size(r->tokenizer),
                                                   .whole_words = p->whole_words}};
    if (p->kind == TUFF_SAMPLE_MASKED)
        TUFF_TRY(find_mask(r, &c->masking.mask));
    r->held_out = *c;
    r->held_out.indices = r->order + r->train;
    r->held_out.n = tuff_samples_count(r->samples) - r->train;
    r->held_out.shuffle = false;
    return TUFF_OK;
}

/* ---- steps, settings ---- */

static enum tuff_status plan_steps(struct task_run *r)
{
    const struct tuff_task_fit_params *p = r->params;
    int64_t epoch = (int64_t) tuff_collate_batches(&r->learn);
    r->steps = p->steps > 0 ? p->steps : p->epochs * epoch;
    if (r->steps > TUFF_FIT_STEPS_MAX)
        return tuff_fail(r->ctx, TUFF_E_RANGE, "%lld steps; %d are possible", (long long) r->steps,
                         TUFF_FIT_STEPS_MAX);
    r->eval_every = p->eval_every > 0 ? p->eval_every : epoch;
    r->lr = tuff_calloc((size_t) r->steps, sizeof *r->lr);
    if (!r->lr)
        return no_memory(r);
    struct tuff_schedule_params schedule = p->schedule;
    schedule.warmup = TUFF_MIN(schedule.warmup, r->steps / 4);
    tuff_schedule_fill(r->lr, r->steps, &schedule);
    return TUFF_OK;
}

/* What must be the same for a resumed run to be the same run. */
static enum tuff_status make_settings(struct task_run *r)
{
    static const char *const kinds[] = {"mlm", "classification", "token-classification"};
    const struct tuff_task_fit_params *p = r->params;
    const struct tuff_device_info *device = tuff_device_info(p->device);
    char data[32];
    snprintf(data, sizeof data, "%016llx", (unsigned long long) tuff_samples_checksum(r->samples));
    r->settings = json_pack(
        "{s:s, s:s, s:I, s:I, s:I, s:s, s:f, s:f, s:I, s:f, s:f, s:f, s:I, s:f, s:f, s:b, s:s, s:s, "
        "s:s}", "task", kinds[p->kind], "samples", data, "steps", (json_int_t) r->steps, "batch",
        (json_int_t) p->batch, "context", (json_int_t) p->context, "schedule",
        tuff_schedule_name(p->schedule.kind), "lr", p->schedule.base, "min-lr", p->schedule.floor,
        "warmup", (json_int_t) p->schedule.warmup, "weight-decay", p->weight_decay, "clip", p->clip,
        "dropout", p->dropout, "seed", (json_int_t) p->seed, "validation", p->validation, "mask",
        p->mask_share, "whole-words", p->whole_words, "device", device->name, "driver", device->driver,
        "tuff", tuff_version());
    return r->settings ? TUFF_OK : no_memory(r);
}

static enum tuff_status read_checkpoint(struct task_run *r)
{
    json_t *before = NULL;
    TUFF_TRY(tuff_run_read(r->ctx, r->resume_from, &r->state, &before));
    enum tuff_status status =
        r->params->force ? TUFF_OK : tuff_run_same(r->ctx, before, r->settings, NULL);
    json_decref(before);
    r->state.steps = r->steps;
    if (status == TUFF_OK && r->state.position.index > tuff_collate_batches(&r->learn))
        r->state.position.index = 0; /* forced, on other data */
    return status;
}

/* ---- the model ---- */

static enum tuff_status create_trainer(struct task_run *r)
{
    const struct tuff_task_fit_params *p = r->params;
    TUFF_TRY(tuff_store_create(r->ctx, p->device, &r->store));
    TUFF_TRY(tuff_model_create(r->store, &r->config, &r->model));
    r->optimizer = tuff_optimizer_defaults(TUFF_ADAMW);
    r->optimizer.clip = p->clip;
    r->optimizer.lr = r->lr;
    r->optimizer.lr_count = r->steps;
    r->optimizer.weight_decay[0] = p->weight_decay;
    return tuff_task_trainer_create(
        r->ctx,
        &(struct tuff_task_trainer_params) {.store = r->store, .model = r->model, .batch = p->batch,
                                            .time = (int64_t) r->learn.time,
                                            .optimizer = r->optimizer,
                                            .evaluate = p->kind == TUFF_SAMPLE_MASKED &&
                                                        r->held_out.n > 0,
                                            .dropout = true, .seed = p->seed},
        &r->trainer);
}

static enum tuff_status fill_weights(struct task_run *r)
{
    if (!r->resume_from)
        return r->init ? tuff_model_load_base(r->model, r->init, r->params->seed)
                       : tuff_model_init(r->model, r->params->seed);
    TUFF_TRY(tuff_model_load(r->model, r->resume_from));
    TUFF_TRY(tuff_run_load_optimizer(r->store, r->resume_from, &r->optimizer));
    TUFF_TRY(tuff_checkpoint_drop_after(r->ctx, r->params->out, r->state.step));
    return tuff_task_trainer_start(r->trainer, r->state.step, r->state.applied);
}

static enum tuff_status open_metrics(struct task_run *r)
{
    static const char *const columns[] = {"step", "loss", "lr", "tokens_per_s", "val_loss", "accuracy",
                                          "f1"};
    char *path = tuff_os_path_join(r->params->out, "metrics.csv");
    enum tuff_status status =
        path ? tuff_csv_open(r->ctx, path, columns, TUFF_COUNT(columns),
                             r->resume_from ? r->state.step : TUFF_METRICS_NEW, &r->csv)
             : no_memory(r);
    free(path);
    return status;
}

enum tuff_status tuff_task_start(struct task_run *r)
{
    const struct tuff_task_fit_params *p = r->params;
    TUFF_TRY(check_params(r->ctx, p));
    TUFF_TRY(open_run(r));
    if (p->init)
        TUFF_TRY(tuff_checkpoint_resolve(r->ctx, p->init, &r->init));
    const char *tokenizer = p->tokenizer ? p->tokenizer : r->resume_from ? r->resume_from : r->init;
    if (!tokenizer)
        return tuff_fail(r->ctx, TUFF_E_ARG, "a new model needs a tokenizer (make one with `tuff "
                         "tokenizer train`)");
    TUFF_TRY(tuff_tokenizer_load(r->ctx, tokenizer, &r->tokenizer));
    TUFF_TRY(choose_config(r));
    TUFF_TRY(open_dataset(r));
    TUFF_TRY(choose_labels(r));
    TUFF_TRY(load_samples(r));
    TUFF_TRY(make_collators(r));
    TUFF_TRY(plan_steps(r));
    TUFF_TRY(make_settings(r));
    r->state = (struct tuff_run_state) {.best_loss = 1e300, .steps = r->steps,
                                        .position.seed = p->seed};
    if (r->resume_from)
        TUFF_TRY(read_checkpoint(r));
    TUFF_TRY(create_trainer(r));
    TUFF_TRY(fill_weights(r));
    TUFF_TRY(open_metrics(r));
    return tuff_data_loader_create(
        r->ctx,
        &(struct tuff_data_loader_params) {.workers = p->workers,
                                           .batches = tuff_collate_batches(&r->learn),
                                           .bytes = tuff_collate_bytes(&r->learn),
                                           .fill = tuff_collate, .user = &r->learn},
        &r->state.position, &r->loader);
}
