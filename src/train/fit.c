/* train/fit: the loop: batches in, steps, evaluation, checkpoints, metrics. */
#include "base/os.h"
#include "io/metrics.h"
#include "train/fit_run.h"

#include <inttypes.h>
#include <math.h>

#define SKIPPED_MAX 100 /* steps in a row without a finite gradient: it will not get better */

void tuff_fit_tell(struct fit *f, struct tuff_fit_event event)
{
    event.steps = f->steps;
    event.seconds = tuff_os_now() - f->begin;
    if (f->params->on_event)
        f->params->on_event(f->params->user, &event);
}

void tuff_fit_ask(struct fit *f)
{
    enum tuff_fit_wish wish = f->params->wish ? f->params->wish(f->params->user) : TUFF_FIT_GO_ON;
    f->wished = TUFF_MAX(f->wished, wish);
}

enum tuff_status tuff_fit_submit(struct fit *f)
{
    return tuff_trainer_step_micros(f->trainer, f->ready.micros, (size_t) f->params->accumulate,
                                    f->ready.counted);
}

/* ---- results ---- */

/* The rate is of training alone: evaluation and saving begin a new window. */
static void restart_rate(struct fit *f)
{
    f->rate_begin = tuff_os_now();
    f->rate_tokens = 0;
}

