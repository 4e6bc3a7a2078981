/* train/fit: the loop: batches in, steps, evaluation, checkpoints. */
#include "base/os.h"
#include "io/checkpoint.h"
#include "train/fit_run.h"
#include "train/trainer.h"

#include <inttypes.h>
#include <math.h>

enum tuff_status tuff_fit_submit(struct fit *f)
{
    return tuff_trainer_step_micros(f->trainer, f->ready.micros, (size_t) f->params->accumulate,
                                    f->ready.counted);
}

/* ---- results ---- */

static enum tuff_status take_results(struct fit *f, bool wait)
{
    for (bool have = true; have;) {
        struct tuff_step_result result;
        TUFF_TRY(tuff_trainer_result(f->trainer, wait, &have, &result));
        if (have)
            TUFF_TRY(tuff_fit_log_step(f, &result));
    }
    return TUFF_OK;
}

/* ---- saving ---- */

static void name_checkpoint(struct fit *f)
{
    snprintf(f->report->checkpoint, sizeof f->report->checkpoint, "%s/step-%08" PRIu64,
             f->params->out, f->state.step);
}

static enum tuff_status save(struct fit *f, bool best)
{
    tuff_fit_call(f, FIT_SAVE_BEGIN, NULL);
    TUFF_TRY(tuff_run_save(f->ctx, &(struct tuff_run_save_params) {.fit = f->params,
                                                                   .store = f->store,
                                                                   .model = f->model,
                                                                   .config = &f->config,
                                                                   .base = f->init,
                                                                   .tokenizer = f->tokenizer,
                                                                   .settings = f->settings,
                                                                   .state = &f->state,
                                                                   .best = best}));
    f->started = true;
    name_checkpoint(f);
    /* The picture can be drawn again at the next save; a run is not given up for it. */
    if (tuff_run_picture(f->ctx, f->params->out) != TUFF_OK)
        tuff_log(f->ctx, TUFF_LOG_WARN, "no picture of the loss: %s", tuff_error_text(f->ctx));
    if (tuff_fit_write_report(f->ctx, f->params->out) != TUFF_OK)
        tuff_log(f->ctx, TUFF_LOG_WARN, "no report: %s", tuff_error_text(f->ctx));
    tuff_fit_tell(f, (struct tuff_fit_event) {.kind = TUFF_FIT_SAVE,
                                              .step = (int64_t) f->state.step,
                                              .text = f->report->checkpoint,
                                              .best = best});
    if (!f->ahead) /* else the time of saving is a step's */
        tuff_fit_restart_rate(f);
    return TUFF_OK;
}

/* ---- the loop ---- */

static bool due(int64_t every, uint64_t step)
{
    return every > 0 && step % (uint64_t) every == 0;
}

static bool out_of_time(const struct fit *f)
{
    double left = f->params->seconds - (tuff_os_now() - f->begin);
    return f->params->seconds > 0 && left < f->eval_seconds * (double) f->all_batches;
}

static enum tuff_status begin_step(struct fit *f)
{
    TUFF_TRY(tuff_fit_fetch(f, &f->state.position));
    return tuff_trainer_begin_step(f->trainer, f->ready.micros, (size_t) f->params->accumulate,
                                   f->ready.counted);
}

static enum tuff_status step(struct fit *f)
{
    uint64_t epoch = f->state.position.epoch;
    tuff_fit_call(f, FIT_STEP_BEGIN, NULL);
    if (!f->ahead)
        TUFF_TRY(begin_step(f));
    f->ahead = false;
    TUFF_TRY(tuff_trainer_end_step(f->trainer));
    f->started = true;
    f->state.step++;
    f->state.position = f->behind[f->state.step % FIT_BEHIND] = f->ready.next;
    f->tokens[f->state.step % FIT_BEHIND] = f->ready.tokens;
    TUFF_TRY(take_results(f, false));
    tuff_fit_call(f, FIT_STEP_END, NULL);
    if (f->state.position.epoch != epoch || (int64_t) f->state.step == f->steps)
        tuff_fit_call(f, FIT_EPOCH_END, NULL);
    if (f->state.position.epoch != epoch && (int64_t) f->state.step < f->steps)
        tuff_fit_call(f, FIT_EPOCH_BEGIN, NULL);
    return TUFF_OK;
}

