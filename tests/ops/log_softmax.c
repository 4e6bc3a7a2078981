/* log_softmax: all kernel forms, odd widths, logits far apart and large together, views. */
#include "op_test.h"

static struct tuff_tensor *build(struct tuff_graph *g, struct tuff_tensor *const in[],
                                 const void *arg)
{
    return tuff_log_softmax(g, arg ? tuff_permute(g, in[0], (const int[]) {1, 0}) : in[0]);
}

static void ref(const struct ot_case *c, const double *const in[], double *y, size_t n_y)
{
    const int64_t *dims = c->in[0].dims;
    size_t columns = (size_t) (c->arg ? dims[0] : dims[c->in[0].rank - 1]);
    size_t rows = n_y / columns, row_step = c->arg ? 1 : columns, step = c->arg ? rows : 1;
    for (size_t r = 0; r < rows; r++) {
        const double *x = in[0] + r * row_step;
        double top = x[0], sum = 0;
        for (size_t i = 0; i < columns; i++)
            top = TUFF_MAX(top, x[i * step]);
        for (size_t i = 0; i < columns; i++)
            sum += exp(x[i * step] - top);
        for (size_t i = 0; i < columns; i++)
            y[r * columns + i] = x[i * step] - top - log(sum);
    }
}

static const double large[] = {1e4, -1e4, 0, 9999, -1e4, -1e4, -1e4, -9999, 1e4, 1e4, 1e4, 1e4};

#define CASE(label, ...) {.name = label, .in = {__VA_ARGS__}, .n_in = 1, .build = build, .ref = ref}
static const struct ot_case cases[] = {
    CASE("one", {1, {1}}),
    CASE("one column", {2, {9, 1}}),
    CASE("odd", {2, {7, 13}}),
    CASE("short rows", {3, {3, 67, 32}}),
    CASE("group odd", {2, {11, 257}}),
    CASE("rows odd", {2, {131, 77}}),
    CASE("unrolled", {2, {19, 1024}}),
    CASE("spread", {2, {19, 100}, .scale = 30}),
    CASE("many rows", {2, {65551, 4}}),
    CASE("large", {2, {3, 4}, OT_VALUES, .values = large}),
    {.name = "view", .in = {{2, {36, 10}}}, .n_in = 1, .build = build, .ref = ref, .arg = ""},
};

static void bad_dtype(struct tuff_graph *g)
{
    tuff_log_softmax(g, tuff_input(g, "ids", TUFF_U32, 2, (int64_t[]) {3, 4}));
}

static const struct ot_error errors[] = {{"dtype", bad_dtype, TUFF_E_DTYPE}};

int main(int argc, char **argv)
{
    return ot_main(argc, argv, cases, TUFF_COUNT(cases), errors, TUFF_COUNT(errors));
}
