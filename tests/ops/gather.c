/* gather: rows of vectors, matrices and numbers; repeated and out-of-range indices. */
#include "op_test.h"

static struct tuff_tensor *build(struct tuff_graph *g, struct tuff_tensor *const in[],
                                 const void *arg)
{
    (void) arg;
    return tuff_gather(g, in[0], in[1]);
}

static struct tuff_tensor *build_views(struct tuff_graph *g, struct tuff_tensor *const in[],
                                       const void *arg)
{
    (void) arg;
    return tuff_gather(g, tuff_slice(g, in[0], 1, 1, 3), tuff_permute(g, in[1], (int[]) {1, 0}));
}

static void ref(const struct ot_case *c, const double *const in[], double *y, size_t n)
{
    size_t rows = (size_t) c->in[0].dims[0], width = ot_count(&c->in[0]) / rows;
    for (size_t i = 0; i < n; i++) {
        double index = in[1][i / width];
        y[i] = index < (double) rows ? in[0][(size_t) index * width + i % width] : 0;
    }
}

static void ref_views(const struct ot_case *c, const double *const in[], double *y, size_t n)
{
    (void) c;
    for (size_t i = 0; i < n; i++) {
        size_t at = i / 3; /* [4, 2] of [2, 4] */
        y[i] = in[0][(size_t) in[1][at % 2 * 4 + at / 2] * 5 + 1 + i % 3];
    }
}

static const double wild[] = {0, 4294967295.0, 3, 2, 4, 3};

#define CASE(label, ...)                                                                           \
    {.name = label, .in = {__VA_ARGS__}, .n_in = 2, .build = build, .ref = ref, .no_grad = true,   \
     .tolerance = 1e-30}
static const struct ot_case cases[] = {
    CASE("one", {1, {1}, .constant = true}, {1, {1}, OT_IDS, 1}),
    CASE("numbers", {1, {11}, .constant = true}, {2, {3, 5}, OT_IDS, 11}),
    CASE("rows", {2, {37, 13}, .constant = true}, {2, {5, 7}, OT_IDS, 37}),
    CASE("wide rows", {2, {101, 384}, .constant = true}, {1, {300}, OT_IDS, 101}),
    CASE("matrices", {3, {5, 3, 7}, .constant = true}, {1, {9}, OT_IDS, 5}),
    CASE("out of range", {2, {4, 6}, .constant = true},
         {1, {6}, OT_VALUES, .values = wild, .dtype = TUFF_U32}),
    CASE("out of range, vectors", {2, {4, 12}, .constant = true},
         {1, {6}, OT_VALUES, .values = wild, .dtype = TUFF_U32}),
    {.name = "views", .in = {{2, {6, 5}, .constant = true}, {2, {2, 4}, OT_IDS, 6}}, .n_in = 2,
     .build = build_views, .ref = ref_views, .no_grad = true, .tolerance = 1e-30},
};

static void bad_index(struct tuff_graph *g)
{
    tuff_gather(g, tuff_fill(g, 1, 1, (int64_t[]) {3}), tuff_fill(g, 1, 1, (int64_t[]) {3}));
}

static void bad_rank(struct tuff_graph *g)
{
    tuff_gather(g, tuff_fill(g, 1, 4, (int64_t[]) {1, 1, 1, 1}),
                tuff_input(g, "i", TUFF_U32, 4, (int64_t[]) {1, 1, 1, 1}));
}

static const struct ot_error errors[] = {
    {"index dtype", bad_index, TUFF_E_DTYPE},
    {"too many axes", bad_rank, TUFF_E_SHAPE},
};

int main(int argc, char **argv)
{
    return ot_main(argc, argv, cases, TUFF_COUNT(cases), errors, TUFF_COUNT(errors));
}
