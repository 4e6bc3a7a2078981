/* Logits processors that no golden file covers: counts, forced ids, minimal lengths, `keep`, ties,
 * order, the draw. Expected values are worked out by hand beside each case. */
#include "test.h"
#include "tuff/processors.h"

#define NO (-INFINITY)
static struct tuff_ctx *ctx;

static struct tuff_scores on(float *values, size_t v, const uint32_t *ids, size_t n, size_t n_prompt)
{
    return (struct tuff_scores) {ctx, values, v, ids, n, n_prompt};
}

static void same(const char *what, const float *got, const float *want, size_t n)
{
    for (size_t i = 0; i < n; i++)
        CHECK_MSG((isinf(want[i]) && got[i] == want[i]) ||
                      fabs((double) got[i] - (double) want[i]) < 1e-6,
                  "%s: [%zu] is %g, not %g", what, i, (double) got[i], (double) want[i]);
}

/* Fresh scores 3 2 1 0 for each rule. */
#define RULE(name, call, ...)                                                                      \
    do {                                                                                           \
        float x[4] = {3, 2, 1, 0};                                                                 \
        struct tuff_scores s = on(x, 4, ids, 5, 2);                                                \
        CHECK_OK(ctx, call);                                                                       \
        same(name, x, (const float[]) {__VA_ARGS__}, 4);                                           \
    } while (0)

static void test_rules(void)
{
    /* Prompt 1 2, generated 3 3 1. Softmax of 3 2 1 0: .644 .237 .087 .032. */
    const uint32_t ids[] = {1, 2, 3, 3, 1};
    const uint32_t ends[] = {0, 3};
    const size_t sizes[] = {1, 2, 1, 3};
    const uint32_t words[] = {2, 1, 1, 0, 3, 3, 0};
    RULE("counts", tuff_proc_counts(&s, 0.25, 0.5), 3, 2 - 0.75f, 1, -1);
    RULE("repetition", tuff_proc_repetition(&s, 2), 3, 1, 0.5f, 0);
    RULE("force", tuff_proc_force(&s, 2), NO, NO, 0, NO);
    RULE("min_length 6", tuff_proc_min_length(&s, 6, 0, ends, 2), NO, 2, 1, NO);
    RULE("min_length 5", tuff_proc_min_length(&s, 5, 3, ends, 2), 3, 2, 1, 0);
    RULE("min_new_tokens 4", tuff_proc_min_length(&s, 0, 4, ends, 2), NO, 2, 1, NO);
    RULE("ngram 1", tuff_proc_no_repeat_ngram(&s, 1), 3, NO, NO, NO);
    RULE("ngram 2", tuff_proc_no_repeat_ngram(&s, 2), 3, 2, NO, 0);
    RULE("ngram 9", tuff_proc_no_repeat_ngram(&s, 9), 3, 2, 1, 0);
    /* 2; 1 1; 0 (an end id: skipped); 3 3 0 (the end is 3 1: no match). */
    RULE("bad words", tuff_proc_bad_words(&s, &((struct tuff_words) {words, sizes, 4}), ends, 2), 3,
         NO, NO, 0);
    RULE("top_k", tuff_proc_top_k(&s, 1, 1), 3, NO, NO, NO);
    RULE("top_k keeps", tuff_proc_top_k(&s, 1, 3), 3, 2, 1, NO);
    RULE("top_p .64", tuff_proc_top_p(&s, 0.64, 1), 3, NO, NO, NO);
    RULE("top_p .65", tuff_proc_top_p(&s, 0.65, 1), 3, 2, NO, NO);
    RULE("top_p keeps", tuff_proc_top_p(&s, 0.1, 2), 3, 2, NO, NO);
    RULE("min_p", tuff_proc_min_p(&s, 0.1, 1), 3, 2, 1, NO);
    RULE("epsilon", tuff_proc_epsilon(&s, 0.9, 2), 3, 2, NO, NO);
    /* H = 0.947: distances .507 .493 1.493 2.493, so 1 is the most typical, then 0. */
    RULE("typical", tuff_proc_typical(&s, 0.2, 1), NO, 2, NO, NO);
    RULE("typical .3", tuff_proc_typical(&s, 0.3, 1), 3, 2, NO, NO);
    RULE("log_softmax", tuff_proc_log_softmax(&s), -0.4401897f, -1.4401897f, -2.4401897f,
         -3.4401897f);
}

static void test_ties(void)
{
    float x[4] = {1, 1, 1, 1}, y[4] = {1, 1, 1, 1};
    struct tuff_scores s = on(x, 4, NULL, 0, 0), t = on(y, 4, NULL, 0, 0);
    CHECK_OK(ctx, tuff_proc_top_k(&s, 2, 1));
    same("equal scores stay", x, (const float[]) {1, 1, 1, 1}, 4);
    CHECK_OK(ctx, tuff_proc_top_p(&t, 0.5, 1));
    same("the lower id goes first", y, (const float[]) {NO, NO, 1, 1}, 4);
}

static enum tuff_status forbid_zero(void *user, struct tuff_scores *s)
{
    ++*(int *) user;
    s->values[0] = NO;
    return TUFF_OK;
}

