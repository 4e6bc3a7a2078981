/* train/callbacks: what a run tells, and whom it asks; see tuff/fit.h. */
#include "base/os.h"
#include "train/fit_run.h"
#include "vk/vk.h"

#include <stddef.h>

static const size_t members[] = {
    [FIT_TRAIN_BEGIN] = offsetof(struct tuff_fit_callback, on_train_begin),
    [FIT_TRAIN_END] = offsetof(struct tuff_fit_callback, on_train_end),
    [FIT_EPOCH_BEGIN] = offsetof(struct tuff_fit_callback, on_epoch_begin),
    [FIT_EPOCH_END] = offsetof(struct tuff_fit_callback, on_epoch_end),
    [FIT_STEP_BEGIN] = offsetof(struct tuff_fit_callback, on_step_begin),
    [FIT_STEP_END] = offsetof(struct tuff_fit_callback, on_step_end),
    [FIT_EVALUATE_BEGIN] = offsetof(struct tuff_fit_callback, on_evaluate_begin),
    [FIT_EVALUATE] = offsetof(struct tuff_fit_callback, on_evaluate),
    [FIT_SAVE_BEGIN] = offsetof(struct tuff_fit_callback, on_save_begin),
    [FIT_SAVE] = offsetof(struct tuff_fit_callback, on_save),
    [FIT_LOG] = offsetof(struct tuff_fit_callback, on_log),
};

static double epoch(const struct fit *f)
{
    double each = (double) tuff_fit_epoch_steps(f, 1);
    uint64_t whole = f->state.position.epoch;
    double part = each > 0 ? (double) f->state.step / each - (double) whole : 0;
    return (double) whole + TUFF_MIN(TUFF_MAX(part, 0), 1);
}

void tuff_fit_call(struct fit *f, enum fit_moment moment, const struct tuff_fit_event *event)
{
    const struct tuff_fit_params *p = f->params;
    if (!p->n_callbacks)
        return;
    const struct tuff_fit_state state = {.step = (int64_t) f->state.step, .steps = f->steps,
                                         .epoch = epoch(f), .store = f->store, .model = f->model,
                                         .event = event};
    struct tuff_fit_control control = {false, false, false};
    bool idle = moment == FIT_LOG; /* which is told of a step while the next ones run */
    for (size_t i = 0; i < p->n_callbacks; i++) {
        tuff_fit_callback_fn fn;
        memcpy(&fn, (const char *) &p->callbacks[i] + members[moment], sizeof fn);
        if (fn && !idle)
            tuff_queue_idle(p->device); /* the weights are in its hand */
        idle |= fn != NULL;
        if (fn)
            fn(p->callbacks[i].user, &state, &control);
    }
    if (control.should_training_stop)
        f->wished = TUFF_FIT_SAVE_AND_STOP;
    else if (control.should_save)
        f->wished = TUFF_MAX(f->wished, TUFF_FIT_SAVE_AND_GO_ON);
    f->evaluate_wished |= control.should_evaluate;
}

void tuff_fit_tell(struct fit *f, struct tuff_fit_event event)
{
    static const int moments[] = {
        [TUFF_FIT_STEP] = FIT_LOG, [TUFF_FIT_EVAL] = FIT_EVALUATE, [TUFF_FIT_SAVE] = FIT_SAVE};
    event.steps = f->steps;
    event.seconds = tuff_os_now() - f->begin;
    if (f->params->on_event)
        f->params->on_event(f->params->user, &event);
    if (event.kind >= TUFF_FIT_STEP)
        tuff_fit_call(f, (enum fit_moment) moments[event.kind], &event);
}

void tuff_fit_ask(struct fit *f)
{
    enum tuff_fit_wish wish = f->params->wish ? f->params->wish(f->params->user) : TUFF_FIT_GO_ON;
    f->wished = TUFF_MAX(f->wished, wish);
}
