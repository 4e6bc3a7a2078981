/* schedules: rates at chosen steps against their formulas worked out by hand, ends, warm-up, names. */
#include "test.h"
#include "tuff/optim.h"

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

int main(void)
{
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
    for (int kind = 0; kind <= TUFF_SCHEDULE_WSD; kind++) {
        enum tuff_schedule found;
        const char *name = tuff_schedule_name((enum tuff_schedule) kind);
        CHECK(name && tuff_schedule_find(name, &found) && (int) found == kind);
    }
    CHECK(!tuff_schedule_name((enum tuff_schedule) 99));
    return test_end();
}
