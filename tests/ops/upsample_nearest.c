/* upsample_nearest: factors 1 to 3, wide and odd channels, a view. */
#include "op_test.h"

static struct tuff_tensor *build(struct tuff_graph *g, struct tuff_tensor *const in[],
                                 const void *arg)
{
    return tuff_upsample_nearest(g, in[0], *(const int *) arg);
}

static void ref(const struct ot_case *c, const double *const in[], double *y, size_t n_y)
{
    const int64_t *d = c->in[0].dims, f = *(const int *) c->arg;
    for (int64_t i = 0; i < (int64_t) n_y; i++) {
        int64_t ch = i % d[3], x = i / d[3] % (d[2] * f), line = i / d[3] / (d[2] * f);
        y[i] = in[0][((line / (d[1] * f) * d[1] + line % (d[1] * f) / f) * d[2] + x / f) * d[3] +
                     ch];
    }
}

/* [B, C, H, W] read as [B, H, W, C]. */
static struct tuff_tensor *build_view(struct tuff_graph *g, struct tuff_tensor *const in[],
                                      const void *arg)
{
    return tuff_upsample_nearest(g, tuff_permute(g, in[0], (const int[]) {0, 2, 3, 1}),
                                 *(const int *) arg);
}

static void ref_view(const struct ot_case *c, const double *const in[], double *y, size_t n_y)
{
    const int64_t *d = c->in[0].dims, f = *(const int *) c->arg;
    for (int64_t i = 0; i < (int64_t) n_y; i++) {
        int64_t ch = i % d[1], x = i / d[1] % (d[3] * f), line = i / d[1] / (d[3] * f);
        y[i] = in[0][((line / (d[2] * f) * d[1] + ch) * d[2] + line % (d[2] * f) / f) * d[3] +
                     x / f];
    }
}

#define CASE(label, f, ...)                                                                        \
    {.name = label, .in = {__VA_ARGS__}, .n_in = 1, .build = build, .ref = ref,                    \
     .arg = &(const int) {f}}
static const struct ot_case cases[] = {
    CASE("one", 1, {4, {1, 1, 1, 1}}),
    CASE("twice", 2, {4, {2, 5, 7, 8}}),
    CASE("twice odd", 2, {4, {3, 4, 3, 5}}),
    CASE("three times", 3, {4, {2, 3, 5, 12}}),
    CASE("many", 2, {4, {3, 31, 32, 20}}),
    {.name = "view", .in = {{4, {2, 3, 4, 5}}}, .n_in = 1, .build = build_view, .ref = ref_view,
     .arg = &(const int) {2}},
};

static void bad_rank(struct tuff_graph *g)
{
    tuff_upsample_nearest(g, tuff_fill(g, 1, 2, (int64_t[]) {3, 4}), 2);
}

static void bad_factor(struct tuff_graph *g)
{
    tuff_upsample_nearest(g, tuff_fill(g, 1, 4, (int64_t[]) {1, 4, 4, 1}), 0);
}

static const struct ot_error errors[] = {
    {"rank", bad_rank, TUFF_E_SHAPE},
    {"factor", bad_factor, TUFF_E_RANGE},
};

int main(int argc, char **argv)
{
    return ot_main(argc, argv, cases, TUFF_COUNT(cases), errors, TUFF_COUNT(errors));
}
