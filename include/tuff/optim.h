/* Optimizers and learning-rate schedules.
 *
 * An optimizer is a graph over the store's flat arenas: one dispatch a chunk, whatever the number
 * of parameters. What happens at applied step t (its learning rate, its bias correction) comes from
 * tables made on the host in double and indexed by a counter on the device, which counts applied
 * steps only: a step whose gradient norm is not finite changes nothing and is not counted. */
#ifndef TUFF_OPTIM_H
#define TUFF_OPTIM_H

#include "tuff/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

enum tuff_schedule { TUFF_SCHEDULE_CONSTANT, TUFF_SCHEDULE_LINEAR, TUFF_SCHEDULE_COSINE };

/* Fills lr[t] for t = 0 .. steps-1: base (t + 1) / warmup while t < warmup, then from base to
 * base * floor along a line, half a cosine, or not at all. */
TUFF_API void tuff_schedule_fill(double *lr, int64_t steps, enum tuff_schedule schedule,
                                 double base, int64_t warmup, double floor);

#define TUFF_OPTIM_GROUPS 16

struct tuff_adamw_params {
    double beta1, beta2, eps;      /* PyTorch's defaults are 0.9, 0.999, 1e-8 */
    double clip;                   /* largest global gradient norm; 0: no clipping */
    const double *lr;              /* by applied step; the last value holds on */
    int64_t lr_count;
    double lr_scale[TUFF_OPTIM_GROUPS];     /* by parameter group; 0 counts as 1 */
    double weight_decay[TUFF_OPTIM_GROUPS]; /* decoupled */
};

/* AdamW: with g the gradient (times min(1, clip / (norm + 1e-6)) when clipping), t counted from 1,
 *     p <- p - lr wd p
 *     m <- beta1 m + (1 - beta1) g,   v <- beta2 v + (1 - beta2) g^2
 *     p <- p - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)
 * and g <- 0. Loshchilov & Hutter 2019, arXiv:1711.05101; clipping as torch.nn.utils.
 * cost 32 bytes a parameter. */
struct tuff_adamw;
/* Adds its tables and counter to the store: before that is allocated (with 2 states). */
TUFF_API enum tuff_status tuff_adamw_create(struct tuff_store *store,
                                            const struct tuff_adamw_params *params,
                                            struct tuff_adamw **optimizer);
TUFF_API void tuff_adamw_destroy(struct tuff_adamw *optimizer);
/* After allocation: writes the tables, sets the counter of applied steps. */
TUFF_API enum tuff_status tuff_adamw_start(struct tuff_adamw *optimizer, uint32_t applied);
/* Other rates, n <= params.lr_count of them (the last holds on); takes effect with the next start. */
TUFF_API enum tuff_status tuff_adamw_set_rates(struct tuff_adamw *optimizer, const double *lr,
                                               int64_t n);
/* Adds the update to a graph of its own. *norm is the gradient norm before clipping [1], *applied
 * the U32 count of applied steps [1] after this one; both may be NULL. */
TUFF_API void tuff_adamw_apply(struct tuff_graph *g, struct tuff_adamw *optimizer,
                               struct tuff_tensor **norm, struct tuff_tensor **applied);

#ifdef __cplusplus
}
#endif
#endif
