/* attention in double precision, for the tests of its ops: packed and separate inputs, visible ranges,
 * causal, windows, grouped queries, dropout, ALiBi, soft-capping, segments. */
#ifndef TUFF_TESTS_ATTENTION_H
#define TUFF_TESTS_ATTENTION_H

#include "op_test.h"
#include "base/rng.h"

struct arg {
    int heads, kv_heads, head_size;
    bool packed, causal, visible;
    double dropout;
    float scale, softcap;
    int64_t window;
    bool slopes, segments, head_mask; /* the last inputs, in this order */
};

/* What the inputs of a case are. */
struct attention_inputs {
    const double *q, *k, *v, *visible, *seed, *slopes, *segments, *head_mask;
    size_t heads, kv, d, batch, t, s, q_row, k_row;
};

static inline struct attention_inputs attention_inputs(const struct ot_case *c,
                                                       const double *const in[])
{
    const struct arg *a = c->arg;
    struct attention_inputs x = {.heads = (size_t) a->heads, .d = (size_t) a->head_size,
                                 .batch = (size_t) c->in[0].dims[0],
                                 .t = (size_t) c->in[0].dims[1]};
    x.kv = a->kv_heads ? (size_t) a->kv_heads : x.heads;
    x.s = a->packed ? x.t : (size_t) c->in[1].dims[1];
    x.q_row = (a->packed ? x.heads + 2 * x.kv : x.heads) * x.d;
    x.k_row = a->packed ? x.q_row : x.kv * x.d;
    x.q = in[0];
    x.k = a->packed ? in[0] + x.heads * x.d : in[1];
    x.v = a->packed ? x.k + x.kv * x.d : in[2];
    int next = a->packed ? 1 : 3;
    x.visible = a->visible ? in[next++] : NULL;
    x.seed = a->dropout > 0 ? in[next++] : NULL;
    x.slopes = a->slopes ? in[next++] : NULL;
    x.segments = a->segments ? in[next++] : NULL;
    x.head_mask = a->head_mask ? in[next++] : NULL;
    return x;
}

static inline double attention_kept(const struct arg *a, const double *seed, size_t bh, size_t i,
                                    size_t j)
{
    uint32_t counter[4] = {(uint32_t) bh, (uint32_t) i, (uint32_t) (j / 4), 3}, out[4];
    uint32_t key[2] = {(uint32_t) seed[0], (uint32_t) seed[1]};
    tuff_philox(counter, key, out);
    double u = (double) (out[j % 4] >> 8) / 16777216;
    return u >= (double) (float) a->dropout ? 1 / (1 - (double) (float) a->dropout) : 0;
}

/* p[0 .. s) = the probabilities of query i of (b, h), dropped out. */
static inline void attention_row(const struct arg *a, const struct attention_inputs *x, size_t b,
                                 size_t h, size_t i, double *p)
{
    size_t g = h / (x->heads / x->kv);
    int64_t place = (int64_t) (i + x->s) - (int64_t) x->t;
    int64_t begin = x->visible ? (int64_t) x->visible[2 * b] : 0;
    int64_t end = x->visible ? (int64_t) x->visible[2 * b + 1] : (int64_t) x->s;
    if (a->causal)
        end = TUFF_MIN(end, place + 1);
    if (a->window)
        begin = TUFF_MAX(begin, place - a->window + 1);
    if (a->window && !a->causal)
        end = TUFF_MIN(end, place + a->window);
    if (x->segments) {
        const double *own = x->segments + 2 * (b * x->t + i);
        begin = TUFF_MAX(begin, (int64_t) own[0]);
        end = TUFF_MIN(end, (int64_t) own[1]);
    }
    double softcap = (double) a->softcap, top = -1e300, sum = 0;
    double scale = a->scale != 0 ? (double) a->scale : (double) (1 / sqrtf((float) x->d));
    memset(p, 0, x->s * sizeof *p);
    for (int64_t j = begin; j < end; j++) {
        for (size_t e = 0; e < x->d; e++)
            p[j] += x->q[(b * x->t + i) * x->q_row + h * x->d + e] *
                    x->k[(b * x->s + (size_t) j) * x->k_row + g * x->d + e];
        p[j] *= scale;
        if (a->softcap > 0)
            p[j] = softcap * tanh(p[j] / softcap);
        if (a->slopes)
            p[j] += x->slopes[h] * (double) (j - place);
        top = TUFF_MAX(top, p[j]);
    }
    for (int64_t j = begin; j < end; j++)
        sum += p[j] = exp(p[j] - top);
    for (int64_t j = begin; j < end; j++) {
        p[j] /= sum;
        if (a->dropout > 0)
            p[j] *= attention_kept(a, x->seed, b * x->heads + h, i, (size_t) j);
    }
}

