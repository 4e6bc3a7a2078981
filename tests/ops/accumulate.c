/* accumulate: a variable's value and an addend, one that is a view too. */
#include "op_test.h"

static struct tuff_tensor *build(struct tuff_graph *g, struct tuff_tensor *const in[],
                                 const void *arg)
{
    struct tuff_tensor *x = arg ? tuff_permute(g, in[1], (const int[]) {1, 0}) : in[1];
    return tuff_accumulate(g, in[0], x);
}

static void ref(const struct ot_case *c, const double *const in[], double *y, size_t n)
{
    size_t rows = (size_t) c->in[1].dims[0], cols = n / rows;
    for (size_t i = 0; i < n; i++)
        y[i] = in[0][i] + in[1][c->arg ? i % rows * cols + i / rows : i];
}

#define SHAPE(r, ...) {.rank = r, .dims = {__VA_ARGS__}}
#define VARIABLE(r, ...) {.rank = r, .dims = {__VA_ARGS__}, .f32 = true}
static const struct ot_case cases[] = {
    {.name = "odd", .in = {VARIABLE(2, 7, 13), SHAPE(2, 7, 13)}, .n_in = 2, .build = build, .ref = ref,
     .no_grad = true},
    {.name = "large", .in = {VARIABLE(1, 100003), SHAPE(1, 100003)}, .n_in = 2, .build = build,
     .ref = ref, .no_grad = true},
    {.name = "transposed", .in = {VARIABLE(2, 9, 5), SHAPE(2, 5, 9)}, .n_in = 2, .build = build,
     .ref = ref, .no_grad = true, .arg = ""},
};

static void not_a_variable(struct tuff_graph *g)
{
    struct tuff_tensor *x = tuff_fill(g, 1, 1, (int64_t[]) {3});
    tuff_accumulate(g, x, x);
}

static const struct ot_error errors[] = {{"not a variable", not_a_variable, TUFF_E_SHAPE}};

int main(int argc, char **argv)
{
    return ot_main(argc, argv, cases, TUFF_COUNT(cases), errors, TUFF_COUNT(errors));
}
