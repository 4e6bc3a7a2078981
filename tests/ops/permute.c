/* permute: views: orders of two to six axes, the one that changes nothing, size 1. */
#include "op_test.h"

struct arg {
    int order[TUFF_RANK_MAX];
};

static struct tuff_tensor *build(struct tuff_graph *g, struct tuff_tensor *const in[],
                                 const void *arg)
{
    return tuff_permute(g, in[0], ((const struct arg *) arg)->order);
}

static void ref(const struct ot_case *c, const double *const in[], double *y, size_t n)
{
    const struct arg *arg = c->arg;
    const struct ot_input *x = &c->in[0];
    size_t strides[TUFF_RANK_MAX], stride = 1;
    for (int i = x->rank; i-- > 0; stride *= (size_t) x->dims[i])
        strides[i] = stride;
    for (size_t k = 0; k < n; k++) {
        size_t left = k, at = 0;
        for (int i = x->rank; i-- > 0;) {
            size_t dim = (size_t) x->dims[arg->order[i]];
            at += left % dim * strides[arg->order[i]];
            left /= dim;
        }
        y[k] = in[0][at];
    }
}

#define CASE(label, input, ...)                                                                    \
    {.name = label, .in = {input}, .n_in = 1, .build = build, .ref = ref,                          \
     .arg = &(const struct arg) {{__VA_ARGS__}}, .view_output = true}
#define X(...) {__VA_ARGS__}
static const struct ot_case cases[] = {
    CASE("no axis", X(0, {0}), 0),
    CASE("one axis", X(1, {5}), 0),
    CASE("identity", X(3, {3, 5, 7}), 0, 1, 2),
    CASE("transpose", X(2, {37, 129}), 1, 0),
    CASE("transpose of vec4s", X(2, {68, 36}), 1, 0),
    CASE("transposes", X(3, {3, 36, 8}), 0, 2, 1),
    CASE("heads", X(4, {2, 9, 3, 8}), 0, 2, 1, 3),
    CASE("rotate", X(3, {3, 5, 7}), 1, 2, 0),
    CASE("six axes", X(6, {2, 3, 1, 3, 2, 5}), 5, 3, 0, 2, 4, 1),
};

static void twice(struct tuff_graph *g)
{
    tuff_permute(g, tuff_fill(g, 1, 2, (int64_t[]) {3, 4}), (int[]) {1, 1});
}

static void beyond(struct tuff_graph *g)
{
    tuff_permute(g, tuff_fill(g, 1, 2, (int64_t[]) {3, 4}), (int[]) {0, 2});
}

static const struct ot_error errors[] = {
    {"an axis twice", twice, TUFF_E_RANGE},
    {"an axis beyond", beyond, TUFF_E_RANGE},
};

int main(int argc, char **argv)
{
    return ot_main(argc, argv, cases, TUFF_COUNT(cases), errors, TUFF_COUNT(errors));
}
