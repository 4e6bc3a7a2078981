/* schedules: rates at chosen steps against their formulas worked out by hand, ends, warm-up, names. */
#include "test.h"
#include "tuff/optim.h"

#include <jansson.h>

#include <math.h>

enum { STEPS = 110 };

static void expect(const struct tuff_schedule_params *p, const double (*points)[2], size_t n)
{
    double lr[STEPS];
    tuff_schedule_fill(lr, STEPS, p);
    for (size_t i = 0; i < n; i++) {
        double got = lr[(size_t) points[i][0]];
        CHECK_MSG(fabs(got - points[i][1]) < 1e-12, "%s at %g: %.15g, not %.15g",
                  tuff_schedule_name(p->kind), points[i][0], got, points[i][1]);
    }
    for (int64_t t = 0; t < p->warmup; t++)
        CHECK(fabs(lr[t] - p->base * (double) (t + 1) / (double) p->warmup) < 1e-15);
}
#define EXPECT(points, ...)                                                                        \
    expect(&(struct tuff_schedule_params) {__VA_ARGS__}, points, sizeof points / sizeof *points)

/* transformers' rates, and PyTorch's behind evaluations. transformers warms up from 0: its step t is the t-th of
 * ours counted from 1. */
static void test_golden(void)
{
    static const struct {
        const char *name;
        struct tuff_schedule_params p;
    } cases[] = {{"constant", {.kind = TUFF_SCHEDULE_CONSTANT}},
                 {"linear", {.kind = TUFF_SCHEDULE_LINEAR}},
                 {"cosine", {.kind = TUFF_SCHEDULE_COSINE}},
                 {"cosine_with_restarts", {.kind = TUFF_SCHEDULE_COSINE_RESTARTS, .cycles = 3}},
                 {"inverse_sqrt", {.kind = TUFF_SCHEDULE_INVERSE_SQRT}},
                 {"polynomial", {.kind = TUFF_SCHEDULE_POLYNOMIAL, .floor = 0.1, .power = 2}},
                 {"warmup_stable_decay", {.kind = TUFF_SCHEDULE_WSD, .decay = 0.25}}};
    json_error_t error;
    json_t *golden = json_load_file(TEST_SOURCE_DIR "/golden/optim/schedules.json", 0, &error);
    CHECK(golden != NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        enum { N = 40, WARMUP = 5 };
        const json_t *want = json_object_get(golden, cases[i].name);
        struct tuff_schedule_params p = cases[i].p;
        double lr[N];
        p.base = 2;
        p.warmup = WARMUP;
        tuff_schedule_fill(lr, N, &p);
        CHECK(json_array_size(want) == N);
        for (size_t t = 0; t < N; t++) {
            size_t from = t < WARMUP ? t + 1 : t;
            double x = json_real_value(json_array_get(want, from));
            CHECK_MSG(fabs(lr[t] - x) < 1e-12, "%s at %zu: %.15g, not %.15g", cases[i].name, t, lr[t], x);
        }
    }
    const json_t *losses = json_object_get(golden, "losses");
    const json_t *want = json_object_get(golden, "reduce_lr_on_plateau");
    struct tuff_plateau s = {.rate = 1, .best = INFINITY};
    int changes = 0;
    for (size_t i = 0; i < json_array_size(losses); i++) {
        changes += tuff_plateau_step(&(struct tuff_plateau_params) {0.5, 2, 1e-2, 1}, 0.05,
                                     json_real_value(json_array_get(losses, i)), &s);
        double x = json_real_value(json_array_get(want, i));
        CHECK_MSG(fabs(2 * s.rate - x) < 1e-12, "evaluation %zu: %g, not %g", i, 2 * s.rate, x);
    }
    CHECK(changes == 5);
    json_decref(golden);
}

int main(void)
{
    test_golden();
    /* Warm-up of 10, then x = (t - 10) / 100. */
    static const double constant[][2] = {{10, 2}, {109, 2}};
    static const double linear[][2] = {{10, 2}, {60, 1.1}, {109, 0.2 + 1.8 * 0.01}};
    static const double cosine[][2] = {{10, 2}, {60, 1.1}, {35, 1.1 + 0.9 * 0.70710678118654752}};
    static const double restarts[][2] = {{10, 2}, {35, 1}, {60, 2}, {85, 1}};
    static const double square_root[][2] = {{10, 2}, {40, 1}, {20, 1.4142135623730951}};
    static const double bare[][2] = {{0, 2}, {100, 1.9900743804199783}}; /* 2 (10000 / 10100)^1/2 */
    static const double polynomial[][2] = {{10, 2}, {60, 0.5}, {85, 0.125}};
    /* The last 22 of 110 steps fall: at 109, 1 + cos(pi 21 / 22). */
    static const double stable[][2] = {{10, 2}, {88, 2}, {99, 1}, {109, 0.010178558119067316}};
    EXPECT(constant, .kind = TUFF_SCHEDULE_CONSTANT, .base = 2, .warmup = 10, .floor = 0.1);
    EXPECT(linear, .kind = TUFF_SCHEDULE_LINEAR, .base = 2, .warmup = 10, .floor = 0.1);
    EXPECT(cosine, .kind = TUFF_SCHEDULE_COSINE, .base = 2, .warmup = 10, .floor = 0.1);
    EXPECT(restarts, .kind = TUFF_SCHEDULE_COSINE_RESTARTS, .base = 2, .warmup = 10, .cycles = 2);
    EXPECT(square_root, .kind = TUFF_SCHEDULE_INVERSE_SQRT, .base = 2, .warmup = 10);
    EXPECT(bare, .kind = TUFF_SCHEDULE_INVERSE_SQRT, .base = 2);
    EXPECT(polynomial, .kind = TUFF_SCHEDULE_POLYNOMIAL, .base = 2, .warmup = 10, .power = 2);
    EXPECT(stable, .kind = TUFF_SCHEDULE_WSD, .base = 2, .warmup = 10, .decay = 0.2);
    for (int kind = 0; kind <= TUFF_SCHEDULE_PLATEAU; kind++) {
        enum tuff_schedule found;
        const char *name = tuff_schedule_name((enum tuff_schedule) kind);
        CHECK(name && tuff_schedule_find(name, &found) && (int) found == kind);
    }
    CHECK(!tuff_schedule_name((enum tuff_schedule) 99));
    return test_end();
}
