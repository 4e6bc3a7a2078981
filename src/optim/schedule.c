/* optim/schedule: learning rates by applied step. */
#include "base/base.h"
#include "tuff/optim.h"

#include <math.h>

static const double pi = 3.14159265358979323846;

static const char *const names[] = {
    [TUFF_SCHEDULE_CONSTANT] = "constant",
    [TUFF_SCHEDULE_LINEAR] = "linear",
    [TUFF_SCHEDULE_COSINE] = "cosine",
    [TUFF_SCHEDULE_COSINE_RESTARTS] = "cosine_with_restarts",
    [TUFF_SCHEDULE_INVERSE_SQRT] = "inverse_sqrt",
    [TUFF_SCHEDULE_POLYNOMIAL] = "polynomial",
    [TUFF_SCHEDULE_WSD] = "warmup_stable_decay",
    [TUFF_SCHEDULE_PLATEAU] = "reduce_lr_on_plateau",
};

const char *tuff_schedule_name(enum tuff_schedule kind)
{
    return (size_t) kind < TUFF_COUNT(names) ? names[kind] : NULL;
}

bool tuff_schedule_find(const char *name, enum tuff_schedule *kind)
{
    for (size_t i = 0; i < TUFF_COUNT(names); i++)
        if (!strcmp(names[i], name)) {
            *kind = (enum tuff_schedule) i;
            return true;
        }
    return false;
}

/* What is left of the fall from base to floor at step t, which is behind the warm-up. */
static double share_at(const struct tuff_schedule_params *p, int64_t t, int64_t steps)
{
    double x = (double) (t - p->warmup) / (double) TUFF_MAX(steps - p->warmup, 1), cycle;
    double span, width = p->warmup > 0 ? (double) p->warmup : 10000;
    switch (p->kind) {
    case TUFF_SCHEDULE_LINEAR:
        return 1 - x;
    case TUFF_SCHEDULE_COSINE:
        return 0.5 * (1 + cos(pi * x));
    case TUFF_SCHEDULE_COSINE_RESTARTS:
        return 0.5 * (1 + cos(pi * modf((double) TUFF_MAX(p->cycles, 1) * x, &cycle)));
    case TUFF_SCHEDULE_INVERSE_SQRT:
        return sqrt(width / ((double) (t - p->warmup) + width));
    case TUFF_SCHEDULE_POLYNOMIAL:
        return pow(1 - x, p->power > 0 ? p->power : 1);
    case TUFF_SCHEDULE_WSD:
        span = (p->decay > 0 ? p->decay : 0.1) * (double) steps;
        x = ((double) t - ((double) steps - span)) / TUFF_MAX(span, 1);
        return x <= 0 ? 1 : 0.5 * (1 + cos(pi * x));
    default:
        return 1;
    }
}

void tuff_schedule_fill(double *lr, int64_t steps, const struct tuff_schedule_params *p)
{
    for (int64_t t = 0; t < steps; t++)
        lr[t] = p->base * (t < p->warmup ? (double) (t + 1) / (double) p->warmup
                                         : p->floor + (1 - p->floor) * share_at(p, t, steps));
}

bool tuff_plateau_step(const struct tuff_plateau_params *p, double floor, double loss,
                       struct tuff_plateau *s)
{
    bool better = loss < s->best * (1 - p->threshold) || (isinf(s->best) && isfinite(loss));
    s->best = better ? loss : s->best;
    s->bad = better ? 0 : s->bad + 1;
    if (s->cooldown > 0) {
        s->cooldown--;
        s->bad = 0;
    }
    if ((double) s->bad <= p->patience)
        return false;
    double rate = TUFF_MAX(s->rate * p->factor, floor);
    bool changes = s->rate - rate > 1e-8; /* PyTorch's eps, of a rate of 1 here */
    s->rate = changes ? rate : s->rate;
    s->cooldown = (int64_t) p->cooldown;
    s->bad = 0;
    return changes;
}
