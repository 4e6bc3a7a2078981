/* train/fit_start: from parameters to the moment before the first step: folder, data, model,
 * weights, rates. What can be wrong is found in this order, cheap things first. */
#include "base/os.h"
#include "io/checkpoint.h"
#include "io/metrics.h"
#include "models/weights.h"
#include "train/fit_run.h"
#include "train/settings.h"

#include <math.h>

#define TIMED_STEPS_MAX (1 << 20) /* room for rates while the number of steps is not known */

static enum tuff_status no_memory(struct fit *f)
{
    return tuff_fail(f->ctx, TUFF_E_NOMEM, "training: out of host memory");
}

void tuff_fit_note(struct fit *f, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    tuff_fit_tell(f, (struct tuff_fit_event) {.kind = TUFF_FIT_NOTE, .text = text});
}

/* ---- parameters ---- */

static enum tuff_status check_params(struct tuff_ctx *ctx, const struct tuff_fit_params *p)
{
    TUFF_TRY(tuff_settings_check(ctx, p));
    bool any = p->task.name && !p->context; /* length */
    if (p->batch < 1 || (p->context < 1 && !any) || p->accumulate < 1)
        return tuff_fail(ctx, TUFF_E_RANGE, "%s must be 1 or more",
                         p->batch < 1 ? "batch" : p->accumulate < 1 ? "accumulate" : "context");
    if (p->task.name && p->steps < 1 && p->epochs < 1 && !p->resume)
        return tuff_fail(ctx, TUFF_E_ARG, "say how long to train: steps or epochs");
    if (p->steps < 1 && p->epochs < 1 && !(p->seconds > 0) && !p->resume)
        return tuff_fail(ctx, TUFF_E_ARG, "say how long to train: steps, epochs or seconds");
    if (!p->n_data && !p->resume)
        return tuff_fail(ctx, TUFF_E_ARG, "no data given");
    return TUFF_OK;
}

/* ---- the run folder ---- */

static enum tuff_status open_run(struct fit *f)
{
    const struct tuff_fit_params *p = f->params;
    f->made = tuff_os_path_kind(p->out) == TUFF_PATH_NONE;
    TUFF_TRY(tuff_os_mkdirs(f->ctx, p->out));
    char *lock = tuff_os_path_join(p->out, "lock");
    enum tuff_status status = lock ? tuff_os_lock(f->ctx, lock, &f->lock) : no_memory(f);
    free(lock);
    if (status != TUFF_OK)
        f->made = false; /* somebody else's by now */
    TUFF_TRY(status);
    TUFF_TRY(tuff_checkpoint_newest(f->ctx, p->out, &f->resume_from, NULL));
    if (f->resume_from && !p->resume)
        return tuff_fail(f->ctx, TUFF_E_ARG, "%s: holds checkpoints already; --resume continues "
                         "them, another --out starts anew", p->out);
    if (f->resume_from)
        return TUFF_OK;
    if (!p->n_data || (p->steps < 1 && p->epochs < 1 && !(p->seconds > 0)))
        return tuff_fail(f->ctx, TUFF_E_ARG, "%s: no checkpoint to resume; to start anew say on "
                         "which data and how long to train", p->out);
    if (p->resume)
        tuff_fit_note(f, "nothing to resume: starting from the beginning");
    return TUFF_OK;
}

/* The frozen weights of a run that trains adapters: what its checkpoint says. */
static enum tuff_status find_base(struct fit *f)
{
    struct tuff_adapter_info info;
    TUFF_TRY(tuff_adapter_read(f->ctx, f->resume_from, &info));
    f->init = info.base;
    return info.base ? TUFF_OK
                     : tuff_fail(f->ctx, TUFF_E_FORMAT, "%s: does not say which model it is for",
                                 f->resume_from);
}

/* What kind of adapters, if any. */
static enum tuff_status read_adapters(struct fit *f)
{
    const struct tuff_fit_params *p = f->params;
    if ((p->lora != NULL) + (p->prompt_tuning != 0) + (p->prefix_tuning != 0) > 1)
        return tuff_fail(f->ctx, TUFF_E_ARG, "lora, prompt-tuning and prefix-tuning exclude each other");
    f->soft_prompt = (struct tuff_soft_prompt_params) {
        .kind = p->prefix_tuning ? TUFF_ADAPTER_PREFIX : TUFF_ADAPTER_PROMPT,
        .virtual_tokens = p->prefix_tuning + p->prompt_tuning};
    return p->lora ? tuff_lora_parse(f->ctx, p->lora, &f->lora, &f->lora_memory) : TUFF_OK;
}

