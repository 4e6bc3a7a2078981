/* train/anomaly: steps whose loss or gradient is not finite; see enum tuff_fit_on_nan. */
#include "io/checkpoint.h"
#include "train/fit_run.h"

#include <inttypes.h>
#include <math.h>

#define SKIPPED_MAX 100 /* steps in a row that changed nothing: it will not get better */

static const char *const names[] = {
    [TUFF_FIT_NAN_SKIP] = "skip", [TUFF_FIT_NAN_STOP] = "stop", [TUFF_FIT_NAN_ROLLBACK] = "rollback"};

const char *tuff_fit_on_nan_name(enum tuff_fit_on_nan on_nan)
{
    return names[on_nan];
}

bool tuff_fit_on_nan_find(const char *name, enum tuff_fit_on_nan *on_nan)
{
    for (size_t i = 0; i < TUFF_COUNT(names); i++)
        if (!strcmp(names[i], name)) {
            *on_nan = (enum tuff_fit_on_nan) i;
            return true;
        }
    return false;
}

/* An overflow under a loss scale is in the course of things: the scale is halved. */
static bool anomalous(const struct fit *f, const struct tuff_step_result *r)
{
    return !isfinite(r->loss) || (!isfinite(r->norm) && !(f->optimizer.loss_scale > 0));
}

enum tuff_status tuff_fit_judge(struct fit *f, const struct tuff_step_result *r)
{
    f->skipped = r->skipped ? f->skipped + 1 : 0;
    f->report->skipped += r->skipped;
    if (f->skipped == SKIPPED_MAX)
        return tuff_fail(f->ctx, TUFF_E_RANGE,
                         "step %" PRIu64 ": the gradient was %s in %d steps in a row; a lower lr or a "
                         "longer warmup may help", r->step,
                         isfinite(r->norm) ? "an outlier" : "not finite", SKIPPED_MAX);
    if (!anomalous(f, r) || f->params->on_nan == TUFF_FIT_NAN_SKIP)
        return TUFF_OK;
    if (f->params->on_nan == TUFF_FIT_NAN_STOP)
        return tuff_fail(f->ctx, TUFF_E_RANGE,
                         "step %" PRIu64 ": loss %g, gradient norm %g: stopped, as on_nan says; "
                         "checkpoints are as they were", r->step, r->loss, r->norm);
    if (!f->anomaly)
        f->anomaly = r->step;
    return TUFF_OK;
}

/* The checkpoint's state, but for what must not come again. */
static enum tuff_status read_back(struct fit *f, const char *folder,
                                  const struct tuff_data_position *position)
{
    json_t *settings = NULL;
    int64_t rollbacks = f->state.rollbacks + 1;
    enum tuff_status status = tuff_run_read(f->ctx, folder, &f->state, &settings);
    json_decref(settings);
    f->state.position = *position;
    f->state.rollbacks = rollbacks;
    return status;
}

enum tuff_status tuff_fit_roll_back(struct fit *f)
{
    uint64_t bad = f->anomaly;
    const struct tuff_data_position position = f->behind[bad % FIT_BEHIND];
    int64_t most = f->params->rollbacks > 0 ? f->params->rollbacks : 3;
    f->anomaly = 0;
    if (f->state.rollbacks >= most)
        return tuff_fail(f->ctx, TUFF_E_RANGE, "step %" PRIu64 ": loss or gradient not finite once "
                         "more after %lld rollbacks; a lower lr or a smaller clip may help", bad,
                         (long long) most);
    char *folder = NULL;
    TUFF_TRY(tuff_checkpoint_newest(f->ctx, f->params->out, &folder, NULL));
    if (!folder)
        return tuff_fail(f->ctx, TUFF_E_RANGE, "step %" PRIu64 ": loss or gradient not finite, and no "
                         "checkpoint to roll back to; save_every makes some", bad);
    free(f->resume_from);
    f->resume_from = folder;
    TUFF_TRY(read_back(f, folder, &position));
    TUFF_TRY(tuff_fit_restore(f));
    if (f->prefetch)
        tuff_prefetch_seek(f->prefetch, &f->state.position);
    TUFF_TRY(tuff_fit_reopen_metrics(f, f->state.step));
    TUFF_TRY(tuff_trainer_start(f->trainer, f->state.step, f->state.applied));
    f->skipped = 0;
    f->report->rollbacks = f->state.rollbacks;
    tuff_fit_note(f, "step %" PRIu64 ": loss or gradient not finite: back to step %" PRIu64
                  ", on with the data behind it (%lld of %lld rollbacks)", bad, f->state.step,
                  (long long) f->state.rollbacks, (long long) most);
    return TUFF_OK;
}
