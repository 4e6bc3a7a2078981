/* train/task_score: see task_score.h. */
#include "train/task_score.h"
#include "base/base.h"

#include <math.h>

enum tuff_status task_score_init(struct tuff_ctx *ctx, struct task_score *score, size_t labels)
{
    *score = (struct task_score) {.pairs = tuff_calloc(labels * labels, sizeof *score->pairs),
                                  .labels = labels};
    return score->pairs ? TUFF_OK : tuff_fail(ctx, TUFF_E_NOMEM, "training: out of host memory");
}

void task_score_fini(struct task_score *score)
{
    free(score->pairs);
    score->pairs = NULL;
}

void task_score_add(struct task_score *s, const float *logits, const uint32_t *labels, size_t n)
{
    for (size_t i = 0; i < n; i++, logits += s->labels) {
        if (labels[i] == TUFF_TARGET_IGNORE)
            continue;
        size_t best = 0;
        double sum = 0;
        for (size_t k = 1; k < s->labels; k++)
            best = logits[k] > logits[best] ? k : best;
        for (size_t k = 0; k < s->labels; k++)
            sum += exp((double) logits[k] - (double) logits[best]);
        s->nats += log(sum) + (double) logits[best] - (double) logits[labels[i]];
        s->pairs[labels[i] * s->labels + best]++;
        s->counted++;
    }
}

struct tuff_task_scores task_score_result(const struct task_score *s, size_t others, bool of_words)
{
    uint64_t right = 0, hit = 0, answered = 0, there = 0, seen = 0;
    double sum = 0;
    for (size_t k = 0; k < s->labels; k++) {
        uint64_t same = s->pairs[k * s->labels + k], truth = 0, answers = 0;
        for (size_t i = 0; i < s->labels; i++) {
            truth += s->pairs[k * s->labels + i];
            answers += s->pairs[i * s->labels + k];
        }
        right += same;
        if (k != others) {
            hit += same;
            there += truth;
            answered += answers;
        }
        if (truth + answers) {
            seen++;
            sum += 2 * (double) same / (double) (truth + answers);
        }
    }
    double n = (double) TUFF_MAX(s->counted, 1);
    double words = answered + there ? 2 * (double) hit / (double) (answered + there) : 0;
    return (struct tuff_task_scores) {
        .loss = s->nats / n,
        .accuracy = (double) right / n,
        .f1 = of_words ? words : sum / (double) TUFF_MAX(seen, 1)};
}