/* A checkpoint folder, or the best or last one of a run. */
static enum tuff_status find_init(struct fit *f)
{
    static const char *const names[] = {"best", "last"};
    const char *init = f->params->init;
    TUFF_TRY(read_adapters(f));
    if (tuff_fit_adapts(f->params) && f->resume_from)
        return find_base(f);
    if (tuff_fit_adapts(f->params) && !init)
        return tuff_fail(f->ctx, TUFF_E_ARG, "lora: adapters need a trained model to start from");
    if (!init || f->resume_from)
        return TUFF_OK;
    for (size_t i = 0; i < TUFF_COUNT(names) && !f->init; i++) {
        char *path = tuff_os_path_join(init, names[i]);
        enum tuff_status status = path ? TUFF_OK : no_memory(f);
        if (path && tuff_os_path_kind(path) == TUFF_PATH_FILE)
            status = tuff_checkpoint_named(f->ctx, init, names[i], &f->init, NULL);
        free(path);
        TUFF_TRY(status);
    }
    if (!f->init && !(f->init = strdup(init)))
        return no_memory(f);
    return TUFF_OK;
}

/* The one given, else the one that belongs to the checkpoint begun with, if it has one. */
static enum tuff_status open_tokenizer(struct fit *f)
{
    const char *from = f->resume_from ? f->resume_from : f->init;
    if (f->params->tokenizer)
        return tuff_tokenizer_load(f->ctx, f->params->tokenizer, &f->tokenizer);
    char *path = from ? tuff_os_path_join(from, "tokenizer.json") : NULL;
    enum tuff_status status = TUFF_OK;
    if (path && tuff_os_path_kind(path) == TUFF_PATH_FILE)
        status = tuff_tokenizer_load(f->ctx, path, &f->tokenizer);
    free(path);
    return status;
}

/* ---- the model ---- */

/* What the parameters say alone, for a model trained on this data. */
static struct tuff_model_config wanted_config(const struct fit *f)
{
    const struct tuff_fit_params *p = f->params;
    struct tuff_model_config config = p->config;
    uint32_t end;
    if (!config.vocab_size) {
        config.vocab_size = (int64_t) f->info.vocab;
        /* A model of its own: it may end where the tokenizer's texts do. */
        if (f->tokenizer && tuff_tokenizer_id_of(f->tokenizer, "<|endoftext|>", &end))
            config.bos_token_id = config.eos_token_id = (int64_t) end;
    }
    return config;
}

static enum tuff_status choose_config(struct fit *f, const char **changed)
{
    const struct tuff_fit_params *p = f->params;
    const char *from = f->resume_from ? f->resume_from : f->init;
    const struct tuff_token_info *info = &f->info;
    struct tuff_model_config wanted = wanted_config(f);
    if (p->dropout >= 0)
        tuff_model_set_dropout(&wanted, p->dropout);
    f->config = wanted;
    *changed = "";
    if (from) {
        TUFF_TRY(tuff_model_config_load(f->ctx, from, &f->config));
        if (p->dropout >= 0)
            tuff_model_set_dropout(&f->config, p->dropout);
    }
    if (f->task)
        TUFF_TRY(tuff_task_config(f));
    else
        TUFF_TRY(tuff_model_check_causal(f->ctx, "training", &f->config));
    if (f->resume_from && p->config.num_hidden_layers && !f->task &&
        !tuff_model_config_equal(&f->config, &wanted))
        *changed = "the model's configuration";
    TUFF_TRY(tuff_model_config_check(f->ctx, from ? from : "model", &f->config));
    if ((uint64_t) f->config.vocab_size < info->vocab)
        return tuff_fail(f->ctx, TUFF_E_RANGE, "the data's vocabulary has %llu ids, the model's "
                         "%lld", (unsigned long long) info->vocab,
                         (long long) f->config.vocab_size);
    if (f->task)
        TUFF_TRY(tuff_task_load(f));
    return tuff_model_context_check(f->ctx, &f->config, p->context);
}

