/* Cases that losses of pairs of elements share: PyTorch's three reductions, gradients of both. */
#ifndef TUFF_TEST_PAIR_LOSS_H
#define TUFF_TEST_PAIR_LOSS_H

#include "op_test.h"

/* The test's own. */
static struct tuff_tensor *loss_op(struct tuff_graph *g, struct tuff_tensor *x,
                                   struct tuff_tensor *target, enum tuff_reduction reduction);
static double loss_of(double x, double t);

static struct tuff_tensor *build(struct tuff_graph *g, struct tuff_tensor *const in[],
                                 const void *arg)
{
    return loss_op(g, in[0], in[1], *(const enum tuff_reduction *) arg);
}

/* Read by columns, and turned back. */
static struct tuff_tensor *build_view(struct tuff_graph *g, struct tuff_tensor *const in[],
                                      const void *arg)
{
    struct tuff_tensor *y =
        loss_op(g, tuff_permute(g, in[0], (int[]) {1, 0}), tuff_permute(g, in[1], (int[]) {1, 0}),
                *(const enum tuff_reduction *) arg);
    return tuff_permute(g, y, (int[]) {1, 0});
}

static void ref(const struct ot_case *c, const double *const in[], double *y, size_t n_y)
{
    enum tuff_reduction reduction = *(const enum tuff_reduction *) c->arg;
    size_t n = ot_count(&c->in[0]);
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double loss = loss_of(in[0][i], in[1][i]);
        sum += loss;
        if (reduction == TUFF_REDUCTION_NONE)
            y[i] = loss;
    }
    if (reduction != TUFF_REDUCTION_NONE)
        y[0] = reduction == TUFF_REDUCTION_MEAN ? sum / (double) n : sum;
    (void) n_y;
}

#define LOSS_CASE(label, by, how, ...)                                                             \
    {.name = label, .in = {__VA_ARGS__}, .n_in = 2, .build = by, .ref = ref,                       \
     .arg = &(const enum tuff_reduction) {TUFF_REDUCTION_##how}}
#define T(...) {.rank = __VA_ARGS__, .fill = OT_UNIFORM, .scale = 1}
#define LOSS_CASES                                                                                 \
    LOSS_CASE("one", build, NONE, {1, {1}}, T(1, {1})),                                            \
    LOSS_CASE("seven, mean", build, MEAN, {1, {7}}, T(1, {7})),                                    \
    LOSS_CASE("three axes, sum", build, SUM, {3, {3, 5, 7}}, T(3, {3, 5, 7})),                     \
    LOSS_CASE("fours", build, NONE, {2, {63, 1028}}, T(2, {63, 1028})),                            \
    LOSS_CASE("odd", build, NONE, {2, {61, 1031}, .scale = 3}, T(2, {61, 1031})),                  \
    LOSS_CASE("many, mean", build, MEAN, {2, {130, 1028}}, T(2, {130, 1028})),                     \
    {.name = "view", .in = {{2, {13, 28}}, T(2, {13, 28})}, .n_in = 2, .build = build_view,        \
     .ref = ref, .arg = &(const enum tuff_reduction) {TUFF_REDUCTION_NONE}, .view_output = true}

static inline void bad_shape(struct tuff_graph *g)
{
    loss_op(g, tuff_fill(g, 1, 1, (int64_t[]) {3}), tuff_fill(g, 1, 2, (int64_t[]) {3, 1}),
            TUFF_REDUCTION_MEAN);
}

static inline void bad_dtype(struct tuff_graph *g)
{
    loss_op(g, tuff_fill(g, 1, 1, (int64_t[]) {3}),
            tuff_input(g, "ids", TUFF_U32, 1, (int64_t[]) {3}), TUFF_REDUCTION_MEAN);
}

static const struct ot_error errors[] = {{"shape", bad_shape, TUFF_E_SHAPE},
                                         {"dtype", bad_dtype, TUFF_E_DTYPE}};

#endif
