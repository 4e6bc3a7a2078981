/* rms_norm: all kernel forms, odd widths, residual gradients, many rows. */
#include "op_test.h"

struct arg {
    bool residual; /* y = s + rms_norm(s), s = 2 x: the gradient of s has two parts */
    double eps;
};

static struct tuff_tensor *build(struct tuff_graph *g, struct tuff_tensor *const in[],
                                 const void *arg)
{
    const struct arg *a = arg;
    struct tuff_tensor *x = a->residual ? tuff_scale(g, in[0], 2, 0) : in[0];
    struct tuff_tensor *y = tuff_rms_norm(g, x, in[1], (float) a->eps);
    return a->residual ? tuff_add(g, x, y) : y;
}

static void ref(const struct ot_case *c, const double *const in[], double *y, size_t n_y)
{
    const struct arg *a = c->arg;
    size_t columns = (size_t) c->in[0].dims[c->in[0].rank - 1];
    double factor = a->residual ? 2 : 1;
    for (size_t at = 0; at < n_y; at += columns) {
        double squares = 0;
        for (size_t i = 0; i < columns; i++)
            squares += factor * in[0][at + i] * factor * in[0][at + i];
        double rstd = 1 / sqrt(squares / (double) columns + (double) (float) a->eps);
        for (size_t i = 0; i < columns; i++)
            y[at + i] = factor * in[0][at + i] * (rstd * in[1][i] + (a->residual ? 1 : 0));
    }
}

#define ARG(...) (&(const struct arg) {.eps = 1e-5, __VA_ARGS__})
#define PLAIN ARG(.residual = false)
#define CASE(label, argument, ...)                                                                 \
    {.name = label, .in = {__VA_ARGS__}, .n_in = 2, .build = build, .ref = ref, .arg = argument}
static const struct ot_case cases[] = {
    CASE("one row", PLAIN, {1, {8}}, {1, {8}}),
    CASE("one column", &(const struct arg) {.eps = 0.5}, {2, {3, 1}}, {1, {1}}),
    CASE("odd", PLAIN, {2, {7, 13}}, {1, {13}}),
    CASE("prime rows", PLAIN, {3, {3, 67, 68}}, {1, {68}}),
    CASE("wide", PLAIN, {2, {130, 384}}, {1, {384}}),
    CASE("wide odd", PLAIN, {2, {17, 769}}, {1, {769}}),
    {.name = "residual", .in = {{2, {33, 64}}, {1, {64}}}, .n_in = 2, .build = build, .ref = ref,
     .arg = ARG(.residual = true), .roundings = 2},
    CASE("quads", PLAIN, {2, {3, 1028}}, {1, {1028}}),
    CASE("constant weight", PLAIN, {2, {9, 24}}, {1, {24}, .constant = true}),
    CASE("weight only", PLAIN, {2, {9, 24}, .constant = true}, {1, {24}}),
};

static void bad_weight(struct tuff_graph *g)
{
    tuff_rms_norm(g, tuff_fill(g, 1, 2, (int64_t[]) {3, 4}),
                  tuff_fill(g, 1, 1, (int64_t[]) {3}), 1e-5f);
}

static void bad_eps(struct tuff_graph *g)
{
    tuff_rms_norm(g, tuff_fill(g, 1, 2, (int64_t[]) {3, 4}),
                  tuff_fill(g, 1, 1, (int64_t[]) {4}), 0);
}

static const struct ot_error errors[] = {
    {"weight", bad_weight, TUFF_E_SHAPE},
    {"eps", bad_eps, TUFF_E_RANGE},
};

int main(int argc, char **argv)
{
    return ot_main(argc, argv, cases, TUFF_COUNT(cases), errors, TUFF_COUNT(errors));
}