/* As told; where it was left to us, or the steps are as many as fit into a time, a quarter of them at
 * most. */
static int64_t warmup(const struct fit *f)
{
    const struct tuff_fit_params *p = f->params;
    int64_t told = p->schedule.warmup;
    bool known = told >= 0 && (p->steps > 0 || p->epochs > 0);
    return known ? told : TUFF_MIN(told >= 0 ? told : TUFF_FIT_WARMUP, f->steps / 4);
}

static enum tuff_status plan_steps(struct fit *f)
{
    const struct tuff_fit_params *p = f->params;
    f->steps = p->steps;
    if (!f->steps && p->epochs > 0) {
        uint64_t steps = tuff_fit_epoch_steps(f, p->epochs);
        if (steps > TUFF_FIT_STEPS_MAX)
            return tuff_fail(f->ctx, TUFF_E_RANGE, "%lld epochs are %llu steps; %d are possible",
                             (long long) p->epochs, (unsigned long long) steps,
                             TUFF_FIT_STEPS_MAX);
        f->steps = (int64_t) steps;
    }
    if (!f->steps && f->resume_from)
        f->steps = f->state.steps;
    return TUFF_OK;
}

void tuff_fit_fill_rates(struct fit *f, int64_t n)
{
    struct tuff_schedule_params schedule = f->params->schedule;
    schedule.warmup = warmup(f);
    tuff_schedule_fill(f->lr, n, &schedule);
    for (int64_t i = 0; i < n; i++)
        f->lr[i] *= f->state.plateau.rate;
}

/* Batch, accumulation and blocks made again, where bytes were said. */
static enum tuff_status choose_memory(struct fit *f)
{
    struct tuff_fit_params *p = &f->own;
    uint64_t expected = (uint64_t) p->steps;
    struct tuff_memory_choice c;
    if (!p->memory)
        return TUFF_OK;
    if (!expected && p->epochs > 0) /* batch times accumulate stays, and so do the steps */
        TUFF_TRY(tuff_fit_expect_steps(f, p->epochs, &expected));
    int64_t rates = expected ? (int64_t) TUFF_MIN(expected, (uint64_t) TUFF_FIT_STEPS_MAX) : TIMED_STEPS_MAX;
    struct tuff_trainer_params params = {.batch = p->batch, .context = p->context, .amp = p->amp,
                                         .amp_dtype = p->amp_dtype,
                                         .lora = p->lora ? &f->lora : NULL,
                                         .soft_prompt = f->soft_prompt.virtual_tokens ? &f->soft_prompt
                                                                                      : NULL,
                                         .optimizer = p->optimizer,
                                         .rules = f->rules, .n_rules = f->n_rules,
                                         .packed = p->pack, .eval_logits = p->n_metrics > 0,
                                         .neftune = p->neftune, .offload = f->offload};
    double *lr = tuff_calloc((size_t) rates, sizeof *lr);
    if (!lr)
        return no_memory(f);
    params.optimizer.lr = lr;
    params.optimizer.lr_count = rates;
    enum tuff_status status = tuff_trainer_fit_memory(f->ctx, tuff_device_info(p->device),
                                                      &f->config, &params, p->memory, &c);
    free(lr);
    TUFF_TRY(status);
    p->batch = c.batch;
    p->accumulate *= c.accumulate;
    p->checkpoint = c.checkpoint;
    f->offload = c.offload;
    p->offload = tuff_offload_name(c.offload);
    tuff_fit_note(f, "memory: batch %lld, accumulate %lld, checkpoint %d of %d blocks%s%s: %.1f MiB of %.1f",
         (long long) p->batch, (long long) p->accumulate, c.checkpoint, c.blocks,
         p->offload ? ", offload " : "", p->offload ? p->offload : "",
         (double) c.peak / 1048576, (double) p->memory / 1048576);
    return TUFF_OK;
}

