/* Cases that activations share: alone, through a view, at the end of a matmul. */
#ifndef TUFF_TEST_ACTIVATION_H
#define TUFF_TEST_ACTIVATION_H

#include "op_test.h"

/* A case's arg. */
struct activation {
    struct tuff_tensor *(*op)(struct tuff_graph *g, struct tuff_tensor *x);
    double (*ref)(double x);
    enum tuff_activation kind;
};

static inline struct tuff_tensor *activation_build(struct tuff_graph *g,
                                                   struct tuff_tensor *const in[], const void *arg)
{
    return ((const struct activation *) arg)->op(g, in[0]);
}

static inline struct tuff_tensor *activation_view(struct tuff_graph *g,
                                                  struct tuff_tensor *const in[], const void *arg)
{
    struct tuff_tensor *x = tuff_permute(g, in[0], (int[]) {1, 0});
    return tuff_permute(g, ((const struct activation *) arg)->op(g, x), (int[]) {1, 0});
}

static inline void activation_ref(const struct ot_case *c, const double *const in[], double *y,
                                  size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = ((const struct activation *) c->arg)->ref(in[0][i]);
}

static inline struct tuff_tensor *activation_matmul(struct tuff_graph *g,
                                                    struct tuff_tensor *const in[],
                                                    const void *arg)
{
    return tuff_matmul(g, in[0], in[1], .activation = ((const struct activation *) arg)->kind);
}

static inline void activation_matmul_ref(const struct ot_case *c, const double *const in[],
                                         double *y, size_t n)
{
    size_t k = (size_t) c->in[0].dims[1], cols = (size_t) c->in[1].dims[1];
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        for (size_t l = 0; l < k; l++)
            sum += in[0][i / cols * k + l] * in[1][l * cols + i % cols];
        y[i] = ((const struct activation *) c->arg)->ref(sum);
    }
}

static const double activation_far[] = {-INFINITY, -1e30, -90, -40, -12, -1e-3, -1e-30, 0, 1e-30,
                                        1e-3,      6,     40,  90,  1e30, INFINITY};

#define ACTIVATION_CASE(what, label, ...)                                                          \
    {.name = label, .in = {__VA_ARGS__}, .n_in = 1, .build = activation_build,                     \
     .ref = activation_ref, .arg = what}
/* matmul: with K of 24, one subgroup a tile, SwiftShader takes 2.4 GB to compile 16 copies of the
 * activation. */
#define ACTIVATION_CASES(what)                                                                     \
    ACTIVATION_CASE(what, "one", {1, {1}}), ACTIVATION_CASE(what, "seven", {1, {7}}),              \
        ACTIVATION_CASE(what, "three axes", {3, {3, 5, 7}}),                                       \
        ACTIVATION_CASE(what, "fours", {2, {63, 1028}}),                                           \
        ACTIVATION_CASE(what, "wide", {2, {61, 1031}, .scale = 3}),                                \
        {.name = "far",                                                                            \
         .in = {{1, {15}, OT_VALUES, .values = activation_far, .constant = true}},                 \
         .n_in = 1, .build = activation_build, .ref = activation_ref, .arg = what,                 \
         .no_grad = true},                                                                         \
        {.name = "view", .in = {{2, {13, 29}}}, .n_in = 1, .build = activation_view,               \
         .ref = activation_ref, .arg = what, .view_output = true},                                 \
        {.name = "matmul", .in = {{2, {40, 256}, .scale = 0.1}, {2, {256, 36}}}, .n_in = 2, \
         .build = activation_matmul, .ref = activation_matmul_ref, .arg = what}

#endif
