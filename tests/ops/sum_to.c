/* sum_to: every broadcasting pattern of three axes, longer ones, views, the gradient. */
#include "op_test.h"

struct arg {
    int rank;
    int64_t dims[TUFF_RANK_MAX];
};

static struct tuff_tensor *build(struct tuff_graph *g, struct tuff_tensor *const in[],
                                 const void *arg)
{
    const struct arg *a = arg;
    return tuff_sum_to(g, in[0], a->rank, a->dims);
}

static void ref(const struct ot_case *c, const double *const in[], double *y, size_t n)
{
    const struct arg *a = c->arg;
    const struct ot_input *x = &c->in[0];
    memset(y, 0, n * sizeof *y);
    for (size_t i = 0, count = ot_count(x); i < count; i++) {
        size_t left = i, at = 0, stride = 1;
        for (int k = 1; k <= x->rank; k++) {
            size_t dim = (size_t) x->dims[x->rank - k], index = left % dim;
            left /= dim;
            if (k <= a->rank && a->dims[a->rank - k] != 1)
                at += index * stride;
            if (k <= a->rank)
                stride *= (size_t) a->dims[a->rank - k];
        }
        y[at] += in[0][i];
    }
}

static struct tuff_tensor *build_view(struct tuff_graph *g, struct tuff_tensor *const in[],
                                      const void *arg)
{
    struct tuff_tensor *x = tuff_permute(g, in[0], (int[]) {2, 0, 1});
    return build(g, &x, arg);
}

/* [5, 4, 3] read as [3, 5, 4], to [3, 1, 4]. */
static void ref_view(const struct ot_case *c, const double *const in[], double *y, size_t n)
{
    (void) c;
    memset(y, 0, n * sizeof *y);
    for (size_t i = 0; i < 60; i++)
        y[i % 3 * 4 + i / 3 % 4] += in[0][i];
}

#define TO(...) (&(const struct arg) {__VA_ARGS__})
#define CASE(label, to, ...)                                                                       \
    {.name = label, .in = {__VA_ARGS__}, .n_in = 1, .build = build, .ref = ref, .arg = to}
static const struct ot_case cases[] = {
    CASE("itself", TO(2, {3, 5}), {2, {3, 5}}),
    CASE("to a number", TO(0, {0}), {3, {3, 5, 7}}),
    CASE("to 1 1 1", TO(3, {1, 1, 1}), {3, {3, 5, 7}}),
    CASE("to 1 1 7", TO(3, {1, 1, 7}), {3, {3, 5, 7}}),
    CASE("to 7", TO(1, {7}), {3, {3, 5, 7}}),
    CASE("to 1 5 1", TO(3, {1, 5, 1}), {3, {3, 5, 7}}),
    CASE("to 5 1", TO(2, {5, 1}), {3, {3, 5, 7}}),
    CASE("to 5 7", TO(2, {5, 7}), {3, {3, 5, 7}}),
    CASE("to 3 1 1", TO(3, {3, 1, 1}), {3, {3, 5, 7}}),
    CASE("to 3 1 7", TO(3, {3, 1, 7}), {3, {3, 5, 7}}),
    CASE("to 3 5 1", TO(3, {3, 5, 1}), {3, {3, 5, 7}}),
    CASE("ones", TO(3, {1, 5, 1}), {4, {1, 1, 5, 1}}),
    CASE("six axes", TO(6, {2, 1, 4, 1, 2, 1}), {6, {2, 3, 4, 3, 2, 3}}),
    CASE("six axes, others", TO(6, {1, 3, 1, 3, 1, 5}), {6, {2, 3, 4, 3, 2, 5}}),
    CASE("positions", TO(2, {65, 48}), {3, {7, 65, 48}}),
    CASE("rows", TO(2, {301, 1}), {2, {301, 1031}}),
    CASE("outside and inside", TO(2, {37, 1}), {3, {41, 37, 53}}),
    CASE("few of many", TO(3, {1, 3, 1}), {3, {211, 3, 199}, OT_UNIFORM}),
    {.name = "view", .in = {{3, {5, 4, 3}}}, .n_in = 1, .build = build_view, .ref = ref_view,
     .arg = TO(3, {3, 1, 4})},
};

static void bad_dim(struct tuff_graph *g)
{
    tuff_sum_to(g, tuff_fill(g, 1, 2, (int64_t[]) {3, 4}), 1, (int64_t[]) {3});
}

static void bad_rank(struct tuff_graph *g)
{
    tuff_sum_to(g, tuff_fill(g, 1, 2, (int64_t[]) {3, 4}), 3, (int64_t[]) {1, 3, 4});
}

static const struct ot_error errors[] = {
    {"size", bad_dim, TUFF_E_SHAPE},
    {"rank", bad_rank, TUFF_E_SHAPE},
};

int main(int argc, char **argv)
{
    return ot_main(argc, argv, cases, TUFF_COUNT(cases), errors, TUFF_COUNT(errors));
}
