/* train/trainer.h: a trainer from the inside, for the file that makes its programs (trainer.c) and
 * the one that runs them (trainer_step.c). */
#ifndef TUFF_TRAIN_TRAINER_H
#define TUFF_TRAIN_TRAINER_H

#include "tuff/train.h"

#define TRAINER_PENDING 4 /* steps submitted and not yet reported: at most 2, the ring's size, and slack */

struct trainer_pass {
    struct tuff_program *program;
    struct tuff_train_shape shape;
    struct tuff_model_inputs in;
    struct tuff_tensor *targets, *weight, *loss, *logits; /* logits: of evaluation, where asked for */
    uint64_t slot_step[2]; /* step whose run used the slot; 0: harvested */
    int slot;              /* that the next run will take, so the older one */
};

struct trainer_pending {
    struct tuff_step_result result;
    size_t micros;  /* micro runs not yet harvested */
    bool applied;   /* apply harvested */
};

struct tuff_trainer {
    struct tuff_ctx *ctx;
    struct tuff_trainer_params params;
    struct trainer_pass *train, *eval;   /* n each */
    size_t n;
    struct tuff_optimizer *optimizer;
    struct tuff_program *apply;
    struct tuff_program *refresh, *swap; /* NULL where the optimizer has no subspaces, no average */
    struct tuff_tensor *norm, *applied;
    uint64_t apply_step[2]; /* as pass.slot_step and slot */
    int apply_slot;
    uint64_t step, first_step, done_applied, seen_applied;
    struct trainer_pending queue[TRAINER_PENDING]; /* oldest first */
    size_t n_queue;
    double host_seconds; /* of host_steps steps */
    uint64_t host_steps;
};

/* tuff_trainer_step_micros in two: gradients, which change no weight, and what they change. */
enum tuff_status tuff_trainer_begin_step(struct tuff_trainer *trainer, const struct tuff_micro *micros,
                                         size_t n,
                                         uint64_t counted);
enum tuff_status tuff_trainer_end_step(struct tuff_trainer *trainer);

#endif
