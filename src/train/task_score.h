/* train/task_score.h: accuracy and F1 of classified texts or words. */
#ifndef TUFF_TRAIN_TASK_SCORE_H
#define TUFF_TRAIN_TASK_SCORE_H

#include "tuff/task_fit.h"

/* Counts of (truth, answer), and the sum of losses. */
struct task_score {
    uint64_t *pairs; /* [L, L] */
    size_t labels;
    double nats;
    uint64_t counted;
};
enum tuff_status task_score_init(struct tuff_ctx *ctx, struct task_score *score, size_t labels);
void task_score_fini(struct task_score *score);
/* n rows of logits [L], and their labels; TUFF_TARGET_IGNORE: not counted. */
void task_score_add(struct task_score *score, const float *logits, const uint32_t *labels, size_t n);
/* `others`: a label that is none ("O" of words): F1 is of all others together; SIZE_MAX: the mean over labels. */
struct tuff_task_scores task_score_result(const struct task_score *score, size_t others, bool of_words);

#endif
