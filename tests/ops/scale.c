/* scale: y = alpha x + beta, also of a view. */
#include "op_test.h"

static struct tuff_tensor *build(struct tuff_graph *g, struct tuff_tensor *const in[],
                                 const void *arg)
{
    struct tuff_tensor *x = arg ? tuff_permute(g, in[0], (const int[]) {1, 0}) : in[0];
    return tuff_scale(g, x, 0.3f, -1.5f);
}

static void ref(const struct ot_case *c, const double *const in[], double *y, size_t n)
{
    size_t rows = (size_t) c->in[0].dims[0], cols = n / rows;
    for (size_t i = 0; i < n; i++)
        y[i] = (double) 0.3f * in[0][c->arg ? i % rows * cols + i / rows : i] - 1.5;
}

#define CASE(label, view, ...)                                                                     \
    {.name = label, .in = {__VA_ARGS__}, .n_in = 1, .build = build, .ref = ref,                    \
     .arg = view ? "" : NULL}
static const struct ot_case cases[] = {
    CASE("one", 0, {1, {1}}),
    CASE("odd", 0, {3, {3, 5, 7}}),
    CASE("many", 0, {2, {1000, 301}}),
    CASE("transposed", 1, {2, {13, 29}}),
};

static void bad_dtype(struct tuff_graph *g)
{
    tuff_scale(g, tuff_input(g, "ids", TUFF_U32, 1, (int64_t[]) {3}), 1, 0);
}

static const struct ot_error errors[] = {{"dtype", bad_dtype, TUFF_E_DTYPE}};

int main(int argc, char **argv)
{
    return ot_main(argc, argv, cases, TUFF_COUNT(cases), errors, TUFF_COUNT(errors));
}