/* What there is to do behind a step. Where it ended: *end. */
static enum tuff_status finish_step(struct fit *f, bool *end)
{
    bool done = (int64_t) f->state.step == f->steps, best = false;
    f->report->stopped = !done && f->wished == TUFF_FIT_SAVE_AND_STOP;
    f->report->out_of_time = !done && !f->report->stopped && out_of_time(f);
    *end = done || f->report->stopped || f->report->out_of_time;
    bool last = *end && !f->report->stopped;
    bool eval = tuff_fit_evaluates(f) &&
                (last || f->evaluate_wished || due(f->eval_every, f->state.step));
    bool keep = *end || due(f->save_every, f->state.step) || f->wished != TUFF_FIT_GO_ON;
    if (eval || keep)
        TUFF_TRY(take_results(f, true)); /* what is saved or evaluated is this step's */
    if (f->anomaly) {
        TUFF_TRY(take_results(f, true)); /* the steps behind it too */
        *end = false;
        return tuff_fit_roll_back(f);
    }
    if (eval)
        TUFF_TRY(tuff_fit_evaluate(f, last, &best));
    f->report->no_better = !*end && f->params->patience > 0 &&
                           f->state.since_best >= f->params->patience;
    *end |= f->report->no_better;
    if (*end || keep || best) {
        /* The device makes the next step's gradients while the host writes: only the update changes what is
         * saved. A callback may change it, too. */
        f->ahead = !*end && !f->params->n_callbacks;
        if (f->ahead)
            TUFF_TRY(begin_step(f));
        TUFF_TRY(save(f, best));
    }
    f->wished = TUFF_FIT_GO_ON;
    f->evaluate_wished = false;
    return TUFF_OK;
}

/* The weights of the best evaluation, where they are not those at hand. */
static enum tuff_status load_best(struct fit *f)
{
    char *folder = NULL;
    uint64_t step;
    if (!f->params->load_best || !tuff_fit_validates(f) || f->state.best_loss >= 1e300)
        return TUFF_OK;
    TUFF_TRY(tuff_checkpoint_named(f->ctx, f->params->out, "best", &folder, &step));
    enum tuff_status status = step == f->state.step ? TUFF_OK
                              : tuff_fit_adapts(f->params) ? tuff_adapter_load(f->model, folder)
                                                           : tuff_model_load(f->model, folder);
    if (status == TUFF_OK)
        snprintf(f->report->best, sizeof f->report->best, "%s", folder);
    free(folder);
    return status;
}

static enum tuff_status loop(struct fit *f)
{
    bool end = (int64_t) f->state.step >= f->steps;
    tuff_fit_call(f, FIT_TRAIN_BEGIN, NULL);
    if (!end && !f->state.position.index)
        tuff_fit_call(f, FIT_EPOCH_BEGIN, NULL);
    tuff_fit_restart_rate(f);
    while (!end) {
        TUFF_TRY(step(f));
        tuff_fit_ask(f);
        TUFF_TRY(finish_step(f, &end));
    }
    TUFF_TRY(load_best(f));
    tuff_fit_call(f, FIT_TRAIN_END, NULL);
    return TUFF_OK;
}

/* A folder that this call made and that holds no step is as if it had never been. */
static void discard(struct fit *f)
{
    struct tuff_os_list list = {0};
    bool others = tuff_os_list(NULL, f->params->out, &list) != TUFF_OK;
    for (size_t i = 0; i < list.n; i++) {
        const char *name = list.items[i];
        others |= strcmp(name, "lock") && strcmp(name, "metrics.csv") &&
                  strncmp(name, "data.tok", 8) &&
                  strncmp(name, "eval-", 5) && strcmp(name, "samples.jsonl") && strncmp(name, "events.out.", 11);
    }
    if (!others)
        tuff_os_remove_tree(NULL, f->params->out);
    tuff_os_list_free(&list);
}

enum tuff_status tuff_fit_end(struct fit *f, enum tuff_status status)
{
    enum tuff_status closed = tuff_fit_close_metrics(f);
    status = status == TUFF_OK ? closed : status;
    json_decref(f->settings);
    if (f->params->on_end)
        f->params->on_end(f->params->user);
    tuff_trainer_destroy(f->trainer);
    tuff_model_destroy(f->model);
    tuff_store_destroy(f->store);
    tuff_fit_close_sets(f);
    tuff_fit_close_data(f);
    tuff_sensors_destroy(f->sensors);
    tuff_tokenizer_destroy(f->tokenizer);
    if (status != TUFF_OK && f->made && !f->started)
        discard(f);
    tuff_os_unlock(&f->lock);
    free(f->resume_from);
    free(f->init);
    free(f->lora_memory);
    free(f->rules);
    free(f->lr);
    return status;
}

enum tuff_status tuff_fit(struct tuff_ctx *ctx, const struct tuff_fit_params *params,
                          struct tuff_fit_report *report)
{
    struct fit f = {.ctx = ctx, .own = *params, .report = report, .begin = tuff_os_now()};
    f.params = &f.own;
    *report = (struct tuff_fit_report) {
        .train_loss = NAN, .val_loss = NAN, .bits_per_byte = NAN, .best_loss = NAN, .joules = NAN};
    f.watts = f.celsius = f.joules_per_1000 = NAN;
    enum tuff_status status = tuff_fit_start(&f);
    if (f.resume_from && status == TUFF_OK)
        name_checkpoint(&f);
    if (status == TUFF_OK)
        status = loop(&f);
    report->step = (int64_t) f.state.step;
    report->steps = f.steps;
    report->seconds = tuff_os_now() - f.begin;
    return tuff_fit_end(&f, status);
}
