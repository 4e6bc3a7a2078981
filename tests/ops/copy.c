/* copy: contiguous values, strided views, U32. */
#include "op_test.h"

static struct tuff_tensor *build(struct tuff_graph *g, struct tuff_tensor *const in[],
                                 const void *arg)
{
    (void) arg;
    return tuff_copy(g, in[0]);
}

static void ref(const struct ot_case *c, const double *const in[], double *y, size_t n)
{
    (void) c;
    memcpy(y, in[0], n * sizeof *y);
}

/* [.., A, B, 3 C] to the middle third, A and B exchanged. */
static struct tuff_tensor *build_view(struct tuff_graph *g, struct tuff_tensor *const in[],
                                      const void *arg)
{
    (void) arg;
    const int64_t *dims = tuff_dims(in[0]);
    struct tuff_tensor *x = tuff_slice(g, in[0], 2, dims[2] / 3, dims[2] / 3);
    return tuff_copy(g, tuff_permute(g, x, (int[]) {1, 0, 2}));
}

static void ref_view(const struct ot_case *c, const double *const in[], double *y, size_t n)
{
    const int64_t *dims = c->in[0].dims;
    size_t a = (size_t) dims[0], b = (size_t) dims[1], third = (size_t) dims[2] / 3;
    for (size_t i = 0; i < n; i++) {
        size_t row = i / third, from = row % a * b + row / a;
        y[i] = in[0][from * third * 3 + third + i % third];
    }
}

#define CASE(label, make, reference, ...)                                                          \
    {.name = label, .in = {__VA_ARGS__}, .n_in = 1, .build = make, .ref = reference,               \
     .tolerance = 1e-30}
static const struct ot_case cases[] = {
    CASE("no axis", build, ref, {0, {0}}),
    CASE("one", build, ref, {1, {1}}),
    CASE("odd", build, ref, {3, {3, 5, 7}}),
    CASE("large", build, ref, {2, {1001, 333}}),
    CASE("view", build_view, ref_view, {3, {5, 7, 9}}),
    CASE("view of wide rows", build_view, ref_view, {3, {5, 7, 96}}),
    CASE("view of size 1", build_view, ref_view, {3, {1, 7, 3}}),
    {.name = "u32", .in = {{3, {3, 4, 6}, OT_IDS, .scale = 4294967296.0}}, .n_in = 1,
     .build = build_view, .ref = ref_view, .no_grad = true, .tolerance = 1e-30},
};

static void bad_dtype(struct tuff_graph *g)
{
    tuff_copy(g, tuff_input(g, "x", TUFF_U8, 1, (int64_t[]) {3}));
}

static const struct ot_error errors[] = {{"dtype", bad_dtype, TUFF_E_DTYPE}};

int main(int argc, char **argv)
{
    return ot_main(argc, argv, cases, TUFF_COUNT(cases), errors, TUFF_COUNT(errors));
}
