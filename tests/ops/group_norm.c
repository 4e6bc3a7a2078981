/* group_norm: groups of one, some and all channels, one and several slabs of rows, fused SiLU,
 * values far from zero, a gradient with two parts. */
#include "op_test.h"

struct arg {
    int groups;
    enum tuff_activation act;
    bool no_bias;
    bool residual; /* y = s + group_norm(s), s = 2 x: the gradient of s has two parts */
    double eps;
};

static struct tuff_tensor *build(struct tuff_graph *g, struct tuff_tensor *const in[],
                                 const void *arg)
{
    const struct arg *a = arg;
    struct tuff_tensor *x = a->residual ? tuff_scale(g, in[0], 2, 0) : in[0];
    struct tuff_tensor *y = tuff_group_norm(g, x, a->groups, in[1], a->no_bias ? NULL : in[2],
                                            (float) a->eps, a->act);
    return a->residual ? tuff_add(g, x, y) : y;
}

static void ref(const struct ot_case *c, const double *const in[], double *y, size_t n_y)
{
    const struct arg *a = c->arg;
    size_t channels = (size_t) c->in[0].dims[c->in[0].rank - 1], images = (size_t) c->in[0].dims[0];
    size_t rows = n_y / images / channels, size = channels / (size_t) a->groups;
    double factor = a->residual ? 2 : 1, n = (double) (rows * size);
    for (size_t i = 0; i < images * (size_t) a->groups; i++) {
        size_t at = i / (size_t) a->groups * rows * channels + i % (size_t) a->groups * size;
        double mean = 0, var = 0;
        for (size_t k = 0; k < rows * size; k++)
            mean += factor * in[0][at + k / size * channels + k % size] / n;
        for (size_t k = 0; k < rows * size; k++) {
            double d = factor * in[0][at + k / size * channels + k % size] - mean;
            var += d * d / n;
        }
        for (size_t k = 0; k < rows * size; k++) {
            size_t j = at + k / size * channels + k % size, ch = j % channels;
            double z = (factor * in[0][j] - mean) / sqrt(var + (double) (float) a->eps) * in[1][ch];
            z += a->no_bias ? 0 : in[2][ch];
            y[j] = (a->act == TUFF_ACT_SILU ? z / (1 + exp(-z)) : z) +
                   (a->residual ? 2 * in[0][j] : 0);
        }
    }
}

/* Around 100 and -100 with a spread of about 1/16: what E[x^2] - E[x]^2 cannot do in F32. */
static const double far[] = {100,      100.0625, 99.9375, 100.125,  99.96875, 100.03125,
                             100.1875, 99.875,   -100,    -100.125, -99.9375, -100.25,
                             -99.875,  -100.0625, -99.75, -100.03125};

#define ARG(...) (&(const struct arg) {.eps = 1e-5, __VA_ARGS__})
#define SILU(n) ARG(.groups = n, .act = TUFF_ACT_SILU)
#define CASE(label, count, argument, ...)                                                          \
    {.name = label, .in = {__VA_ARGS__}, .n_in = count, .build = build, .ref = ref, .arg = argument}
