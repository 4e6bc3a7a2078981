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

/* Their names are transformers'. */
enum tuff_schedule {
    TUFF_SCHEDULE_CONSTANT,
    TUFF_SCHEDULE_LINEAR,
    TUFF_SCHEDULE_COSINE,
    TUFF_SCHEDULE_COSINE_RESTARTS, /* "cosine_with_restarts" */
    TUFF_SCHEDULE_INVERSE_SQRT,    /* "inverse_sqrt" */
    TUFF_SCHEDULE_POLYNOMIAL,
    TUFF_SCHEDULE_WSD,             /* "warmup_stable_decay" */
    TUFF_SCHEDULE_PLATEAU          /* "reduce_lr_on_plateau": tuff_plateau_step decides */
};
/* torch.optim.lr_scheduler.ReduceLROnPlateau, mode "min", threshold_mode "rel": what no longer falls by
 * a share `threshold` in more than `patience` evaluations in a row multiplies the rate with `factor`;
 * the next `cooldown` evaluations do not count. */
struct tuff_plateau_params {
    double factor, patience, threshold, cooldown; /* PyTorch's defaults: 0.1, 10, 1e-4, 0 */
};
struct tuff_schedule_params {
    enum tuff_schedule kind;
    double base;     /* the rate at its highest */
    double floor;    /* share of it at the end */
    int64_t warmup;  /* steps */
    int64_t cycles;  /* cosine_with_restarts; 0: 1 */
    double power;    /* polynomial; 0: 1 */
    double decay;    /* warmup_stable_decay: share of the steps that the fall takes; 0: 0.1 */
    struct tuff_plateau_params plateau; /* reduce_lr_on_plateau */
};
/* Fills lr[t] for t = 0 .. steps-1: base (t + 1) / warmup while t < warmup, then base (floor + (1 -
 * floor) s), where with x = (t - warmup) / (steps - warmup)
 *     constant 1, linear 1 - x, cosine (1 + cos pi x) / 2, polynomial (1 - x)^power,
 *     cosine_with_restarts (1 + cos(pi (cycles x mod 1))) / 2,
 *     inverse_sqrt (w / (t + w - warmup))^1/2, w = warmup, or 10000 where there is none,
 *     warmup_stable_decay 1, then half a cosine over the last `decay` of all steps,
 *     reduce_lr_on_plateau 1: tuff_plateau_step's rate is to be multiplied with. */
TUFF_API void tuff_schedule_fill(double *lr, int64_t steps,
                                 const struct tuff_schedule_params *params);
TUFF_API const char *tuff_schedule_name(enum tuff_schedule kind);
TUFF_API bool tuff_schedule_find(const char *name, enum tuff_schedule *kind);

/* Where it stands. */
struct tuff_plateau {
    double rate;           /* share of the base rate, 1 at first */
    double best;           /* INFINITY at first */
    int64_t bad, cooldown; /* evaluations in a row that were not better; that are not to count */
};
/* Takes an evaluation's loss. The rate does not fall below `floor`. true: it has changed. */
TUFF_API bool tuff_plateau_step(const struct tuff_plateau_params *params, double floor, double loss,
                                struct tuff_plateau *state);

#define TUFF_OPTIM_GROUPS 16

enum tuff_optimizer_kind {
    TUFF_ADAMW,
    TUFF_ADAM,
    TUFF_SGD,
    TUFF_ADAGRAD,
    TUFF_RMSPROP,
    TUFF_ADADELTA,
    TUFF_LION,
    TUFF_ADAFACTOR,
    TUFF_MUON,
    TUFF_GALORE
};

