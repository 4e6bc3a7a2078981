/* train/fit_log: a run's numbers, step by step: metrics.csv, TensorBoard's events, the callbacks. */
#include "base/os.h"
#include "io/metrics.h"
#include "train/fit_run.h"

#include <math.h>

/* The order of metrics.csv; behind these come those of further sets and of metrics. */
enum { LOSS, NORM, LR, RATE, VAL_LOSS, BITS, WATTS, CELSIUS, JOULES, COLUMNS };
static const struct {
    const char *name, *tag;
} columns[COLUMNS] = {[LOSS] = {"loss", "train/loss"},
                      [NORM] = {"grad_norm", "train/grad_norm"},
                      [LR] = {"lr", "train/lr"},
                      [RATE] = {"tokens_per_s", "train/tokens_per_s"},
                      [VAL_LOSS] = {"val_loss", "validation/loss"},
                      [BITS] = {"val_bits_per_byte", "validation/bits_per_byte"},
                      [WATTS] = {"watts", "device/watts"},
                      [CELSIUS] = {"celsius", "device/celsius"},
                      [JOULES] = {"joules_per_1000_tokens", "device/joules_per_1000_tokens"}};

/* values[i] is column i + 1; NaN in the columns of sensors: nothing is known. */
static enum tuff_status write_row(struct fit *f, uint64_t step, const double *values,
                                  uint64_t present)
{
    const char *tags[64];
    double list[64];
    size_t n = 0;
    for (size_t i = 0; i < COLUMNS + f->n_scores; i++)
        if (present >> i & 1) {
            tags[n] = i < COLUMNS ? columns[i].tag : f->scores[i - COLUMNS].name;
            list[n++] = values[i];
        }
    TUFF_TRY(tuff_csv_row(f->csv, step, values, present));
    return tuff_events_scalars(f->events, step, n, tags, list);
}

static enum tuff_status no_memory(struct fit *f)
{
    return tuff_fail(f->ctx, TUFF_E_NOMEM, "training: out of host memory");
}

enum tuff_status tuff_fit_open_metrics(struct fit *f, uint64_t last)
{
    const char *names[64] = {"step"};
    size_t n = 1;
    if (COLUMNS + f->n_scores > 62)
        return tuff_fail(f->ctx, TUFF_E_RANGE, "%zu numbers of further sets and metrics; %d are "
                         "possible", f->n_scores, 62 - COLUMNS);
    for (size_t i = 0; i < COLUMNS + f->n_scores; i++)
        names[n++] = i < COLUMNS ? columns[i].name : f->scores[i - COLUMNS].name;
    char *path = tuff_os_path_join(f->params->out, "metrics.csv");
    enum tuff_status status =
        path ? tuff_csv_open(f->ctx, path, names, n, last, &f->csv) : no_memory(f);
    free(path);
    return status == TUFF_OK ? tuff_events_open(f->ctx, f->params->out, last, &f->events) : status;
}

enum tuff_status tuff_fit_close_metrics(struct fit *f)
{
    enum tuff_status csv = tuff_csv_close(&f->csv), events = tuff_events_close(&f->events);
    return csv != TUFF_OK ? csv : events;
}

enum tuff_status tuff_fit_reopen_metrics(struct fit *f, uint64_t last)
{
    TUFF_TRY(tuff_fit_close_metrics(f));
    return tuff_fit_open_metrics(f, last);
}

/* ---- steps ---- */

void tuff_fit_restart_rate(struct fit *f)
{
    struct tuff_sensor_reading now;
    f->rate_begin = tuff_os_now();
    f->rate_tokens = 0;
    if (tuff_sensors_read(f->sensors, &now))
        f->rate_joules = now.joules;
}

/* Tokens a second and what the device says, of the window that ends. */
static void close_window(struct fit *f, double seconds)
{
    struct tuff_sensor_reading now;
    f->rate = (double) f->rate_tokens / TUFF_MAX(seconds, 1e-9);
    if (tuff_sensors_read(f->sensors, &now)) {
        double joules = now.joules - f->rate_joules;
        f->watts = joules / TUFF_MAX(seconds, 1e-9);
        f->celsius = now.celsius;
        f->joules_per_1000 = f->rate_tokens ? 1000 * joules / (double) f->rate_tokens : NAN;
        if (isfinite(joules))
            f->report->joules = (isfinite(f->report->joules) ? f->report->joules : 0) + joules;
    }
    tuff_fit_restart_rate(f);
}

enum tuff_status tuff_fit_log_step(struct fit *f, const struct tuff_step_result *r)
{
    int64_t all = (int64_t) (f->task ? f->tokens[r->step % FIT_BEHIND] : r->tokens);
    f->rate_tokens += all;
    double window = tuff_os_now() - f->rate_begin;
    /* The first step may compile, so the second is a window of its own; then one a second. */
    if (window > 1 || f->results < 2)
        close_window(f, window);
    f->results++;
    f->state.applied = r->applied;
    f->report->train_loss = r->loss;
    double lr = f->lr[TUFF_MIN((int64_t) TUFF_MAX(r->applied, 1) - 1, f->steps - 1)];
    double values[COLUMNS] = {[LOSS] = r->loss, [NORM] = r->norm, [LR] = lr, [RATE] = f->rate,
                              [WATTS] = f->watts, [CELSIUS] = f->celsius,
                              [JOULES] = f->joules_per_1000};
    uint64_t present = 1u << LOSS | 1u << NORM | 1u << LR | 1u << RATE;
    for (int i = WATTS; i <= JOULES; i++)
        present |= isfinite(values[i]) ? 1u << i : 0;
    TUFF_TRY(write_row(f, r->step, values, present));
    double tokens = (double) (f->steps - (int64_t) r->step) * (double) all;
    tuff_fit_tell(f, (struct tuff_fit_event) {.kind = TUFF_FIT_STEP,
                                              .step = (int64_t) r->step,
                                              .loss = r->loss,
                                              .norm = r->norm,
                                              .lr = lr,
                                              .tokens_per_s = f->rate,
                                              .eta = f->rate > 0 ? tokens / f->rate : -1,
                                              .skipped = r->skipped,
                                              .watts = f->watts,
                                              .celsius = f->celsius,
                                              .joules_per_1000_tokens = f->joules_per_1000});
    return tuff_fit_judge(f, r);
}

/* ---- evaluations ---- */

enum tuff_status tuff_fit_log_eval(struct fit *f, bool best, bool whole)
{
    double values[64] = {[VAL_LOSS] = f->report->val_loss, [BITS] = f->report->bits_per_byte};
    uint64_t present = tuff_fit_validates(f) ? 1u << VAL_LOSS : 0;
    present |= tuff_fit_validates(f) && !f->task ? 1u << BITS : 0;
    for (size_t i = 0; i < f->n_scores; i++) {
        values[COLUMNS + i] = f->scores[i].value;
        present |= (uint64_t) 1 << (COLUMNS + i);
    }
    TUFF_TRY(write_row(f, f->state.step, values, present));
    tuff_fit_tell(f, (struct tuff_fit_event) {.kind = TUFF_FIT_EVAL,
                                              .step = (int64_t) f->state.step,
                                              .val_loss = f->report->val_loss,
                                              .bits_per_byte = f->report->bits_per_byte,
                                              .best = best,
                                              .whole = whole,
                                              .scores = f->scores,
                                              .n_scores = f->n_scores});
    tuff_fit_restart_rate(f);
    return TUFF_OK;
}
