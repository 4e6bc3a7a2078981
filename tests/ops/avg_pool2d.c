/* avg_pool2d: windows apart, touching and overlapping, padding, sizes that leave a rest. */
#include "op_test.h"

struct arg {
    int kernel, stride, padding;
};

static struct tuff_tensor *build(struct tuff_graph *g, struct tuff_tensor *const in[],
                                 const void *arg)
{
    const struct arg *a = arg;
    return tuff_avg_pool2d(g, in[0], a->kernel, a->stride, a->padding);
}

static void ref(const struct ot_case *c, const double *const in[], double *y, size_t n_y)
{
    const struct arg *a = c->arg;
    const int64_t *d = c->in[0].dims;
    int stride = a->stride ? a->stride : a->kernel;
    int64_t oh = (d[1] + 2 * a->padding - a->kernel) / stride + 1;
    int64_t ow = (d[2] + 2 * a->padding - a->kernel) / stride + 1;
    for (int64_t i = 0; i < (int64_t) n_y; i++) {
        int64_t ch = i % d[3], ox = i / d[3] % ow, oy = i / d[3] / ow % oh, b = i / d[3] / ow / oh;
        y[i] = 0;
        for (int64_t iy = oy * stride - a->padding; iy < oy * stride - a->padding + a->kernel; iy++)
            for (int64_t ix = ox * stride - a->padding; ix < ox * stride - a->padding + a->kernel;
                 ix++)
                if (iy >= 0 && iy < d[1] && ix >= 0 && ix < d[2])
                    y[i] += in[0][((b * d[1] + iy) * d[2] + ix) * d[3] + ch];
        y[i] /= a->kernel * a->kernel;
    }
}

#define CASE(label, k, s, p, ...)                                                                  \
    {.name = label, .in = {__VA_ARGS__}, .n_in = 1, .build = build, .ref = ref,                    \
     .arg = &(const struct arg) {k, s, p}}
static const struct ot_case cases[] = {
    CASE("one", 1, 1, 0, {4, {1, 1, 1, 1}}),
    CASE("halves", 2, 0, 0, {4, {2, 8, 6, 12}}),
    CASE("a rest", 2, 2, 0, {4, {3, 7, 9, 5}}),
    CASE("overlap", 3, 1, 1, {4, {2, 5, 7, 8}}),
    CASE("overlap, odd", 3, 2, 1, {4, {2, 9, 6, 3}}),
    CASE("apart", 2, 3, 1, {4, {2, 11, 8, 4}}),
    CASE("whole image", 7, 7, 0, {4, {5, 7, 7, 20}}),
    CASE("many", 2, 2, 0, {4, {3, 64, 62, 16}}),
};

static void bad_rank(struct tuff_graph *g)
{
    tuff_avg_pool2d(g, tuff_fill(g, 1, 3, (int64_t[]) {3, 4, 4}), 2, 2, 0);
}

static void bad_padding(struct tuff_graph *g)
{
    tuff_avg_pool2d(g, tuff_fill(g, 1, 4, (int64_t[]) {1, 4, 4, 1}), 2, 2, 2);
}

static void too_small(struct tuff_graph *g)
{
    tuff_avg_pool2d(g, tuff_fill(g, 1, 4, (int64_t[]) {1, 4, 4, 1}), 5, 1, 0);
}

static void bad_dtype(struct tuff_graph *g)
{
    tuff_avg_pool2d(g, tuff_input(g, "x", TUFF_U32, 4, (int64_t[]) {1, 4, 4, 1}), 2, 2, 0);
}

static const struct ot_error errors[] = {
    {"rank", bad_rank, TUFF_E_SHAPE},
    {"padding", bad_padding, TUFF_E_RANGE},
    {"too small", too_small, TUFF_E_SHAPE},
    {"dtype", bad_dtype, TUFF_E_DTYPE},
};

int main(int argc, char **argv)
{
    return ot_main(argc, argv, cases, TUFF_COUNT(cases), errors, TUFF_COUNT(errors));
}