static const struct ot_case cases[] = {
    CASE("one group", 3, ARG(.groups = 1), {4, {2, 3, 5, 4}}, {1, {4}}, {1, {4}}),
    CASE("every channel", 3, ARG(.groups = 8), {4, {2, 3, 5, 8}}, {1, {8}}, {1, {8}}),
    CASE("two of four", 3, ARG(.groups = 2), {4, {2, 5, 5, 4}}, {1, {4}}, {1, {4}}),
    CASE("pairs", 3, ARG(.groups = 6), {4, {2, 3, 5, 12}}, {1, {12}}, {1, {12}}),
    CASE("odd", 3, ARG(.groups = 3), {4, {3, 5, 7, 15}}, {1, {15}}, {1, {15}}),
    CASE("no positions", 3, ARG(.groups = 2), {2, {5, 12}}, {1, {12}}, {1, {12}}),
    CASE("slabs", 3, ARG(.groups = 4), {4, {2, 13, 11, 40}}, {1, {40}}, {1, {40}}),
    CASE("slabs odd", 3, ARG(.groups = 1), {3, {2, 130, 3}}, {1, {3}}, {1, {3}}),
    CASE("wide", 3, ARG(.groups = 32), {3, {3, 70, 320}}, {1, {320}}, {1, {320}}),
    CASE("silu", 3, SILU(4), {4, {2, 9, 9, 16}}, {1, {16}}, {1, {16}}),
    CASE("silu odd", 3, SILU(7), {4, {2, 9, 9, 7}}, {1, {7}}, {1, {7}}),
    CASE("no bias", 2, ARG(.groups = 2, .act = TUFF_ACT_SILU, .no_bias = true), {3, {2, 9, 20}},
         {1, {20}}),
    CASE("residual", 3, ARG(.groups = 2, .residual = true), {3, {2, 33, 8}}, {1, {8}}, {1, {8}}),
    CASE("residual odd", 3, ARG(.groups = 1, .residual = true), {3, {2, 33, 5}}, {1, {5}},
         {1, {5}}),
    CASE("many rows", 3, ARG(.groups = 2), {3, {1, 20011, 4}}, {1, {4}}, {1, {4}}),
    CASE("constant parameters", 3, SILU(2), {3, {3, 9, 24}}, {1, {24}, .constant = true},
         {1, {24}, .constant = true}),
    CASE("parameters only", 3, SILU(2), {3, {3, 9, 24}, .constant = true}, {1, {24}}, {1, {24}}),
    {.name = "far from zero",
     .in = {{3, {2, 2, 4}, OT_VALUES, .values = far}, {1, {4}}, {1, {4}}},
     .n_in = 3, .build = build, .ref = ref, .arg = ARG(.groups = 1), .tolerance = 1e-4,
     .grad_tolerance = 1e-3},
};

static struct tuff_tensor *image(struct tuff_graph *g)
{
    return tuff_fill(g, 1, 4, (int64_t[]) {2, 3, 3, 4});
}

static struct tuff_tensor *ones(struct tuff_graph *g, int64_t n)
{
    return tuff_fill(g, 1, 1, &n);
}

static void bad_groups(struct tuff_graph *g)
{
    tuff_group_norm(g, image(g), 3, ones(g, 4), ones(g, 4), 1e-5f, TUFF_ACT_NONE);
}

static void bad_weight(struct tuff_graph *g)
{
    tuff_group_norm(g, image(g), 2, ones(g, 3), ones(g, 4), 1e-5f, TUFF_ACT_NONE);
}

static void bad_bias(struct tuff_graph *g)
{
    tuff_group_norm(g, image(g), 2, ones(g, 4), ones(g, 5), 1e-5f, TUFF_ACT_NONE);
}

static void bad_eps(struct tuff_graph *g)
{
    tuff_group_norm(g, image(g), 2, ones(g, 4), ones(g, 4), 0, TUFF_ACT_NONE);
}

static void bad_activation(struct tuff_graph *g)
{
    tuff_group_norm(g, image(g), 2, ones(g, 4), ones(g, 4), 1e-5f, TUFF_ACT_GELU_ERF);
}

static void bad_rank(struct tuff_graph *g)
{
    tuff_group_norm(g, ones(g, 4), 2, ones(g, 4), NULL, 1e-5f, TUFF_ACT_NONE);
}

static const struct ot_error errors[] = {
    {"groups", bad_groups, TUFF_E_SHAPE}, {"weight", bad_weight, TUFF_E_SHAPE},
    {"bias", bad_bias, TUFF_E_SHAPE},     {"eps", bad_eps, TUFF_E_RANGE},
    {"activation", bad_activation, TUFF_E_ARG}, {"rank", bad_rank, TUFF_E_SHAPE},
};

int main(int argc, char **argv)
{
    return ot_main(argc, argv, cases, TUFF_COUNT(cases), errors, TUFF_COUNT(errors));
}
