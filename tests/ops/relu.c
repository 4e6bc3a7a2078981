/* relu: sizes around the width of a load, zero of both signs, infinities. Few elements: differences
 * of the reference are wrong where an element is as near to 0 as their step. */
#include "op_test.h"

static struct tuff_tensor *build(struct tuff_graph *g, struct tuff_tensor *const in[],
                                 const void *arg)
{
    (void) arg;
    return tuff_relu(g, in[0]);
}

static void ref(const struct ot_case *c, const double *const in[], double *y, size_t n)
{
    (void) c;
    for (size_t i = 0; i < n; i++)
        y[i] = in[0][i] > 0 ? in[0][i] : 0;
}

/* The gradient at 0 is 0: differences of the reference cannot say so. */
static struct tuff_tensor *build_at_zero(struct tuff_graph *g, struct tuff_tensor *const in[],
                                         const void *arg)
{
    (void) arg;
    struct tuff_tensor *zero = tuff_scale(g, in[0], 0, 0);
    return tuff_add(g, tuff_relu(g, zero), in[0]);
}

static void ref_at_zero(const struct ot_case *c, const double *const in[], double *y, size_t n)
{
    (void) c;
    memcpy(y, in[0], n * sizeof *y);
}

static const double special[] = {-INFINITY, -1e-38, -0.0, 0, 1e-30, 3e38, INFINITY};

#define CASE(label, ...) {.name = label, .in = {__VA_ARGS__}, .n_in = 1, .build = build, .ref = ref}
static const struct ot_case cases[] = {
    CASE("one", {1, {1}}),
    CASE("seven", {1, {7}}),
    CASE("three axes", {3, {3, 5, 7}}),
    CASE("fours", {2, {15, 132}}),
    CASE("wide", {2, {61, 1031}}),
    {.name = "special", .in = {{1, {7}, OT_VALUES, .values = special, .constant = true}}, .n_in = 1,
     .build = build, .ref = ref, .no_grad = true},
    {.name = "at zero", .in = {{1, {9}}}, .n_in = 1, .build = build_at_zero, .ref = ref_at_zero},
};

static void bad_dtype(struct tuff_graph *g)
{
    tuff_relu(g, tuff_input(g, "ids", TUFF_U32, 1, (int64_t[]) {3}));
}

static const struct ot_error errors[] = {{"dtype", bad_dtype, TUFF_E_DTYPE}};

int main(int argc, char **argv)
{
    return ot_main(argc, argv, cases, TUFF_COUNT(cases), errors, TUFF_COUNT(errors));
}