/* Words that are more than a value: groups, what is frozen, what lies in host memory. */
static enum tuff_status read_words(struct fit *f)
{
    const struct tuff_fit_params *p = f->params;
    if (p->offload && !tuff_offload_find(p->offload, &f->offload))
        return tuff_fail(f->ctx, TUFF_E_ARG, "offload \"%.40s\": states, frozen or all", p->offload);
    if (f->offload && tuff_device_info(p->device)->unified_memory)
        tuff_fit_note(f, "offload: %s has the host's memory: nothing moves",
                      tuff_device_info(p->device)->name);
    return tuff_parameter_rules_parse(f->ctx, p->groups, p->freeze, p->schedule.base, &f->rules,
                                      &f->n_rules);
}

static enum tuff_status create_trainer(struct fit *f)
{
    const struct tuff_fit_params *p = f->params;
    int64_t rates = f->steps > 0 ? f->steps : TIMED_STEPS_MAX;
    f->lr = tuff_calloc((size_t) rates, sizeof *f->lr);
    if (!f->lr)
        return no_memory(f);
    tuff_fit_fill_rates(f, rates);
    TUFF_TRY(tuff_store_create(f->ctx, p->device, &f->store));
    TUFF_TRY(p->lora ? tuff_lora_create(f->store, &f->config, &f->lora, &f->model)
             : f->soft_prompt.virtual_tokens
                 ? tuff_soft_prompt_create(f->store, &f->config, &f->soft_prompt, &f->model)
                 : tuff_model_create(f->store, &f->config, &f->model));
    if (p->on_model)
        TUFF_TRY(p->on_model(p->user, f->store, f->model));
    f->optimizer = p->optimizer;
    f->optimizer.lr = f->lr;
    f->optimizer.lr_count = rates;
    f->optimizer.weight_decay[0] = f->optimizer.weight_decay[TUFF_LORA_B_GROUP] = p->weight_decay;
    f->optimizer.lr_scale[TUFF_LORA_B_GROUP] = p->lora_plus;
    return tuff_trainer_create(
        f->ctx,
        &(struct tuff_trainer_params) {.store = f->store,
                                       .model = f->model,
                                       .batch = p->batch,
                                       .context = p->context,
                                       .shapes = f->shapes,
                                       .n_shapes = f->n_shapes,
                                       .packed = p->pack,
                                       .optimizer = f->optimizer,
                                       .rules = f->rules,
                                       .n_rules = f->n_rules,
                                       .offload = f->offload,
                                       .amp = p->amp,
                                       .amp_dtype = p->amp_dtype,
                                       .checkpoint = p->checkpoint,
                                       .label_smoothing = p->label_smoothing,
                                       .eval_logits = p->n_metrics > 0,
                                       .dropout = true,
                                       .neftune = p->neftune,
                                       .seed = p->seed},
        &f->trainer);
}

/* ---- how many steps fit into the time ---- */

/* Until 1 % of the time is spent (64 steps at most): a machine that is busy for a moment shall not halve
 * what is trained. */
static enum tuff_status time_steps(struct fit *f, double *step)
{
    struct tuff_step_result result;
    struct tuff_data_position position = f->state.position;
    bool have;
    double begin = 0, spent = 0;
    int count = -1; /* the first bears what only first ones do */
    TUFF_TRY(tuff_trainer_start(f->trainer, 0, 0));
    while (count < 2 || (count < 64 && spent < f->params->seconds / 100)) {
        TUFF_TRY(tuff_fit_fetch(f, &position));
        TUFF_TRY(tuff_fit_submit(f));
        position = f->ready.next;
        TUFF_TRY(tuff_trainer_result(f->trainer, true, &have, &result));
        if (count++ < 0)
            begin = tuff_os_now();
        spent = tuff_os_now() - begin;
    }
    *step = spent / count;
    for (int i = 0; i < 2 && tuff_fit_validates(f); i++) {
        double nats;
        begin = tuff_os_now();
        TUFF_TRY(tuff_trainer_evaluate_micro(f->trainer, &f->ready.micros[0], &nats));
        f->eval_seconds = tuff_os_now() - begin;
    }
    if (f->prefetch)
        tuff_prefetch_seek(f->prefetch, &f->state.position);
    return TUFF_OK;
}

/* Steps on weights of zero: their gradients are zero, so nothing is learnt. What evaluation takes is
 * set aside. */
