/* column_sum: one row, one column, sizes on both sides of the two-level form, odd widths, a view,
 * the gradient of a bias. */
#include "op_test.h"

static struct tuff_tensor *build(struct tuff_graph *g, struct tuff_tensor *const in[],
                                 const void *arg)
{
    (void) arg;
    return tuff_column_sum(g, in[0]);
}

static void ref(const struct ot_case *c, const double *const in[], double *y, size_t n)
{
    memset(y, 0, n * sizeof *y);
    for (size_t i = 0, k = ot_count(&c->in[0]); i < k; i++)
        y[i % n] += in[0][i];
}

/* As the gradient of a bias: added to what the arena holds. */
static struct tuff_tensor *build_bias(struct tuff_graph *g, struct tuff_tensor *const in[],
                                      const void *arg)
{
    (void) arg;
    return tuff_add(g, in[0], in[1]);
}

static void ref_bias(const struct ot_case *c, const double *const in[], double *y, size_t n)
{
    size_t width = ot_count(&c->in[1]);
    for (size_t i = 0; i < n; i++)
        y[i] = in[0][i] + in[1][i % width];
}

static struct tuff_tensor *build_view(struct tuff_graph *g, struct tuff_tensor *const in[],
                                      const void *arg)
{
    (void) arg;
    return tuff_column_sum(g, tuff_permute(g, in[0], (int[]) {2, 1, 0}));
}

static void ref_view(const struct ot_case *c, const double *const in[], double *y, size_t n)
{
    size_t k = ot_count(&c->in[0]);
    memset(y, 0, n * sizeof *y);
    for (size_t i = 0; i < k; i++)
        y[i / (k / n)] += in[0][i];
}

#define CASE(label, ...) {.name = label, .in = {__VA_ARGS__}, .n_in = 1, .build = build, .ref = ref}
static const struct ot_case cases[] = {
    CASE("one", {1, {1}}),
    CASE("one axis", {1, {7}}),
    CASE("one column", {2, {1009, 1}}),
    CASE("one row", {2, {1, 129}}),
    CASE("two rows", {3, {2, 1, 384}}),
    CASE("three axes", {3, {3, 5, 7}}),
    CASE("multiple of 4", {3, {4, 67, 36}}),
    CASE("odd", {2, {261, 135}}),
    CASE("tall", {2, {2048, 64}}),
    CASE("wide", {2, {70, 4099}}),
    CASE("layer", {3, {4, 128, 384}}),
    {.name = "bias", .in = {{2, {77, 20}}, {1, {20}}}, .n_in = 2, .build = build_bias,
     .ref = ref_bias},
    {.name = "bias, few rows", .in = {{2, {9, 20}}, {1, {20}}}, .n_in = 2, .build = build_bias,
     .ref = ref_bias},
    {.name = "bias odd", .in = {{2, {41, 19}}, {1, {19}}}, .n_in = 2, .build = build_bias,
     .ref = ref_bias},
    {.name = "view", .in = {{3, {12, 7, 11}}}, .n_in = 1, .build = build_view, .ref = ref_view},
};

static void bad_rank(struct tuff_graph *g)
{
    tuff_column_sum(g, tuff_fill(g, 1, 0, NULL));
}

static void bad_dtype(struct tuff_graph *g)
{
    tuff_column_sum(g, tuff_input(g, "ids", TUFF_U32, 1, (int64_t[]) {3}));
}

static const struct ot_error errors[] = {
    {"rank", bad_rank, TUFF_E_SHAPE},
    {"dtype", bad_dtype, TUFF_E_DTYPE},
};

int main(int argc, char **argv)
{
    return ot_main(argc, argv, cases, TUFF_COUNT(cases), errors, TUFF_COUNT(errors));
}