/* With p the parameter, t the step counted from 1, and g its gradient (times min(1, clip / (norm +
 * 1e-6)) when clipping, as torch.nn.utils.clip_grad_norm_). AdamW and Lion decay the parameter
 * itself, p <- p - lr wd p (decoupled), and so do those made of AdamW; the others the gradient, g <- g +
 * wd p, as torch.optim does.
 *
 * AdamW, Adam: m <- beta1 m + (1 - beta1) g,   v <- beta2 v + (1 - beta2) g^2
 *     p <- p - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)
 *     Loshchilov & Hutter 2019, arXiv:1711.05101; Kingma & Ba 2015, arXiv:1412.6980.
 * SGD: p <- p - lr g; with momentum b <- momentum b + (1 - dampening) g (the first b is g) and
 *     p <- p - lr b, or p - lr (g + momentum b) in Nesterov's form. Sutskever et al. 2013.
 * AdaGrad: s <- s + g^2,   p <- p - lr g / (sqrt(s) + eps).   Duchi et al. 2011.
 * RMSProp: s <- alpha s + (1 - alpha) g^2,   d = g / (sqrt(s) + eps),   p <- p - lr d, or with
 *     momentum b <- momentum b + d,   p <- p - lr b.   Hinton 2012, lecture 6.
 * AdaDelta: s <- rho s + (1 - rho) g^2,   d = g sqrt(u + eps) / sqrt(s + eps),
 *     u <- rho u + (1 - rho) d^2,   p <- p - lr d.   Zeiler 2012, arXiv:1212.5701.
 * Lion: p <- p - lr sign(beta1 m + (1 - beta1) g),   m <- beta2 m + (1 - beta2) g.
 *     Chen et al. 2023, arXiv:2302.06675.
 * Adafactor, of a matrix [R, C]: r <- r + w (mean of g^2 along its row - r), c likewise by column, w
 *     = t^beta2_decay, variance V = r c / max(mean(r), eps), u = g / sqrt(max(V, eps^2)), a vector's V
 *     being its own moving mean; p <- p - lr wd p - max(eps2, rms(p)) min(lr, t^-1/2) u / max(1,
 *     rms(u) / d). Ranks 0 to 2. Shazeer & Stern 2018, arXiv:1804.04235, as torch.optim.Adafactor.
 * Muon, of a hidden matrix [R, C]: b <- momentum b + (1 - momentum) g,   u = b, or (1 - momentum) g +
 *     momentum b in Nesterov's form; X = u / max(|u|, eps), five times X <- 3.4445 X + (-4.7750 A +
 *     2.0315 A^2) X with A = X X^T (the smaller side's);   p <- p - lr wd p - lr s X, s = sqrt(max(1, R
 *     / C)), or with match_rms_adamw 0.2 sqrt(max(R, C)). eps = 1e-7. All else by AdamW. Jordan et al.
 *     2024, kellerjordan.github.io/posts/muon, as torch.optim.Muon, whose products are bf16; here F32.
 *     Liu et al. 2025, arXiv:2502.16982, for match_rms_adamw.
 * GaLore, of a hidden matrix [R, C]: P [rank, min(R, C)] are the gradient's first singular vectors of its
 *     smaller side, made anew every update_proj_gap applied steps (tuff_optimizer_refresh), the
 *     largest entry of each positive; AdamW's m and v are of the projection P g (g P^T where R >= C),
 *     p <- p - lr wd p - lr scale P^T (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps). All
 *     else by AdamW. Zhao et al. 2024, arXiv:2403.03507.
 * Hidden matrices are those that tuff_optimizer_is_hidden tells.
 * Then g <- 0. cost 16 bytes a parameter and 8 more a state: see tuff_optimizer_states.
 * Adafactor reads a gradient four times and keeps R + C numbers instead of R C. Muon does 20 R C min(R, C)
 * FLOP and more, 15 products, and keeps R C; GaLore 4 R C rank, and keeps rank (2 max + min). */
struct tuff_optimizer_params {
    enum tuff_optimizer_kind kind;
    double beta1, beta2;           /* AdamW, Adam, Lion; Muon's and GaLore's AdamW */
    double eps;
    double momentum;               /* SGD, RMSProp, Muon; 0: none */
    double dampening;              /* SGD */
    bool nesterov;                 /* SGD, Muon */
    bool match_rms_adamw;          /* Muon's rate: one that suits AdamW suits it too */
    int64_t rank, update_proj_gap; /* GaLore */
    double scale;                  /* GaLore */
    double average;                /* decay of a moving average of the parameters: a <- average a + (1
                                      - average) p after each applied step, a <- p after the first; as
                                      torch.optim.swa_utils.AveragedModel. TUFF_AVERAGE. 0: none */
    double alpha, rho;             /* RMSProp; AdaDelta */
    double beta2_decay, eps2, d;   /* Adafactor */
    double clip;                   /* largest global gradient norm; 0: no clipping */
    double loss_scale;             /* first factor of the loss, a power of two; 0: none. Gradients are
                                      divided by it; halved when they overflow, doubled after 2000
                                      steps without (tuff_optimizer_scale_loss) */
    double skip_outliers;          /* skip steps whose norm is so many standard deviations above the mean
                                      of the last 64 (of 16 at least); 0: none is skipped. What is
                                      skipped counts there as the largest norm that is not */
    enum tuff_dtype round;         /* F16, BF16: values are rounded to it after each step; F32: not */
    const double *lr;              /* by applied step; the last value holds on */
    int64_t lr_count;
    double lr_scale[TUFF_OPTIM_GROUPS];     /* by parameter group; 0 counts as 1 */
    double weight_decay[TUFF_OPTIM_GROUPS];
};