static enum tuff_status log_step(struct fit *f, const struct tuff_step_result *r)
{
    f->rate_tokens += (int64_t) r->tokens;
    double window = tuff_os_now() - f->rate_begin;
    /* The first step may compile, so the second is a window of its own; then one a second. */
    if (window > 1 || f->results < 2) {
        f->rate = (double) f->rate_tokens / TUFF_MAX(window, 1e-9);
        restart_rate(f);
    }
    f->results++;
    f->state.applied = r->applied;
    f->report->train_loss = r->loss;
    f->skipped = r->skipped ? f->skipped + 1 : 0;
    double lr = f->lr[TUFF_MIN((int64_t) TUFF_MAX(r->applied, 1) - 1, f->steps - 1)];
    double values[] = {r->loss, r->norm, lr, f->rate};
    static const char *const tags[] = {"train/loss", "train/grad_norm", "train/lr",
                                       "train/tokens_per_s"};
    TUFF_TRY(tuff_csv_row(f->csv, r->step, values, 15));
    TUFF_TRY(tuff_events_scalars(f->events, r->step, 4, tags, values));
    double tokens = (double) (f->steps - (int64_t) r->step) * (double) r->tokens;
    tuff_fit_tell(f, (struct tuff_fit_event) {.kind = TUFF_FIT_STEP,
                                              .step = (int64_t) r->step,
                                              .loss = r->loss,
                                              .norm = r->norm,
                                              .lr = lr,
                                              .tokens_per_s = f->rate,
                                              .eta = f->rate > 0 ? tokens / f->rate : -1,
                                              .skipped = r->skipped});
    if (f->skipped == SKIPPED_MAX)
        return tuff_fail(f->ctx, TUFF_E_RANGE,
                         "step %" PRIu64 ": the gradient was not finite in %d steps in a row; a "
                         "lower lr or a longer warmup may help", r->step, SKIPPED_MAX);
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

/* ---- evaluation ---- */

struct score {
    double nats, tokens;       /* of all that was evaluated */
    double few_nats, few_tokens; /* of the batches that decide which checkpoint is best */
};

static enum tuff_status score_batches(struct fit *f, int64_t batches, struct score *score)
{
    struct tuff_data_position position = {0};
    for (int64_t i = 0; i < batches; i++) {
        uint64_t counted = 0;
        double nats = 0;
        TUFF_TRY(tuff_fit_score(f, &position, &nats, &counted));
        score->nats += nats;
        score->tokens += (double) counted;
        if (i < f->eval_batches) {
            score->few_nats = score->nats;
            score->few_tokens = score->tokens;
        }
    }
    return TUFF_OK;
}

/* What the schedule makes of an evaluation's loss; nothing is on its way on the device. */
static enum tuff_status reduce_rate(struct fit *f, double loss)
{
    const struct tuff_schedule_params *p = &f->params->schedule;
    if (p->kind != TUFF_SCHEDULE_PLATEAU ||
        !tuff_plateau_step(&p->plateau, p->floor, loss, &f->state.plateau))
        return TUFF_OK;
    tuff_fit_fill_rates(f, f->steps);
    tuff_fit_note(f, "no better for a while: the rate is %.3g", p->base * f->state.plateau.rate);
    TUFF_TRY(tuff_trainer_set_rates(f->trainer, f->lr, f->steps));
    return tuff_trainer_start(f->trainer, f->state.step, f->state.applied);
}

/* Moving averages take the place of parameters, or give it back. */
static enum tuff_status swap_average(struct fit *f)
{
    return f->params->optimizer.average > 0 && f->state.applied ? tuff_trainer_swap_average(f->trainer)
                                                                : TUFF_OK;
}

static enum tuff_status evaluate(struct fit *f, bool all, bool *best)
{
    const struct tuff_token_info *info = &f->info;
    int64_t batches = all ? f->all_batches : f->eval_batches;
    struct score score = {0};
    double begin = tuff_os_now();
    TUFF_TRY(swap_average(f));
    TUFF_TRY(score_batches(f, batches, &score));
    f->eval_seconds = (tuff_os_now() - begin) / (double) batches;
    double loss = score.nats / score.tokens, few = score.few_nats / score.few_tokens;
    /* Tokens a byte over all the held-out text: exact when all of it was evaluated. */
    double per_byte = (double) (info->count - info->train) / (double) info->validation_bytes;
    *best = few < f->state.best_loss;
    f->state.since_best = *best ? 0 : f->state.since_best + 1;
    f->state.best_loss = TUFF_MIN(few, f->state.best_loss);
    f->report->val_loss = loss;
    f->report->bits_per_byte = loss * per_byte / log(2);
    double values[] = {0, 0, 0, 0, loss, f->report->bits_per_byte};
    static const char *const tags[] = {"validation/loss", "validation/bits_per_byte"};
    TUFF_TRY(tuff_csv_row(f->csv, f->state.step, values, 48));
    TUFF_TRY(tuff_events_scalars(f->events, f->state.step, 2, tags, values + 4));
    tuff_fit_tell(f, (struct tuff_fit_event) {.kind = TUFF_FIT_EVAL,
                                              .step = (int64_t) f->state.step,
                                              .val_loss = loss,
                                              .bits_per_byte = f->report->bits_per_byte,
                                              .best = *best,
                                              .whole = batches == f->all_batches});
    TUFF_TRY(swap_average(f));
    TUFF_TRY(reduce_rate(f, few));
    restart_rate(f);
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
    tuff_fit_tell(f, (struct tuff_fit_event) {.kind = TUFF_FIT_SAVE,
                                              .step = (int64_t) f->state.step,
                                              .text = f->report->checkpoint,
                                              .best = best});
    restart_rate(f);
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

static enum tuff_status step(struct fit *f)
{
    TUFF_TRY(tuff_fit_fetch(f, &f->state.position));
    TUFF_TRY(tuff_fit_submit(f));
    f->started = true;
    f->state.step++;
    f->state.position = f->ready.next;
    return take_results(f, false);
}

static enum tuff_status loop(struct fit *f)
{
    bool end = (int64_t) f->state.step >= f->steps;
    restart_rate(f);
    while (!end) {
        TUFF_TRY(step(f));
        tuff_fit_ask(f);
        bool done = (int64_t) f->state.step == f->steps, best = false;
        f->report->stopped = !done && f->wished == TUFF_FIT_SAVE_AND_STOP;
        f->report->out_of_time = !done && !f->report->stopped && out_of_time(f);
        end = done || f->report->stopped || f->report->out_of_time;
        bool last = end && !f->report->stopped;
        bool eval = tuff_fit_validates(f) && (last || due(f->eval_every, f->state.step));
        bool keep = end || due(f->save_every, f->state.step) || f->wished != TUFF_FIT_GO_ON;
        if (eval || keep)
            TUFF_TRY(take_results(f, true)); /* what is saved or evaluated is this step's */
        if (eval)
            TUFF_TRY(evaluate(f, last, &best));
        f->report->no_better = !end && f->params->patience > 0 &&
                               f->state.since_best >= f->params->patience;
        end |= f->report->no_better;
        if (end || keep || best)
            TUFF_TRY(save(f, best));
        f->wished = TUFF_FIT_GO_ON;
    }
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
                  strncmp(name, "data.tok", 8) && strncmp(name, "events.out.", 11);
    }
    if (!others)
        tuff_os_remove_tree(NULL, f->params->out);
    tuff_os_list_free(&list);
}

enum tuff_status tuff_fit_end(struct fit *f, enum tuff_status status)
{
    enum tuff_status closed[] = {tuff_csv_close(&f->csv), tuff_events_close(&f->events)};
    for (size_t i = 0; i < TUFF_COUNT(closed) && status == TUFF_OK; i++)
        status = closed[i];
    json_decref(f->settings);
    if (f->params->on_end)
        f->params->on_end(f->params->user);
    tuff_trainer_destroy(f->trainer);
    tuff_model_destroy(f->model);
    tuff_store_destroy(f->store);
    tuff_fit_close_data(f);
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
        .train_loss = NAN, .val_loss = NAN, .bits_per_byte = NAN};
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
