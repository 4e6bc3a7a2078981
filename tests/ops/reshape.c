/* reshape: the same elements in order, gradients too, rows that stand apart included. */
#include "op_test.h"

struct arg {
    int rank;
    int64_t dims[TUFF_RANK_MAX];
    bool padded; /* of rows that stand apart: the first columns of a wider tensor */
};

static struct tuff_tensor *build(struct tuff_graph *g, struct tuff_tensor *const in[],
                                 const void *arg)
{
    const struct arg *a = arg;
    struct tuff_tensor *x = a->padded ? tuff_slice(g, in[0], 1, 0, 5) : in[0];
    return tuff_reshape(g, x, a->rank, a->dims);
}

static void ref(const struct ot_case *c, const double *const in[], double *y, size_t n)
{
    const struct arg *a = c->arg;
    for (size_t i = 0; i < n; i++)
        y[i] = in[0][a->padded ? i / 5 * (size_t) c->in[0].dims[1] + i % 5 : i];
}

#define ARG(...) (&(const struct arg) {__VA_ARGS__})
#define CASE(label, argument, ...)                                                                 \
    {.name = label, .in = {__VA_ARGS__}, .n_in = 1, .build = build, .ref = ref, .arg = argument,   \
     .view_output = true}
static const struct ot_case cases[] = {
    CASE("flat", ARG(1, {105}, false), {3, {3, 5, 7}}),
    CASE("more axes", ARG(4, {2, 3, 2, 5}, false), {2, {6, 10}}),
    CASE("padded rows", ARG(3, {2, 6, 5}, true), {2, {12, 8}}),
};

static void bad_count(struct tuff_graph *g)
{
    tuff_reshape(g, tuff_fill(g, 1, 1, (int64_t[]) {6}), 2, (int64_t[]) {4, 2});
}

static void bad_view(struct tuff_graph *g)
{
    struct tuff_tensor *x = tuff_fill(g, 1, 2, (int64_t[]) {6, 8});
    tuff_reshape(g, tuff_slice(g, x, 1, 0, 4), 1, (int64_t[]) {24});
}

static const struct ot_error errors[] = {
    {"count", bad_count, TUFF_E_SHAPE},
    {"rows that stand apart, joined", bad_view, TUFF_E_SHAPE},
};

int main(int argc, char **argv)
{
    return ot_main(argc, argv, cases, TUFF_COUNT(cases), errors, TUFF_COUNT(errors));
}
