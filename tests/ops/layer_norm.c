/* layer_norm: both kernel forms, odd widths, rows far from zero, residual gradients, many rows. */
#include "op_test.h"

struct arg {
    bool no_bias;
    bool residual; /* y = s + layer_norm(s), s = 2 x: the gradient of s has two parts */
    bool in_place; /* y = layer_norm(s), which may lie where s does */
    double eps;
};

static struct tuff_tensor *build(struct tuff_graph *g, struct tuff_tensor *const in[],
                                 const void *arg)
{
    const struct arg *a = arg;
    struct tuff_tensor *x = a->residual || a->in_place ? tuff_scale(g, in[0], 2, 0) : in[0];
    struct tuff_tensor *y =
        tuff_layer_norm(g, x, in[1], a->no_bias ? NULL : in[2], (float) a->eps);
    return a->residual ? tuff_add(g, x, y) : y;
}

static void ref(const struct ot_case *c, const double *const in[], double *y, size_t n_y)
{
    const struct arg *a = c->arg;
    size_t columns = (size_t) c->in[0].dims[c->in[0].rank - 1];
    double factor = a->residual || a->in_place ? 2 : 1;
    for (size_t at = 0; at < n_y; at += columns) {
        const double *x = in[0] + at;
        double mean = 0, var = 0;
        for (size_t i = 0; i < columns; i++)
            mean += factor * x[i];
        mean /= (double) columns;
        for (size_t i = 0; i < columns; i++)
            var += (factor * x[i] - mean) * (factor * x[i] - mean);
        double rstd = 1 / sqrt(var / (double) columns + (double) (float) a->eps);
        for (size_t i = 0; i < columns; i++)
            y[at + i] = (factor * x[i] - mean) * rstd * in[1][i] + (a->no_bias ? 0 : in[2][i]) +
                        (a->residual ? 2 * x[i] : 0);
    }
}

/* Rows around 100 with a spread of about 1/16: what E[x^2] - E[x]^2 cannot do in F32. */
static const double far[] = {100,      100.0625, 99.9375, 100.125,  99.96875, 100.03125,
                             100.1875, 99.875,   -100,    -100.125, -99.9375, -100.25,
                             -99.875,  -100.0625, -99.75, -100.03125};

#define ARG(...) (&(const struct arg) {.eps = 1e-5, __VA_ARGS__})
#define PLAIN ARG(.no_bias = false)
#define CASE(label, count, argument, ...)                                                          \
    {.name = label, .in = {__VA_ARGS__}, .n_in = count, .build = build, .ref = ref, .arg = argument}
