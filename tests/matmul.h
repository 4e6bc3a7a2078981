/* What tests of matmul share: its reference, and cases of it. */
#ifndef TUFF_TEST_MATMUL_H
#define TUFF_TEST_MATMUL_H

#include "op_test.h"

struct matmul_arg {
    bool ta, tb, bias, residual, narrow; /* narrow: the result has the dtype of a */
    bool square;                         /* b is a */
    enum tuff_activation act;
    float alpha;
};

static inline struct tuff_tensor *matmul_build(struct tuff_graph *g, struct tuff_tensor *const in[],
                                 const void *arg)
{
    const struct matmul_arg *a = arg;
    return tuff_matmul(g, in[0], in[a->square ? 0 : 1], .transpose_a = a->ta, .transpose_b = a->tb,
                       .alpha = a->alpha, .activation = a->act,
                       .bias = a->bias ? in[2] : NULL,
                       .dtype = a->narrow ? tuff_dtype_of(in[0]) : TUFF_F32,
                       .residual = a->residual ? in[a->bias ? 3 : 2] : NULL);
}

static inline double matmul_activate(enum tuff_activation act, double x)
{
    switch (act) {
    case TUFF_ACT_GELU_TANH:
        return 0.5 * x * (1 + tanh(sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x)));
    case TUFF_ACT_GELU_ERF: return 0.5 * x * (1 + erf(x / sqrt(2)));
    case TUFF_ACT_RELU: return x > 0 ? x : 0;
    default: return x;
    }
}

static inline void matmul_ref(const struct ot_case *c, const double *const in[], double *y, size_t n_y)
{
    const struct matmul_arg *arg = c->arg;
    const struct ot_input *a = &c->in[0], *b = &c->in[arg->square ? 0 : 1];
    size_t m = (size_t) a->dims[a->rank - (arg->ta ? 1 : 2)];
    size_t k = (size_t) a->dims[a->rank - (arg->ta ? 2 : 1)];
    size_t n = (size_t) b->dims[b->rank - (arg->tb ? 2 : 1)];
    if (b->rank == 2 && !arg->ta)
        m = n_y / n;
    size_t batches = n_y / (m * n);
    const double *bias = arg->bias ? in[2] : NULL;
    const double *residual = arg->residual ? in[arg->bias ? 3 : 2] : NULL;
    for (size_t z = 0; z < batches; z++)
        for (size_t i = 0; i < m; i++)
            for (size_t j = 0; j < n; j++) {
                const double *az = in[0] + z * m * k, *bz = in[arg->square ? 0 : 1] + z * n * k;
                double sum = 0;
                for (size_t l = 0; l < k; l++)
                    sum += (arg->ta ? az[l * m + i] : az[i * k + l]) *
                           (arg->tb ? bz[j * k + l] : bz[l * n + j]);
                size_t at = (z * m + i) * n + j;
                sum = sum * (arg->alpha != 0 ? (double) arg->alpha : 1) + (bias ? bias[j] : 0);
                y[at] = matmul_activate(arg->act, sum) + (residual ? residual[at] : 0);
            }
}

#define ARG(...) (&(const struct matmul_arg) {__VA_ARGS__})
#define CASE(label, count, argument, ...)                                                          \
    {.name = label, .in = {__VA_ARGS__}, .n_in = count, .build = matmul_build, .ref = matmul_ref,  \
     .arg = argument}

#endif
