/* silu: sizes around the width of a load, a view, values where it saturates; in matmul. */
#include "op_test.h"

static struct tuff_tensor *build(struct tuff_graph *g, struct tuff_tensor *const in[],
                                 const void *arg)
{
    (void) arg;
    return tuff_silu(g, in[0]);
}

static struct tuff_tensor *build_view(struct tuff_graph *g, struct tuff_tensor *const in[],
                                      const void *arg)
{
    (void) arg;
    struct tuff_tensor *x = tuff_permute(g, in[0], (int[]) {1, 0});
    return tuff_permute(g, tuff_silu(g, x), (int[]) {1, 0});
}

static double silu(double x)
{
    return x / (1 + exp(-x));
}

static void ref(const struct ot_case *c, const double *const in[], double *y, size_t n)
{
    (void) c;
    for (size_t i = 0; i < n; i++)
        y[i] = silu(in[0][i]);
}

static struct tuff_tensor *build_matmul(struct tuff_graph *g, struct tuff_tensor *const in[],
                                        const void *arg)
{
    (void) arg;
    return tuff_matmul(g, in[0], in[1], .activation = TUFF_ACT_SILU);
}

static void ref_matmul(const struct ot_case *c, const double *const in[], double *y, size_t n)
{
    size_t k = (size_t) c->in[0].dims[1], cols = (size_t) c->in[1].dims[1];
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        for (size_t l = 0; l < k; l++)
            sum += in[0][i / cols * k + l] * in[1][l * cols + i % cols];
        y[i] = silu(sum);
    }
}

static const double far[] = {-INFINITY, -1e30, -90, -40, -12, -1e-3, -1e-30, 0, 1e-30,
                             1e-3,      6,     40,  90,  1e30, INFINITY};
/* silu(-inf) is the limit, not inf / inf. */
static void ref_far(const struct ot_case *c, const double *const in[], double *y, size_t n)
{
    (void) c;
    for (size_t i = 0; i < n; i++)
        y[i] = in[0][i] < -1e3 ? 0 : silu(in[0][i]);
}

#define CASE(label, ...) {.name = label, .in = {__VA_ARGS__}, .n_in = 1, .build = build, .ref = ref}
static const struct ot_case cases[] = {
    CASE("one", {1, {1}}),
    CASE("seven", {1, {7}}),
    CASE("three axes", {3, {3, 5, 7}}),
    CASE("fours", {2, {63, 1028}}),
    CASE("wide", {2, {61, 1031}, .scale = 3}),
    {.name = "far", .in = {{1, {15}, OT_VALUES, .values = far, .constant = true}}, .n_in = 1,
     .build = build, .ref = ref_far, .no_grad = true},
    {.name = "view", .in = {{2, {13, 29}}}, .n_in = 1, .build = build_view, .ref = ref,
     .view_output = true},
    {.name = "matmul", .in = {{2, {40, 24}}, {2, {24, 36}}}, .n_in = 2, .build = build_matmul,
     .ref = ref_matmul},
};

static void bad_dtype(struct tuff_graph *g)
{
    tuff_silu(g, tuff_input(g, "ids", TUFF_U32, 1, (int64_t[]) {3}));
}

static const struct ot_error errors[] = {{"dtype", bad_dtype, TUFF_E_DTYPE}};

int main(int argc, char **argv)
{
    return ot_main(argc, argv, cases, TUFF_COUNT(cases), errors, TUFF_COUNT(errors));
}