/* The arguments of either op. */
static inline struct tuff_attention_args attention_args(const struct arg *a,
                                                        struct tuff_tensor *const in[])
{
    int next = a->packed ? 1 : 3;
    struct tuff_attention_args args = {.heads = a->heads, .kv_heads = a->kv_heads,
                                       .causal = a->causal, .scale = a->scale,
                                       .dropout = (float) a->dropout, .stream = 3,
                                       .window = a->window, .softcap = a->softcap};
    args.visible = a->visible ? in[next++] : NULL;
    args.seed = a->dropout > 0 ? in[next++] : NULL;
    args.slopes = a->slopes ? in[next++] : NULL;
    args.segments = a->segments ? in[next++] : NULL;
    args.head_mask = a->head_mask ? in[next++] : NULL;
    return args;
}

/* tuff_attention of a case, and its result. */
static inline struct tuff_tensor *attention_build(struct tuff_graph *g,
                                                  struct tuff_tensor *const in[], const void *arg)
{
    const struct arg *a = arg;
    struct tuff_attention_args args = attention_args(a, in);
    return tuff_attention_with(g, in[0], a->packed ? NULL : in[1], a->packed ? NULL : in[2], &args);
}

static inline void attention_ref(const struct ot_case *c, const double *const in[], double *y,
                                 size_t n_y)
{
    const struct arg *a = c->arg;
    struct attention_inputs x = attention_inputs(c, in);
    double *p = tuff_calloc(x.s, sizeof *p);
    memset(y, 0, n_y * sizeof *y);
    for (size_t b = 0; b < x.batch; b++)
        for (size_t h = 0; h < x.heads; h++)
            for (size_t i = 0; i < x.t; i++) {
                attention_row(a, &x, b, h, i, p);
                double mask = x.head_mask ? x.head_mask[h] : 1;
                double *o = y + ((b * x.t + i) * x.heads + h) * x.d;
                const double *v = x.v + b * x.s * x.k_row + h / (x.heads / x.kv) * x.d;
                for (size_t j = 0; j < x.s; j++)
                    for (size_t e = 0; p[j] != 0 && e < x.d; e++)
                        o[e] += mask * p[j] * v[j * x.k_row + e];
            }
    free(p);
}

#define ARG(...) (&(const struct arg) {__VA_ARGS__})
/* Of an op whose arguments and reference are OP_build and OP_ref. */
#define CASE_OF(op, label, count, argument, ...)                                                   \
    {.name = label, .in = {__VA_ARGS__}, .n_in = count, .build = op##_build, .ref = op##_ref,      \
     .arg = argument}
#define CASE(...) CASE_OF(attention, __VA_ARGS__)
/* Of a batch row: segments that end at ends[0], ends[1], ... (0: no more); what is behind is in an
 * empty one. */
static inline void attention_segments(double *to, int t, const int ends[])
{
    int begin = 0, n = 0;
    for (int i = 0; i < t; i++) {
        while (ends[n] && i >= ends[n])
            begin = ends[n++];
        to[2 * i] = begin;
        to[2 * i + 1] = ends[n] ? ends[n] : begin;
    }
}

#define SEGMENTS(b, t, to)                                                                         \
    {.rank = 3, .dims = {b, t, 2}, .fill = OT_VALUES, .dtype = TUFF_U32, .values = to}
#define U32_VALUES(r, d0, d1, ...)                                                                 \
    {.rank = r, .dims = {d0, d1}, .fill = OT_VALUES, .dtype = TUFF_U32,                            \
     .values = (const double[]) {__VA_ARGS__}}
#define SLOPES(h, ...)                                                                             \
    {.rank = 1, .dims = {h}, .fill = OT_VALUES, .constant = true,                                  \
     .values = (const double[]) {__VA_ARGS__}}

#endif
