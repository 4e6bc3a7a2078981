/* Training on any task a model has a head for (models.h), batch by batch: classification, masked words,
 * translation. Language models on text have more in train.h and fit.h. */
#ifndef TUFF_TASK_TRAIN_H
#define TUFF_TASK_TRAIN_H

#include "tuff/models.h"
#include "tuff/optim.h"

#ifdef __cplusplus
extern "C" {
#endif

struct tuff_task_trainer_params {
    struct tuff_store *store; /* with the model's parameters added, not yet allocated */
    struct tuff_model *model;
    int64_t batch, time, source; /* B, T, and S of encoder-decoders (0: as T) */
    struct tuff_optimizer_params optimizer;
    bool evaluate; /* tuff_task_trainer_evaluate will be called */
    bool dropout;  /* the configuration's rates apply, while training */
    uint64_t seed; /* of dropout */
};
struct tuff_task_trainer;
/* Makes the programs and allocates the store. After it the caller gives the parameters their values
 * (tuff_model_init or _load), then trains. One thread at a time. */
TUFF_API enum tuff_status tuff_task_trainer_create(struct tuff_ctx *ctx,
                                                   const struct tuff_task_trainer_params *params,
                                                   struct tuff_task_trainer **trainer);
TUFF_API void tuff_task_trainer_destroy(struct tuff_task_trainer *trainer);
/* To go on where a trainer stood: `steps` were begun, `applied` of them applied; optimizer states are in the
 * store. */
TUFF_API enum tuff_status tuff_task_trainer_start(struct tuff_task_trainer *trainer, uint64_t steps,
                                                  uint64_t applied);
/* Steps applied so far: those whose gradient was finite. */
TUFF_API uint64_t tuff_task_trainer_applied(const struct tuff_task_trainer *trainer);
/* The mean loss of a batch, without dropout and without learning. */
TUFF_API enum tuff_status tuff_task_trainer_evaluate(struct tuff_task_trainer *trainer,
                                                     const struct tuff_model_batch *batch,
                                                     const struct tuff_model_labels *labels,
                                                     double *loss);
/* Forward, backward, update. *loss is the batch's mean before the update. batch->seed is ignored. A
 * step whose gradient norm is not finite changes nothing. */
TUFF_API enum tuff_status tuff_task_trainer_step(struct tuff_task_trainer *trainer,
                                                 const struct tuff_model_batch *batch,
                                                 const struct tuff_model_labels *labels,
                                                 double *loss);
/* What the head gives for a batch of the same shape, without dropout: *logits as tuff_task says, valid
 * until the next call but one. */
TUFF_API enum tuff_status tuff_task_trainer_infer(struct tuff_task_trainer *trainer,
                                                  const struct tuff_model_batch *batch,
                                                  const float **logits);

#ifdef __cplusplus
}
#endif
#endif
