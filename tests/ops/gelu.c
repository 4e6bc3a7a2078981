/* gelu: both forms, sizes around the width of a load, a view, values where tanh and erf saturate:
 * the last without gradients. */
#include "op_test.h"

static struct tuff_tensor *build(struct tuff_graph *g, struct tuff_tensor *const in[],
                                 const void *arg)
{
    return tuff_gelu(g, in[0], *(const enum tuff_gelu_form *) arg);
}

static struct tuff_tensor *build_view(struct tuff_graph *g, struct tuff_tensor *const in[],
                                      const void *arg)
{
    struct tuff_tensor *x = tuff_permute(g, in[0], (int[]) {1, 0});
    return tuff_permute(g, build(g, &x, arg), (int[]) {1, 0});
}

static void ref(const struct ot_case *c, const double *const in[], double *y, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double x = in[0][i];
        y[i] = *(const enum tuff_gelu_form *) c->arg == TUFF_GELU_ERF
                   ? 0.5 * x * (1 + erf(x / sqrt(2)))
                   : 0.5 * x *
                         (1 + tanh(sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x)));
    }
}

static const enum tuff_gelu_form by_tanh = TUFF_GELU_TANH, by_erf = TUFF_GELU_ERF;
static const double far[] = {-1e30, -40, -12, -6, -1e-3, -1e-30, 0, 1e-30, 1e-3, 6, 12, 40, 1e10};

#define BOTH(label, ...)                                                                           \
    {.name = label " tanh", .in = {__VA_ARGS__}, .n_in = 1, .build = build, .ref = ref,            \
     .arg = &by_tanh},                                                                             \
    {                                                                                              \
        .name = label " erf", .in = {__VA_ARGS__}, .n_in = 1, .build = build, .ref = ref,          \
        .arg = &by_erf                                                                             \
    }
static const struct ot_case cases[] = {
    BOTH("one", {1, {1}}),
    BOTH("seven", {1, {7}}),
    BOTH("three axes", {3, {3, 5, 7}}),
    BOTH("fours", {2, {63, 1028}}),
    BOTH("wide", {2, {61, 1031}, .scale = 3}),
    {.name = "far tanh", .in = {{1, {13}, OT_VALUES, .values = far, .constant = true}}, .n_in = 1,
     .build = build, .ref = ref, .arg = &by_tanh, .no_grad = true},
    {.name = "far erf", .in = {{1, {13}, OT_VALUES, .values = far, .constant = true}}, .n_in = 1,
     .build = build, .ref = ref, .arg = &by_erf, .no_grad = true},
    {.name = "view", .in = {{2, {13, 29}}}, .n_in = 1, .build = build_view, .ref = ref,
     .arg = &by_tanh, .view_output = true},
};

static void bad_dtype(struct tuff_graph *g)
{
    tuff_gelu(g, tuff_input(g, "ids", TUFF_U32, 1, (int64_t[]) {3}), TUFF_GELU_TANH);
}

static const struct ot_error errors[] = {{"dtype", bad_dtype, TUFF_E_DTYPE}};

int main(int argc, char **argv)
{
    return ot_main(argc, argv, cases, TUFF_COUNT(cases), errors, TUFF_COUNT(errors));
}
