/* scatter: rows by index into a variable, or two at once; rows left out; strided rows. */
#include "op_test.h"
#include "ops/scatter.h"

static struct tuff_tensor *build(struct tuff_graph *g, struct tuff_tensor *const in[],
                                 const void *arg)
{
    struct tuff_tensor *x = arg ? tuff_slice(g, in[2], 1, 3, tuff_dims(in[0])[1]) : in[2];
    return tuff_scatter(g, in[0], in[1], x);
}

static void ref(const struct ot_case *c, const double *const in[], double *y, size_t n)
{
    size_t width = (size_t) c->in[0].dims[1], height = (size_t) c->in[0].dims[0];
    size_t pitch = (size_t) c->in[2].dims[1];
    memcpy(y, in[0], n * sizeof *y);
    for (size_t i = 0; i < (size_t) c->in[1].dims[0]; i++)
        for (size_t k = 0; k < width && in[1][i] < (double) height; k++)
            y[(size_t) in[1][i] * width + k] = in[2][i * pitch + k + (c->arg ? 3 : 0)];
}

/* The sum of the first table and twice the second. */
static struct tuff_tensor *build_two(struct tuff_graph *g, struct tuff_tensor *const in[],
                                     const void *arg)
{
    struct tuff_tensor *tables[] = {in[0], in[3]}, *rows[] = {in[2], in[4]}, *y[2];
    if (arg) /* strided alike, but for where they begin */
        for (int i = 0; i < 2; i++)
            rows[i] = tuff_slice(g, rows[i], 1, 4 * i, tuff_dims(in[0])[1]);
    tuff_scatter_two(g, tables, in[1], rows, y);
    return tuff_add(g, y[0], tuff_scale(g, y[1], 2, 0));
}

static void ref_two(const struct ot_case *c, const double *const in[], double *y, size_t n)
{
    size_t width = (size_t) c->in[0].dims[1], height = (size_t) c->in[0].dims[0];
    for (size_t i = 0; i < n; i++)
        y[i] = in[0][i] + 2 * in[3][i];
    for (size_t i = 0; i < (size_t) c->in[1].dims[0]; i++)
        for (size_t k = 0; k < width && in[1][i] < (double) height; k++)
            y[(size_t) in[1][i] * width + k] =
                in[2][i * (size_t) c->in[2].dims[1] + k] +
                2 * in[4][i * (size_t) c->in[4].dims[1] + k + (c->arg ? 4 : 0)];
}

static const double rows[] = {4, 0, 4294967295.0, 9, 10, 2};
#define INDEX {.rank = 1, .dims = {6}, .fill = OT_VALUES, .dtype = TUFF_U32, .values = rows}
#define CASE(label, view, ...)                                                                     \
    {.name = label, .in = {__VA_ARGS__}, .n_in = 3, .build = build, .ref = ref, .no_grad = true,   \
     .arg = view ? "" : NULL}
#define TWO(label, view, ...)                                                                      \
    {.name = label, .in = {__VA_ARGS__}, .n_in = 5, .build = build_two, .ref = ref_two,            \
     .no_grad = true, .arg = view ? "" : NULL}
#define TABLE(w) {2, {10, w}, .f32 = true}
static const struct ot_case cases[] = {
    CASE("narrow", 0, {2, {10, 1}, .f32 = true}, INDEX, {2, {6, 1}}),
    CASE("vectors", 0, {2, {10, 24}, .f32 = true}, INDEX, {2, {6, 24}}),
    CASE("odd", 0, {2, {10, 37}, .f32 = true}, INDEX, {2, {6, 37}}),
    CASE("strided rows", 1, {2, {10, 8}, .f32 = true}, INDEX, {2, {6, 20}}),
    TWO("two tables", 0, TABLE(24), INDEX, {2, {6, 24}}, TABLE(24), {2, {6, 24}}),
    TWO("two odd tables", 0, TABLE(37), INDEX, {2, {6, 37}}, TABLE(37), {2, {6, 37}}),
    TWO("two, strided rows", 1, TABLE(8), INDEX, {2, {6, 20}}, TABLE(8), {2, {6, 32}}),
    TWO("two, one not by vectors", 1, TABLE(8), INDEX, {2, {6, 16}}, TABLE(8), {2, {6, 14}}),
};

static void bad_width(struct tuff_graph *g)
{
    tuff_scatter(g, tuff_fill(g, 1, 2, (int64_t[]) {3, 4}),
                 tuff_input(g, "i", TUFF_U32, 1, (int64_t[]) {2}),
                 tuff_fill(g, 1, 2, (int64_t[]) {2, 5}));
}

static const struct ot_error errors[] = {{"width", bad_width, TUFF_E_SHAPE}};

int main(int argc, char **argv)
{
    return ot_main(argc, argv, cases, TUFF_COUNT(cases), errors, TUFF_COUNT(errors));
}
