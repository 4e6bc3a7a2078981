/* Accuracy and F1 of classified texts and words, against numbers worked out by hand. */
#include "train/task_score.h"
#include "test.h"

/* Logits whose largest is at `answer`, by a margin of ln 3 over the two others: probabilities 0.6, 0.2, 0.2. */
static void answer(float *logits, uint32_t answer_)
{
    for (uint32_t k = 0; k < 3; k++)
        logits[k] = 100 + (k == answer_ ? logf(3) : 0);
}

int main(void)
{
    static const uint32_t truth[] = {0, 0, 0, 1, 1, 2, TUFF_TARGET_IGNORE}, said[] = {0, 0, 1, 1, 0, 0, 2};
    enum { N = 7 };
    struct tuff_ctx *ctx = tuff_ctx_create(NULL);
    struct task_score s;
    float logits[3 * N];
    for (int i = 0; i < N; i++)
        answer(logits + 3 * i, said[i]);
    CHECK_OK(ctx, task_score_init(ctx, &s, 3, SIZE_MAX, false));
    task_score_add(&s, logits, truth, 4); /* in two batches */
    task_score_add(&s, logits + 12, truth + 4, N - 4);
    /* Label 0: 2 of 3 found, 2 of 4 answers right: 4/7. Label 1: 1 of 2, 1 of 2: 1/2. Label 2: 0 of 1. */
    struct task_scores all = task_score_result(&s);
    CHECK(fabs(all.accuracy - 3.0 / 6) < 1e-12);
    CHECK(fabs(all.f1 - (4.0 / 7 + 0.5 + 0) / 3) < 1e-12);
    /* Words, label 0 being "O": of 3 others 1 is found, of 2 answers 1 is right. */
    s.others = 0;
    s.of_words = true;
    struct task_scores words = task_score_result(&s);
    CHECK(fabs(words.f1 - 2.0 * 1 / (3 + 2)) < 1e-12 && fabs(words.accuracy - 0.5) < 1e-12);
    task_score_fini(&s);
    /* A label that is neither there nor answered does not count; nothing at all gives zeroes. */
    CHECK_OK(ctx, task_score_init(ctx, &s, 3, SIZE_MAX, false));
    task_score_add(&s, logits, truth, 2);
    CHECK(fabs(task_score_result(&s).f1 - 1) < 1e-12);
    task_score_clear(&s);
    all = task_score_result(&s);
    CHECK(all.f1 == 0 && all.accuracy == 0);
    s.of_words = true;
    CHECK(task_score_result(&s).f1 == 0);
    task_score_fini(&s);
    tuff_ctx_destroy(ctx);
    return test_end();
}
