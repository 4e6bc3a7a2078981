/* concat: along each axis, unequal parts, one part, views, one value twice, U32. */
#include "op_test.h"

static struct tuff_tensor *build(struct tuff_graph *g, struct tuff_tensor *const in[],
                                 const void *arg)
{
    int n = 0;
    while (n < OT_INPUTS && in[n])
        n++;
    return tuff_concat(g, in, n, *(const int *) arg);
}

static void ref(const struct ot_case *c, const double *const in[], double *y, size_t n)
{
    int axis = *(const int *) c->arg;
    size_t outer = 1, at = 0;
    for (int i = 0; i < axis; i++)
        outer *= (size_t) c->in[0].dims[i];
    for (size_t o = 0; o < outer; o++)
        for (int k = 0; k < c->n_in; k++) {
            size_t block = ot_count(&c->in[k]) / outer;
            for (size_t i = 0; i < block && at < n; i++)
                y[at++] = in[k][o * block + i];
        }
}

/* The same value twice, and a transposed one. */
static struct tuff_tensor *build_views(struct tuff_graph *g, struct tuff_tensor *const in[],
                                       const void *arg)
{
    struct tuff_tensor *x = tuff_scale(g, in[0], 1, 0);
    struct tuff_tensor *t = tuff_permute(g, in[1], (int[]) {1, 0});
    return tuff_concat(g, (struct tuff_tensor *[]) {x, t, x}, 3, *(const int *) arg);
}

static void ref_views(const struct ot_case *c, const double *const in[], double *y, size_t n)
{
    (void) c;
    for (size_t i = 0; i < n; i++) {
        size_t row = i / 8, col = i % 8; /* rows of 3 + 2 + 3 */
        y[i] = col < 3 ? in[0][row * 3 + col]
               : col < 5 ? in[1][(col - 3) * 4 + row]
                         : in[0][row * 3 + col - 5];
    }
}

#define CASE(label, count, axis, ...)                                                              \
    {.name = label, .in = {__VA_ARGS__}, .n_in = count, .build = build, .ref = ref,                \
     .arg = &(const int) {axis}}
static const struct ot_case cases[] = {
    CASE("one", 1, 0, {2, {3, 5}}),
    CASE("rows", 3, 0, {2, {3, 5}}, {2, {1, 5}}, {2, {7, 5}}),
    CASE("columns", 3, 1, {2, {3, 5}}, {2, {3, 1}}, {2, {3, 8}}),
    CASE("middle", 2, 1, {3, {4, 3, 16}}, {3, {4, 2, 16}}),
    CASE("large", 2, 1, {2, {301, 257}}, {2, {301, 511}}),
    {.name = "views", .in = {{2, {4, 3}}, {2, {2, 4}}}, .n_in = 2, .build = build_views,
     .ref = ref_views, .arg = &(const int) {1}},
    {.name = "u32", .in = {{1, {5}, OT_IDS, .scale = 1e9}, {1, {4}, OT_IDS, .scale = 1e9}},
     .n_in = 2, .build = build, .ref = ref, .arg = &(const int) {0}, .no_grad = true,
     .tolerance = 1e-30},
};

static struct tuff_tensor *ones(struct tuff_graph *g, int64_t rows, int64_t cols)
{
    return tuff_fill(g, 1, 2, (int64_t[]) {rows, cols});
}

static void bad_shape(struct tuff_graph *g)
{
    tuff_concat(g, (struct tuff_tensor *[]) {ones(g, 3, 4), ones(g, 3, 5)}, 2, 0);
}

static void bad_axis(struct tuff_graph *g)
{
    tuff_concat(g, (struct tuff_tensor *[]) {ones(g, 3, 4), ones(g, 3, 4)}, 2, 2);
}

static void too_many(struct tuff_graph *g)
{
    struct tuff_tensor *x[13];
    for (int i = 0; i < 13; i++)
        x[i] = ones(g, 1, 1);
    tuff_concat(g, x, 13, 0);
}

static void mixed(struct tuff_graph *g)
{
    struct tuff_tensor *ids = tuff_input(g, "ids", TUFF_U32, 2, (int64_t[]) {3, 4});
    tuff_concat(g, (struct tuff_tensor *[]) {ones(g, 3, 4), ids}, 2, 0);
}

static const struct ot_error errors[] = {
    {"shape", bad_shape, TUFF_E_SHAPE},
    {"axis", bad_axis, TUFF_E_RANGE},
    {"too many", too_many, TUFF_E_RANGE},
    {"mixed dtypes", mixed, TUFF_E_DTYPE},
};

int main(int argc, char **argv)
{
    return ot_main(argc, argv, cases, TUFF_COUNT(cases), errors, TUFF_COUNT(errors));
}