static const struct ot_case cases[] = {
    CASE("one row", 3, PLAIN, {1, {8}}, {1, {8}}, {1, {8}}),
    CASE("one column", 3, PLAIN, {2, {3, 1}}, {1, {1}}, {1, {1}}),
    CASE("small", 3, PLAIN, {2, {5, 12}}, {1, {12}}, {1, {12}}),
    CASE("odd", 3, PLAIN, {2, {7, 13}}, {1, {13}}, {1, {13}}),
    CASE("prime rows", 3, PLAIN, {3, {3, 67, 68}}, {1, {68}}, {1, {68}}),
    CASE("no bias", 2, ARG(.no_bias = true), {2, {9, 100}}, {1, {100}}),
    CASE("large eps", 3, &(const struct arg) {.eps = 0.5}, {2, {9, 20}}, {1, {20}}, {1, {20}}),
    CASE("wide", 3, PLAIN, {2, {130, 384}}, {1, {384}}, {1, {384}}),
    CASE("wide odd", 3, PLAIN, {2, {17, 769}}, {1, {769}}, {1, {769}}),
    CASE("quads, held, many rows", 3, PLAIN, {2, {300, 260}}, {1, {260}}, {1, {260}}),
    CASE("quads, 128 lanes", 2, ARG(.no_bias = true), {2, {3, 1028}}, {1, {1028}}),
    CASE("quads, 256 lanes", 3, PLAIN, {2, {2, 4100}}, {1, {4100}}, {1, {4100}}),
    CASE("quads, not held", 3, PLAIN, {2, {2, 8196}}, {1, {8196}}, {1, {8196}}),
    CASE("residual", 3, ARG(.residual = true), {2, {33, 64}}, {1, {64}}, {1, {64}}),
    CASE("residual odd", 3, ARG(.residual = true), {2, {33, 35}}, {1, {35}}, {1, {35}}),
    CASE("constant parameters", 3, PLAIN, {2, {9, 24}}, {1, {24}, .constant = true},
         {1, {24}, .constant = true}),
    CASE("weight only", 3, PLAIN, {2, {9, 24}, .constant = true}, {1, {24}},
         {1, {24}, .constant = true}),
    CASE("bias only", 3, PLAIN, {2, {9, 24}, .constant = true}, {1, {24}, .constant = true},
         {1, {24}}),
    {.name = "few rows, forward alone", .in = {{2, {9, 760}}, {1, {760}}, {1, {760}}}, .n_in = 3,
     .build = build, .ref = ref, .arg = PLAIN, .no_grad = true},
    {.name = "few rows, in place", .in = {{2, {9, 760}}, {1, {760}}, {1, {760}}}, .n_in = 3,
     .build = build, .ref = ref, .arg = ARG(.in_place = true), .no_grad = true},
    {.name = "a row far from zero, forward alone", .in = {{2, {2, 8}, OT_VALUES, .values = far}, {1, {8}}},
     .n_in = 2, .build = build, .ref = ref, .arg = ARG(.no_bias = true), .tolerance = 1e-4, .no_grad = true},
    CASE("many rows", 3, PLAIN, {2, {65551, 4}}, {1, {4}}, {1, {4}}),
    {.name = "far from zero", .in = {{2, {2, 8}, OT_VALUES, .values = far}, {1, {8}}, {1, {8}}},
     .n_in = 3, .build = build, .ref = ref, .arg = PLAIN, .tolerance = 1e-4,
     .grad_tolerance = 1e-3},
};

static struct tuff_tensor *ones(struct tuff_graph *g, int64_t n)
{
    return tuff_fill(g, 1, 1, &n);
}

static void bad_weight(struct tuff_graph *g)
{
    tuff_layer_norm(g, tuff_fill(g, 1, 2, (int64_t[]) {3, 4}), ones(g, 3), ones(g, 4), 1e-5f);
}

static void bad_bias(struct tuff_graph *g)
{
    tuff_layer_norm(g, tuff_fill(g, 1, 2, (int64_t[]) {3, 4}), ones(g, 4), ones(g, 5), 1e-5f);
}

static void bad_eps(struct tuff_graph *g)
{
    tuff_layer_norm(g, tuff_fill(g, 1, 2, (int64_t[]) {3, 4}), ones(g, 4), ones(g, 4), 0);
}

static void bad_dtype(struct tuff_graph *g)
{
    tuff_layer_norm(g, tuff_input(g, "ids", TUFF_U32, 2, (int64_t[]) {3, 4}), ones(g, 4), NULL,
                    1e-5f);
}

static void no_axis(struct tuff_graph *g)
{
    tuff_layer_norm(g, tuff_fill(g, 1, 0, NULL), ones(g, 1), NULL, 1e-5f);
}

static const struct ot_error errors[] = {
    {"weight", bad_weight, TUFF_E_SHAPE}, {"bias", bad_bias, TUFF_E_SHAPE},
    {"eps", bad_eps, TUFF_E_RANGE},       {"dtype", bad_dtype, TUFF_E_DTYPE},
    {"no axis", no_axis, TUFF_E_SHAPE},
};

int main(int argc, char **argv)
{
    return ot_main(argc, argv, cases, TUFF_COUNT(cases), errors, TUFF_COUNT(errors));
}
