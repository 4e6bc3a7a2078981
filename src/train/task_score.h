/* train/task_score.h: accuracy and F1 of classified texts or words. */
#ifndef TUFF_TRAIN_TASK_SCORE_H
#define TUFF_TRAIN_TASK_SCORE_H

#include "tuff/data.h"
#include "tuff/error.h"

/* Counts of (truth, answer). */
struct task_score {
    uint64_t *pairs; /* [L, L] */
    size_t labels, others;
    bool of_words;
};
struct task_scores {
    double accuracy; /* share of labels that are right */
    double f1;       /* 2 p r / (p + r). Texts: mean over the labels that occur, in truth or in the model's answers.
                        Words: over all labels but "O" together */
};
/* `others`: a label that is none ("O" of words): F1 is of all others together; SIZE_MAX: there is none. */
enum tuff_status task_score_init(struct tuff_ctx *ctx, struct task_score *score, size_t labels, size_t others,
                                 bool of_words);
void task_score_fini(struct task_score *score);
void task_score_clear(struct task_score *score);
/* n rows of logits [L], and their labels; TUFF_TARGET_IGNORE: not counted. */
void task_score_add(struct task_score *score, const float *logits, const uint32_t *labels, size_t n);
struct task_scores task_score_result(const struct task_score *score);

#endif
