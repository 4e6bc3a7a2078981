/* optim/schedule: learning rates by applied step. */
#include "base/base.h"
#include "tuff/optim.h"

#include <math.h>

void tuff_schedule_fill(double *lr, int64_t steps, enum tuff_schedule schedule, double base,
                        int64_t warmup, double floor)
{
    for (int64_t t = 0; t < steps; t++) {
        if (t < warmup) {
            lr[t] = base * (double) (t + 1) / (double) warmup;
            continue;
        }
        double progress = (double) (t - warmup) / (double) TUFF_MAX(steps - warmup, 1);
        double share = schedule == TUFF_SCHEDULE_LINEAR   ? 1 - progress
                       : schedule == TUFF_SCHEDULE_COSINE ? 0.5 * (1 + cos(3.14159265358979323846 *
                                                                          progress))
                                                          : 1;
        lr[t] = base * (floor + (1 - floor) * share);
    }
}
