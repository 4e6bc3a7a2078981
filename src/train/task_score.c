/* train/task_score: see task_score.h. */
#include "train/task_score.h"
#include "base/base.h"

enum tuff_status task_score_init(struct tuff_ctx *ctx, struct task_score *score, size_t labels, size_t others,
                                 bool of_words)
{
    *score = (struct task_score) {.pairs = tuff_calloc(labels * labels, sizeof *score->pairs),
                                  .labels = labels, .others = others, .of_words = of_words};
    return score->pairs ? TUFF_OK : tuff_fail(ctx, TUFF_E_NOMEM, "training: out of host memory");
}

void task_score_fini(struct task_score *score)
{
    free(score->pairs);
    score->pairs = NULL;
}

void task_score_clear(struct task_score *score)
{
    memset(score->pairs, 0, score->labels * score->labels * sizeof *score->pairs);
}

void task_score_add(struct task_score *s, const float *logits, const uint32_t *labels, size_t n)
{
    for (size_t i = 0; i < n; i++, logits += s->labels) {
        if (labels[i] == TUFF_TARGET_IGNORE)
            continue;
        size_t best = 0;
        for (size_t k = 1; k < s->labels; k++)
            best = logits[k] > logits[best] ? k : best;
        s->pairs[labels[i] * s->labels + best]++;
    }
}

struct task_scores task_score_result(const struct task_score *s)
{
    uint64_t counted = 0, right = 0, hit = 0, answered = 0, there = 0, seen = 0;
    double sum = 0;
    for (size_t k = 0; k < s->labels; k++) {
        uint64_t same = s->pairs[k * s->labels + k], truth = 0, answers = 0;
        for (size_t i = 0; i < s->labels; i++) {
            truth += s->pairs[k * s->labels + i];
            answers += s->pairs[i * s->labels + k];
        }
        right += same;
        counted += truth;
        if (k != s->others) {
            hit += same;
            there += truth;
            answered += answers;
        }
        if (truth + answers) {
            seen++;
            sum += 2 * (double) same / (double) (truth + answers);
        }
    }
    double words = answered + there ? 2 * (double) hit / (double) (answered + there) : 0;
    return (struct task_scores) {
        .accuracy = (double) right / (double) TUFF_MAX(counted, 1),
        .f1 = s->of_words ? words : sum / (double) TUFF_MAX(seen, 1)};
}
