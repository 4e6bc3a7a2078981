/* Training: the step engine, of causal language models, masked words and labels of sequences (one of L) or
 * tokens: the model's task decides. tuff_fit (fit.h: the loop over data, evaluation and checkpoints) is built
 * on it, and so is anything that wants its own loop. */
#ifndef TUFF_TRAIN_H
#define TUFF_TRAIN_H

#include "tuff/data.h"
#include "tuff/lora.h"
#include "tuff/models.h"
#include "tuff/optim.h"
#include "tuff/soft_prompt.h"

#ifdef __cplusplus
extern "C" {
#endif

struct tuff_trainer_params {
    struct tuff_store *store;  /* with the model's parameters added, not yet allocated */
    struct tuff_model *model;
    const struct tuff_lora_params *lora; /* of plans, which have no model: adapters to count; NULL: none */
    const struct tuff_soft_prompt_params *soft_prompt; /* the same */
    int64_t batch, context;    /* of a micro-batch: B and T */
    /* Instead of these two and eval_batch: the shapes a micro-batch may have, each with programs of
     * its own, of training and evaluation. They share one arena of activations. */
    const struct tuff_train_shape *shapes;
    size_t n_shapes;
    int64_t eval_batch;        /* of evaluation; 0: as batch */
    struct tuff_optimizer_params optimizer;
    const struct tuff_parameter_rule *rules; /* tuff_parameter_rules_apply; only read while creating */
    size_t n_rules;
    unsigned offload;          /* tuff_store_offload */
    int amp;                   /* level of mixed precision, see tuff_amp: 0, F32, to 3 */
    enum tuff_dtype amp_dtype; /* F16, whose loss is scaled, or BF16 */
    int checkpoint;            /* blocks, from the first, whose values the backward pass makes again
                                  (tuff_checkpoint); < 0: all; 0: none. Same bits */
    double label_smoothing;    /* of the training loss, see tuff_cross_entropy; evaluation has none */
    bool packed;               /* micro-batches have segments */
    bool eval_logits;          /* tuff_trainer_eval_logits will be asked for */
    bool dropout;              /* the configuration's rates apply */
    double neftune;            /* noise on embeddings while training, see tuff_model_inputs_args; 0: none */
    uint64_t seed;             /* of dropout and noise */
    bool unfused;              /* no tuff_fuse: same bits, to compare
                                * speeds */
    bool generic;              /* tests: kernels that run anywhere only */
    enum tuff_order order;     /* tests */
    uint64_t order_seed;       /* tests */
    void (*on_graph)(void *user, struct tuff_graph *g, struct tuff_tensor *loss); /* taps, hooks:
                                  called before the backward pass is added; NULL: none */
    void *on_graph_user;
};

/* What a level of mixed precision asks of the optimizer: a loss scale of 65536 for F16, where none is
 * set; rounding at level 3. tuff_trainer_create does it too. */
TUFF_API void tuff_trainer_amp(struct tuff_optimizer_params *optimizer, int amp,
                               enum tuff_dtype dtype);

/* What a step gave. */
struct tuff_step_result {
    uint64_t step;     /* counted from 1, every step begun */
    uint64_t applied;  /* steps applied so far */
    double loss;       /* mean over the step's counted tokens, nats */
    double norm;       /* gradient norm before clipping */
    bool skipped;      /* the norm was not finite, or an outlier: nothing changed */
    uint64_t tokens;   /* counted targets */
};

/* Records the programs of training and evaluation over one store. One thread at a time. */
struct tuff_trainer;
/* Creates programs, allocates the store, records. After it the caller gives the parameters their
 * values (tuff_model_init or _load), then tuff_trainer_start. */
TUFF_API enum tuff_status tuff_trainer_create(struct tuff_ctx *ctx,
                                              const struct tuff_trainer_params *params,
                                              struct tuff_trainer **trainer);
TUFF_API void tuff_trainer_destroy(struct tuff_trainer *trainer);
/* `step` steps were begun before, `applied` of them applied; optimizer states are in the store. */
TUFF_API enum tuff_status tuff_trainer_start(struct tuff_trainer *trainer, uint64_t step,
                                             uint64_t applied);

/* Other learning rates, before tuff_trainer_start; see tuff_optimizer_set_rates. */
TUFF_API enum tuff_status tuff_trainer_set_rates(struct tuff_trainer *trainer, const double *lr,
                                                 int64_t n);

/* One step of n micro-batches: ids[i] and targets[i] are [B T], targets TUFF_IGNORE where not
 * counted, `counted` the counted targets of all of them. The loss is normalised over the real token
 * count. Returns when the work is submitted: results come one step late, through tuff_trainer_result. A step
 * without a counted target is TUFF_E_ARG. */
TUFF_API enum tuff_status tuff_trainer_step(struct tuff_trainer *trainer,
                                            const uint32_t *const *ids,
                                            const uint32_t *const *targets, size_t n,
                                            uint64_t counted);
/* The oldest finished result not yet taken. *have is false when there is none (yet). With `wait`
 * everything submitted is waited for first. */
TUFF_API enum tuff_status tuff_trainer_result(struct tuff_trainer *trainer, bool wait, bool *have,
                                              struct tuff_step_result *result);
/* Sum of the losses (nats) of the counted targets of an evaluation batch, dropout off. Waits. */
TUFF_API enum tuff_status tuff_trainer_evaluate(struct tuff_trainer *trainer, const uint32_t *ids,
                                                const uint32_t *targets, double *loss_sum);
/* The logits, as enum tuff_task has them, of the last evaluation of a shape, F32; valid until the next one. NULL
 * without tuff_trainer_params.eval_logits. */
TUFF_API const float *tuff_trainer_eval_logits(const struct tuff_trainer *trainer, size_t shape);
/* The same two for micro-batches of any of the trainer's shapes. */
TUFF_API enum tuff_status tuff_trainer_step_micros(struct tuff_trainer *trainer,
                                                   const struct tuff_micro *micros, size_t n,
                                                   uint64_t counted);
TUFF_API enum tuff_status tuff_trainer_evaluate_micro(struct tuff_trainer *trainer,
                                                      const struct tuff_micro *micro,
                                                      double *loss_sum);
/* With optimizer.average: parameters and their moving averages change places, behind all that was
 * submitted, and that is waited for: before evaluating with the averages, and again behind that. Not before a step was
 * applied. */
TUFF_API enum tuff_status tuff_trainer_swap_average(struct tuff_trainer *trainer);
/* Bytes by purpose: what `tuff plan` prints. Works with a store without device. */
TUFF_API void tuff_trainer_sizes(const struct tuff_trainer *trainer,
                                 struct tuff_plan_sizes *sizes);
/* Mean seconds a step since tuff_trainer_start that the host spent inside tuff_trainer_step and was
 * not waiting for the device. The first step, which may record again, is left out. */
TUFF_API double tuff_trainer_host_seconds(const struct tuff_trainer *trainer);
/* Of the three programs together, see tuff_program_numerics. */
TUFF_API uint64_t tuff_trainer_numerics(const struct tuff_trainer *trainer);
/* The bytes of such training on a device as described, which need not be here (NULL: on none in
 * particular). store, model and dropout of params do not count; chunk, blocks: rows of logits that are
 * made at a time (0: all), and blocks that there are; both may be NULL. */
TUFF_API enum tuff_status tuff_trainer_plan(struct tuff_ctx *ctx,
                                            const struct tuff_device_info *info,
                                            const struct tuff_model_config *config,
                                            const struct tuff_trainer_params *params,
                                            struct tuff_plan_sizes *sizes, int64_t *chunk,
                                            int *blocks);
/* "states", "frozen" and "all" for bits of TUFF_OFFLOAD_...; NULL, or false: there is no such. */
TUFF_API const char *tuff_offload_name(unsigned what);
TUFF_API bool tuff_offload_find(const char *name, unsigned *what);
struct tuff_memory_choice {
    int64_t batch, accumulate; /* micro-batches of `batch` that make up the one asked for */
    int checkpoint, blocks;    /* blocks made again, of how many */
    unsigned offload;          /* params->offload, and what had to be added */
    uint64_t peak;
};
/* The change that costs least time and keeps tuff_plan_peak within `budget` bytes: as few blocks
 * made again as will do, where all are not enough the largest part of the batch, and where one sequence is
 * too many, on a device with memory of its own, states and then frozen weights in the host's.
 * TUFF_E_DEVICE_MEMORY says what one sequence needs. */
TUFF_API enum tuff_status tuff_trainer_fit_memory(struct tuff_ctx *ctx,
                                                  const struct tuff_device_info *info,
                                                  const struct tuff_model_config *config,
                                                  const struct tuff_trainer_params *params,
                                                  uint64_t budget,
                                                  struct tuff_memory_choice *choice);
/* The recorded training program (of the first shape), for dumps. Borrowed. */
TUFF_API struct tuff_program *tuff_trainer_program(struct tuff_trainer *trainer);

#ifdef __cplusplus
}
#endif
#endif