static enum tuff_status choose_steps(struct fit *f)
{
    const struct tuff_fit_params *p = f->params;
    double step;
    TUFF_TRY(time_steps(f, &step));
    double last = f->eval_seconds * (double) f->all_batches;
    double left = p->seconds - (tuff_os_now() - f->begin) - last;
    double each = step;
    if (p->eval_every > 0)
        each += f->eval_seconds * (double) f->eval_batches / (double) p->eval_every;
    else if (p->eval_every < 0)
        each *= 1.05;
    double steps = TUFF_MIN(TUFF_MAX(left * 0.96 / each, 1), (double) TIMED_STEPS_MAX);
    f->steps = (int64_t) steps;
    tuff_fit_fill_rates(f, f->steps);
    tuff_fit_note(f, "a step takes %.3f s: %lld steps fit into the time", step, (long long) f->steps);
    return tuff_trainer_set_rates(f->trainer, f->lr, f->steps);
}

/* ---- the start ---- */

/* Weights and optimizer as the checkpoint has them. */
enum tuff_status tuff_fit_restore(struct fit *f)
{
    const char *weights = tuff_fit_adapts(f->params) ? f->init : f->resume_from;
    TUFF_TRY(f->task && tuff_fit_adapts(f->params) ? tuff_model_load_adapted(f->model, weights,
                                                                             f->resume_from)
                                                   : tuff_model_load(f->model, weights));
    TUFF_TRY(tuff_adapter_load(f->model, f->resume_from));
    TUFF_TRY(tuff_run_load_optimizer(f->store, f->resume_from, &f->optimizer));
    return tuff_checkpoint_drop_after(f->ctx, f->params->out, f->state.step);
}

/* The kernels and tiles behind the numbers, into the settings; where a checkpoint was made with
 * others, its run would go on with other bits. */
static enum tuff_status check_kernels(struct fit *f)
{
    char now[17];
    const json_t *was = json_object_get(f->settings, "kernels");
    snprintf(now, sizeof now, "%016llx", (unsigned long long) tuff_trainer_numerics(f->trainer));
    if (json_is_string(was) && strcmp(json_string_value(was), now) != 0 && !f->params->force)
        return tuff_fail(f->ctx, TUFF_E_ARG, "resume: changed since the checkpoint: kernels or tiles, "
                         "by another version or tuning (was %.16s, is %s); --force continues all "
                         "the same, with other bits", json_string_value(was), now);
    return json_object_set_new(f->settings, "kernels", json_string(now)) ? no_memory(f) : TUFF_OK;
}

/* Where a checkpoint stands, and whether this is the same run. */
static enum tuff_status read_checkpoint(struct fit *f, const char *config_changed)
{
    json_t *before = NULL;
    const struct tuff_token_info *info = &f->info;
    TUFF_TRY(tuff_run_read(f->ctx, f->resume_from, &f->state, &before));
    enum tuff_status status = plan_steps(f);
    if (status == TUFF_OK) {
        f->settings = tuff_run_settings(f->params, info, f->tokenizer, f->steps, warmup(f));
        status = f->settings ? TUFF_OK : no_memory(f);
    }
    if (status == TUFF_OK && !f->params->force)
        status = tuff_run_same(f->ctx, before, f->settings, config_changed);
    if (status == TUFF_OK)
        json_object_update_missing(f->settings, before);
    json_decref(before);
    return status;
}

/* How often, where it was left to us. A batch of evaluation costs a third of a micro-batch. */
static void choose_intervals(struct fit *f)
{
    const struct tuff_fit_params *p = f->params;
    int64_t tenth = TUFF_MAX((f->steps + 9) / 10, 1);
    int64_t twentieth = 20 * f->eval_batches / (3 * p->accumulate) + 1;
    int64_t epoch = f->task ? (int64_t) tuff_fit_epoch_steps(f, 1) : 0;
    f->eval_every = p->eval_every >= 0 ? p->eval_every : epoch ? epoch : TUFF_MAX(tenth, twentieth);
    f->save_every = p->save_every >= 0 ? p->save_every : epoch ? f->eval_every : TUFF_MIN(tenth, 1000);
}