/* PyTorch's defaults of a kind (Lion: its paper's), without rates. eps and eps2 are Adafactor's two. */
TUFF_API struct tuff_optimizer_params tuff_optimizer_defaults(enum tuff_optimizer_kind kind);
/* "adamw", ...; NULL for a number that is no kind. */
TUFF_API const char *tuff_optimizer_name(enum tuff_optimizer_kind kind);
TUFF_API bool tuff_optimizer_find(const char *name, enum tuff_optimizer_kind *kind);
/* Numbers kept for each parameter, 0 to 2: the `states` of tuff_store_allocate. */
TUFF_API int tuff_optimizer_states(const struct tuff_optimizer_params *params);
/* What PyTorch calls the i-th of them: "exp_avg", ... */
TUFF_API const char *tuff_optimizer_state_name(const struct tuff_optimizer_params *params, int i);
/* A variable that tuff_optimizer_create has added and that changes with the steps, other than their
 * counter: what a checkpoint keeps besides the states. */
TUFF_API bool tuff_optimizer_owns(const struct tuff_variable *variable);

/* What some parameters have instead of what the others have. */
struct tuff_parameter_rule {
    const char *pattern;   /* of whole names: * is any text, ? any character */
    bool frozen;           /* no gradient, no states, no steps */
    double lr_scale;       /* factor of their group's rate; 0: its own */
    bool decays;           /* weight_decay counts */
    double weight_decay;
};
/* groups: "PATTERN:lr=X,decay=Y;PATTERN:..." (either of the two may be missing), lr to stand beside the
 * rate base_lr; freeze: "PATTERN+PATTERN+..."; both may be NULL. *rules is the caller's to free, NULL where
 * there are none; its texts are part of it. TUFF_E_ARG says what is wrong. */
TUFF_API enum tuff_status tuff_parameter_rules_parse(struct tuff_ctx *ctx, const char *groups,
                                                     const char *freeze, double base_lr,
                                                     struct tuff_parameter_rule **rules, size_t *n);
/* Freezes, and puts the parameters that other rules match into groups that are added to params; later
 * rules count more. Before tuff_optimizer_create and before graphs use the parameters. TUFF_E_ARG: a
 * pattern that no parameter matches, more than TUFF_OPTIM_GROUPS groups, or all is frozen. */
TUFF_API enum tuff_status tuff_parameter_rules_apply(struct tuff_store *store,
                                                     const struct tuff_parameter_rule *rules,
                                                     size_t n,
                                                     struct tuff_optimizer_params *params);

/* A matrix inside a layer: trainable, two axes, neither of them 1, its name having a part that is a
 * number ("transformer.h.0.attn.c_attn.weight"): no embedding and no head. */
TUFF_API bool tuff_optimizer_is_hidden(const struct tuff_variable *variable);

struct tuff_optimizer;
/* Adds its tables and counter to the store: before that is allocated (with its states). */
TUFF_API enum tuff_status tuff_optimizer_create(struct tuff_store *store,
                                                const struct tuff_optimizer_params *params,
                                                struct tuff_optimizer **optimizer);
TUFF_API void tuff_optimizer_destroy(struct tuff_optimizer *optimizer);
/* Where a loss is scaled: to be called before tuff_backward. The factor is on the device, decided
 * there step by step, and kept with the states ("optim.loss_scale": it, and steps since it changed). */
TUFF_API void tuff_optimizer_scale_loss(struct tuff_graph *g, struct tuff_optimizer *optimizer,
                                        struct tuff_tensor *loss);
/* After allocation: writes the tables, sets the counter of applied steps. */
TUFF_API enum tuff_status tuff_optimizer_start(struct tuff_optimizer *optimizer, uint32_t applied);
/* Other rates, n <= params.lr_count of them (the last holds on); takes effect with the next start. */
TUFF_API enum tuff_status tuff_optimizer_set_rates(struct tuff_optimizer *optimizer,
                                                   const double *lr, int64_t n);
/* Adds the update to a graph of its own. *norm is the gradient norm before clipping [1], *applied
 * the U32 count of applied steps [1] after this one; both may be NULL. */
TUFF_API void tuff_optimizer_apply(struct tuff_graph *g, struct tuff_optimizer *optimizer,
                                   struct tuff_tensor **norm, struct tuff_tensor **applied);
/* GaLore: true when, with so many steps applied, the next is to find its subspaces first; and what does
 * so, for a graph of its own that runs on the same gradients before the update. Gradients that are
 * not finite leave the subspaces as they were. */
TUFF_API bool tuff_optimizer_refreshes(const struct tuff_optimizer_params *params, uint64_t applied);
TUFF_API void tuff_optimizer_refresh(struct tuff_graph *g, struct tuff_optimizer *optimizer);
/* For a graph of its own: parameters and their moving averages change places. */
TUFF_API void tuff_optimizer_swap_average(struct tuff_graph *g, struct tuff_optimizer *optimizer);

#ifdef __cplusplus
}
#endif
#endif
