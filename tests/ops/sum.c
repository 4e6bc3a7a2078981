/* sum: one element, sizes on both sides of the two-level form, a view. */
#include "op_test.h"

static struct tuff_tensor *build(struct tuff_graph *g, struct tuff_tensor *const in[],
                                 const void *arg)
{
    (void) arg;
    return tuff_sum(g, in[0]);
}

static void ref(const struct ot_case *c, const double *const in[], double *y, size_t n)
{
    y[0] = 0;
    for (size_t i = 0, k = ot_count(&c->in[0]); i < k && n; i++)
        y[0] += in[0][i];
}

static struct tuff_tensor *build_view(struct tuff_graph *g, struct tuff_tensor *const in[],
                                      const void *arg)
{
    (void) arg;
    return tuff_sum(g, tuff_permute(g, tuff_slice(g, in[0], 1, 2, 3), (int[]) {2, 0, 1}));
}

static void ref_view(const struct ot_case *c, const double *const in[], double *y, size_t n)
{
    y[0] = 0;
    for (size_t i = 0, k = ot_count(&c->in[0]); i < k && n; i++)
        if (i / 11 % 7 >= 2 && i / 11 % 7 < 5)
            y[0] += in[0][i];
}

#define CASE(label, ...) {.name = label, .in = {__VA_ARGS__}, .n_in = 1, .build = build, .ref = ref}
static const struct ot_case cases[] = {
    CASE("no axis", {0, {0}}),
    CASE("one", {1, {1}}),
    CASE("thirty-two", {1, {32}}),
    CASE("thirty-three", {1, {33}}),
    CASE("three axes", {3, {3, 5, 7}}),
    CASE("prime", {1, {10007}}),
    CASE("large", {2, {1000, 1531}, OT_UNIFORM}),
    {.name = "view", .in = {{3, {5, 7, 11}}}, .n_in = 1, .build = build_view, .ref = ref_view},
};

static void bad_dtype(struct tuff_graph *g)
{
    tuff_sum(g, tuff_input(g, "ids", TUFF_U32, 1, (int64_t[]) {3}));
}

static const struct ot_error errors[] = {{"dtype", bad_dtype, TUFF_E_DTYPE}};

int main(int argc, char **argv)
{
    return ot_main(argc, argv, cases, TUFF_COUNT(cases), errors, TUFF_COUNT(errors));
}
