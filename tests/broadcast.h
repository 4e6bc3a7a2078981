/* Cases for ops of two operands that broadcast. The including file defines OP(a, b) and
 * BUILD(g, a, b). */
#include "op_test.h"

static struct tuff_tensor *build(struct tuff_graph *g, struct tuff_tensor *const in[],
                                 const void *arg)
{
    (void) arg;
    return BUILD(g, in[0], in[1]);
}

/* Element of an input broadcast to the result's index (both given by dims aligned at the end). */
static double at(const struct ot_input *x, const double *v, const int64_t *dims, int rank, size_t i)
{
    size_t index = 0, stride = 1;
    for (int k = 0; k < rank; k++) {
        size_t here = i % (size_t) dims[rank - 1 - k];
        i /= (size_t) dims[rank - 1 - k];
        if (k < x->rank && x->dims[x->rank - 1 - k] != 1)
            index += here * stride;
        if (k < x->rank)
            stride *= (size_t) x->dims[x->rank - 1 - k];
    }
    return v[index];
}

static void ref(const struct ot_case *c, const double *const in[], double *y, size_t n)
{
    int rank = TUFF_MAX(c->in[0].rank, c->in[1].rank);
    int64_t dims[TUFF_RANK_MAX];
    for (int k = 0; k < rank; k++) {
        int64_t a = k < c->in[0].rank ? c->in[0].dims[c->in[0].rank - 1 - k] : 1;
        int64_t b = k < c->in[1].rank ? c->in[1].dims[c->in[1].rank - 1 - k] : 1;
        dims[rank - 1 - k] = TUFF_MAX(a, b);
    }
    for (size_t i = 0; i < n; i++)
        y[i] = OP(at(&c->in[0], in[0], dims, rank, i), at(&c->in[1], in[1], dims, rank, i));
}

#define CASE(label, ...) {.name = label, .in = {__VA_ARGS__}, .n_in = 2, .build = build, .ref = ref}
static const struct ot_case cases[] = {
    CASE("one", {1, {1}}, {1, {1}}),
    CASE("equal", {3, {3, 5, 7}}, {3, {3, 5, 7}}),
    CASE("row", {2, {37, 129}}, {1, {129}}),
    CASE("stretch both", {3, {4, 1, 9}}, {3, {4, 6, 1}}),
    CASE("left is smaller", {1, {13}}, {2, {11, 13}}),
    CASE("large", {2, {1000, 333}}, {2, {1000, 333}}),
    CASE("fours", {2, {63, 1028}}, {2, {63, 1028}}),
    CASE("row of fours", {2, {37, 132}}, {1, {132}}),
    CASE("fours, stretch both", {4, {3, 1, 5, 8}}, {4, {1, 7, 5, 8}}),
    CASE("column against fours", {2, {11, 1}}, {2, {11, 16}}),
    CASE("six axes", {6, {2, 3, 2, 3, 2, 3}}, {6, {2, 1, 2, 1, 2, 1}}),
};

static void bad_shape(struct tuff_graph *g)
{
    BUILD(g, tuff_fill(g, 1, 2, (int64_t[]) {3, 4}), tuff_fill(g, 1, 1, (int64_t[]) {3}));
}

static void bad_dtype(struct tuff_graph *g)
{
    BUILD(g, tuff_input(g, "ids", TUFF_U32, 1, (int64_t[]) {3}),
             tuff_fill(g, 1, 1, (int64_t[]) {3}));
}

static const struct ot_error errors[] = {
    {"shape", bad_shape, TUFF_E_SHAPE},
    {"dtype", bad_dtype, TUFF_E_DTYPE},
};