static void test_all(void)
{
    int called = 0;
    const struct tuff_processor extra = {forbid_zero, &called};
    const struct tuff_forced_id forced[] = {{2, 1}};
    const uint32_t ids[] = {3, 2, 1};
    struct tuff_sampling o = {.top_k = 1, .temperature = 0.5, .extra = &extra, .n_extra = 1,
                              .forced = forced, .n_forced = 1};
    float x[4] = {3, 2, 1, 0}, y[4] = {3, 2, 1, 0}, z[4] = {3, 2, 1, 0};
    struct tuff_scores s = on(x, 4, ids, 3, 2), t = on(y, 4, ids, 3, 1), u = on(z, 4, ids, 3, 2);
    CHECK_OK(ctx, tuff_process(&s, &o, 1));
    same("extra before top_k", x, (const float[]) {NO, 4, NO, NO}, 4);
    CHECK_OK(ctx, tuff_process(&t, &o, 1));
    same("forced at the second new token", y, (const float[]) {NO, 0, NO, NO}, 4);
    o.greedy = true;
    CHECK_OK(ctx, tuff_process(&u, &o, 1));
    same("greedy has no warpers", z, (const float[]) {NO, 2, 1, 0}, 4);
    CHECK(tuff_choose(&u, &o, 3) == 1 && called == 3);
}

static void test_refusals(void)
{
    const uint32_t end = 9;
    float x[2] = {0, 1};
    struct tuff_scores s = on(x, 2, NULL, 0, 0);
    CHECK(tuff_proc_temperature(&s, 0) == TUFF_E_RANGE && strstr(tuff_error_text(ctx), "temperature"));
    CHECK(tuff_proc_top_p(&s, 1.5, 1) == TUFF_E_RANGE && tuff_proc_typical(&s, NAN, 1) == TUFF_E_RANGE);
    CHECK(tuff_proc_eta(&s, 1, 1) == TUFF_E_RANGE && tuff_proc_force(&s, 2) == TUFF_E_RANGE);
    CHECK(tuff_sampling_check(ctx, &(struct tuff_sampling) {.top_p = -0.5}, 2) == TUFF_E_RANGE &&
          strstr(tuff_error_text(ctx), "top_p"));
    CHECK(tuff_sampling_check(ctx, &(struct tuff_sampling) {.end_ids = &end, .n_end_ids = 1}, 2) ==
          TUFF_E_RANGE);
    CHECK_OK(ctx, tuff_sampling_check(ctx, &(struct tuff_sampling) {.top_p = 0.5}, 2));
}

/* 20 000 positions: each id comes as often as its probability says, within five deviations; the
 * draw is a function of seed and position; banned ids never come. */
static void test_draw(void)
{
    const double p[5] = {0.5, 0, 0.25, 0.2, 0.05};
    enum { N = 20000 };
    float x[5];
    int seen[5] = {0}, moved = 0;
    struct tuff_sampling o = {.seed = 7}, other = {.seed = 8};
    for (int i = 0; i < 5; i++)
        x[i] = p[i] > 0 ? (float) log(p[i]) : NO;
    struct tuff_scores s = on(x, 5, NULL, 0, 0);
    for (uint64_t at = 0; at < N; at++) {
        uint32_t id = tuff_choose(&s, &o, at);
        seen[id]++;
        CHECK(tuff_choose(&s, &o, at) == id);
        moved += tuff_choose(&s, &other, at) != id;
    }
    for (int i = 0; i < 5; i++)
        CHECK_MSG(fabs(seen[i] - N * p[i]) <= 5 * sqrt(N * p[i] * (1 - p[i])), "id %d: %d of %g", i,
                  seen[i], N * p[i]);
    CHECK(moved > N / 3);
    for (int i = 0; i < 5; i++)
        x[i] = i == 3 ? 0 : NO;
    CHECK(tuff_choose(&s, &o, 0) == 3);
}

/* The first of equal ones, in a whole block or behind it; NaN is the largest only in the first place. */
static void test_largest(void)
{
    enum { V = 1100 };
    static float x[V];
    struct tuff_sampling o = {.greedy = true};
    struct tuff_scores s = on(x, V, NULL, 0, 0);
    static const size_t places[] = {0, 1, 511, 512, 700, 1023, 1024, V - 1};
    for (size_t a = 0; a < sizeof places / sizeof *places; a++)
        for (size_t b = a; b < sizeof places / sizeof *places; b++) {
            for (size_t i = 0; i < V; i++)
                x[i] = i % 7 == 3 ? NAN : -(float) (i % 13);
            x[places[a]] = x[places[b]] = 1;
            CHECK_MSG(tuff_choose(&s, &o, 0) == places[a], "of %zu and %zu", places[a], places[b]);
        }
    x[0] = NAN;
    CHECK(tuff_choose(&s, &o, 0) == 0);
}

int main(void)
{
    ctx = tuff_ctx_create(NULL);
    test_rules();
    test_ties();
    test_all();
    test_refusals();
    test_draw();
    test_largest();
    tuff_ctx_destroy(ctx);
    return test_end();
}
