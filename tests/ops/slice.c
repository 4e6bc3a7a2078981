/* slice: views; gradients into a variable's arena, into a fresh value, and added to what other
 * slices of the same value gave. */
#include "op_test.h"

struct arg {
    int axis;
    int64_t start, length;
};

static struct tuff_tensor *build(struct tuff_graph *g, struct tuff_tensor *const in[],
                                 const void *arg)
{
    const struct arg *a = arg;
    return tuff_slice(g, in[0], a->axis, a->start, a->length);
}

/* Of a computed value: its gradient is made of zeros. */
static struct tuff_tensor *build_computed(struct tuff_graph *g, struct tuff_tensor *const in[],
                                          const void *arg)
{
    struct tuff_tensor *x = tuff_scale(g, in[0], 1, 0);
    return build(g, &x, arg);
}

static void ref(const struct ot_case *c, const double *const in[], double *y, size_t n)
{
    const struct arg *a = c->arg;
    size_t inner = 1, dim = (size_t) c->in[0].dims[a->axis], length = (size_t) a->length;
    for (int i = a->axis + 1; i < c->in[0].rank; i++)
        inner *= (size_t) c->in[0].dims[i];
    for (size_t k = 0; k < n; k++) {
        size_t at = k / inner % length + (size_t) a->start;
        y[k] = in[0][(k / inner / length * dim + at) * inner + k % inner];
    }
}

/* Three slices of one value, as attention takes them, one of them twice and overlapping. */
static struct tuff_tensor *build_packed(struct tuff_graph *g, struct tuff_tensor *const in[],
                                        const void *arg)
{
    (void) arg;
    struct tuff_tensor *x = tuff_scale(g, in[0], 2, 0);
    struct tuff_tensor *q = tuff_slice(g, x, 2, 0, 4), *k = tuff_slice(g, x, 2, 4, 4);
    struct tuff_tensor *v = tuff_slice(g, x, 2, 8, 4), *w = tuff_slice(g, x, 2, 3, 4);
    return tuff_add(g, tuff_mul(g, q, k), tuff_mul(g, v, w));
}

static void ref_packed(const struct ot_case *c, const double *const in[], double *y, size_t n)
{
    (void) c;
    for (size_t i = 0; i < n; i++) {
        const double *x = in[0] + i / 4 * 12 + i % 4;
        y[i] = 4 * (x[0] * x[4] + x[8] * x[3]);
    }
}

/* The value is also read whole, before and after: what comes first may not be changed in place. */
static struct tuff_tensor *build_also_whole(struct tuff_graph *g, struct tuff_tensor *const in[],
                                            const void *arg)
{
    (void) arg;
    struct tuff_tensor *x = tuff_scale(g, in[0], 1, 0);
    struct tuff_tensor *part = tuff_slice(g, tuff_slice(g, x, 0, 1, 3), 1, 2, 1);
    return tuff_add(g, tuff_mul(g, x, x), tuff_slice(g, part, 0, 1, 1));
}

static void ref_also_whole(const struct ot_case *c, const double *const in[], double *y, size_t n)
{
    (void) c;
    for (size_t i = 0; i < n; i++)
        y[i] = in[0][i] * in[0][i] + in[0][2 * 5 + 2];
}

static struct tuff_tensor *build_permuted(struct tuff_graph *g, struct tuff_tensor *const in[],
                                          const void *arg)
{
    (void) arg;
    return tuff_slice(g, tuff_permute(g, in[0], (int[]) {1, 0}), 0, 1, 2);
}

static void ref_permuted(const struct ot_case *c, const double *const in[], double *y, size_t n)
{
    (void) c;
    for (size_t i = 0; i < n; i++)
        y[i] = in[0][i % 6 * 4 + i / 6 + 1];
}

#define CASE(label, make, axis_, start_, length_, ...)                                             \
    {.name = label, .in = {__VA_ARGS__}, .n_in = 1, .build = make, .ref = ref,                     \
     .arg = &(const struct arg) {axis_, start_, length_}, .view_output = true}
static const struct ot_case cases[] = {
    CASE("all of one", build, 0, 0, 1, {1, {1}}),
    CASE("all", build_computed, 1, 0, 5, {2, {3, 5}}),
    CASE("rows of a variable", build, 0, 2, 7, {2, {11, 13}}),
    CASE("columns of a variable", build, 1, 3, 9, {2, {11, 13}}),
    CASE("columns", build_computed, 2, 16, 16, {3, {3, 7, 48}}),
    CASE("middle", build_computed, 1, 2, 3, {3, {4, 7, 5}}),
    CASE("one row", build_computed, 0, 100, 1, {2, {257, 129}}),
    {.name = "packed", .in = {{3, {2, 5, 12}}}, .n_in = 1, .build = build_packed,
     .ref = ref_packed},
    {.name = "also whole", .in = {{2, {4, 5}}}, .n_in = 1, .build = build_also_whole,
     .ref = ref_also_whole},
    {.name = "permuted", .in = {{2, {6, 4}}}, .n_in = 1, .build = build_permuted,
     .ref = ref_permuted, .view_output = true},
};

static void slice_of_3_by_4(struct tuff_graph *g, int axis, int64_t start, int64_t length)
{
    tuff_slice(g, tuff_fill(g, 1, 2, (int64_t[]) {3, 4}), axis, start, length);
}

static void bad_axis(struct tuff_graph *g)
{
    slice_of_3_by_4(g, 2, 0, 1);
}

static void bad_start(struct tuff_graph *g)
{
    slice_of_3_by_4(g, 1, -1, 2);
}

static void bad_length(struct tuff_graph *g)
{
    slice_of_3_by_4(g, 1, 2, 3);
}

static void huge_start(struct tuff_graph *g)
{
    slice_of_3_by_4(g, 1, INT64_MAX, 1);
}

static void empty(struct tuff_graph *g)
{
    slice_of_3_by_4(g, 1, 2, 0);
}

static const struct ot_error errors[] = {
    {"axis", bad_axis, TUFF_E_RANGE},         {"start", bad_start, TUFF_E_RANGE},
    {"length", bad_length, TUFF_E_RANGE},     {"huge start", huge_start, TUFF_E_RANGE},
    {"no elements", empty, TUFF_E_RANGE},
};

int main(int argc, char **argv)
{
    return ot_main(argc, argv, cases, TUFF_COUNT(cases), errors, TUFF_COUNT(errors));
}