static void tell_ready(struct fit *f)
{
    struct tuff_plan_sizes s;
    char text[512];
    tuff_trainer_sizes(f->trainer, &s);
    snprintf(text, sizeof text, "model: %lld layers, width %lld, vocabulary %lld, %lld parameters; "
             "bytes: parameters %llu, gradients %llu, optimizer %llu, activations %llu, frozen %llu, all %llu, "
             "of %llu",
             (long long) f->config.num_hidden_layers, (long long) f->config.hidden_size,
             (long long) f->config.vocab_size, (long long) tuff_model_parameter_count(&f->config),
             (unsigned long long) s.parameters, (unsigned long long) s.gradients,
             (unsigned long long) s.states, (unsigned long long) s.activations, (unsigned long long) s.frozen,
             (unsigned long long) tuff_plan_peak(&s),
             (unsigned long long) tuff_device_info(f->params->device)->memory_available);
    tuff_fit_tell(f, (struct tuff_fit_event) {.kind = TUFF_FIT_READY, .text = text,
                                              .step = (int64_t) f->state.step});
}

/* Weights for a run from its beginning. */
static enum tuff_status begin_anew(struct fit *f)
{
    if (!f->steps)
        TUFF_TRY(choose_steps(f));
    f->settings = tuff_run_settings(f->params, &f->info, f->tokenizer,
                                    f->steps, warmup(f));
    if (!f->settings)
        return no_memory(f);
    TUFF_TRY(f->init && f->task ? tuff_model_load_base(f->model, f->init, f->params->seed)
             : f->init          ? tuff_model_load(f->model, f->init)
                                : tuff_model_init(f->model, f->params->seed));
    return tuff_adapter_init(f->model, f->params->seed);
}

enum tuff_status tuff_fit_start(struct fit *f)
{
    const char *changed;
    TUFF_TRY(check_params(f->ctx, f->params));
    TUFF_TRY(read_words(f));
    TUFF_TRY(open_run(f));
    TUFF_TRY(find_init(f));
    TUFF_TRY(open_tokenizer(f));
    TUFF_TRY(tuff_fit_open_data(f));
    TUFF_TRY(choose_config(f, &changed));
    f->state = (struct tuff_run_state) {.best_loss = 1e300, .loss_of_best = 1e300,
                                       .plateau = {.rate = 1, .best = INFINITY}, .position.seed = f->params->seed};
    tuff_trainer_amp(&f->own.optimizer, f->own.amp, f->own.amp_dtype);
    if (tuff_fit_adapts(f->params)) /* frozen matrices stay in their checkpoint's type */
        TUFF_TRY(tuff_model_file_dtype(f->ctx, f->init, &f->config.frozen_dtype));
    if (f->params->lora)
        TUFF_TRY(tuff_lora_head(f->ctx, &f->config, f->init, &f->lora));
    if (f->soft_prompt.virtual_tokens)
        TUFF_TRY(tuff_soft_prompt_head(f->ctx, &f->config, f->init, &f->soft_prompt));
    TUFF_TRY(choose_memory(f));
    TUFF_TRY(tuff_fit_open_loaders(f));
    TUFF_TRY(tuff_fit_open_sets(f));
    TUFF_TRY(f->resume_from ? read_checkpoint(f, changed) : plan_steps(f));
    if (f->resume_from && f->prefetch)
        tuff_prefetch_seek(f->prefetch, &f->state.position);
    TUFF_TRY(create_trainer(f));
    if (f->resume_from)
        TUFF_TRY(check_kernels(f));
    TUFF_TRY(f->resume_from ? tuff_fit_restore(f) : begin_anew(f));
    if (!f->resume_from)
        TUFF_TRY(check_kernels(f));
    f->state.steps = f->steps;
    choose_intervals(f);
    TUFF_TRY(tuff_sensors_create(f->ctx, f->params->sensors ? f->params->sensors : "/sys",
                                 tuff_device_info(f->params->device)->pci, &f->sensors));
    TUFF_TRY(tuff_fit_open_metrics(f, f->resume_from ? f->state.step : TUFF_METRICS_NEW));
    TUFF_TRY(tuff_trainer_start(f->trainer, f->state.step, f->state.applied));
    tell_ready(f);
    return TUFF_OK;
}
