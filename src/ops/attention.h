/* ops/attention.h: what attention and attention_weights share. */
#ifndef TUFF_OPS_ATTENTION_H
#define TUFF_OPS_ATTENTION_H

#include "graph/op.h"
#include "tuff/ops.h"

#include "attention/shape.h"

struct tuff_attention_attr {
    int64_t heads, kv_heads, head_size;
    bool packed, causal;
    float scale, dropout, softcap;
    int64_t window;
    uint32_t stream;
};

/* Checks q, k, v (k and v NULL: q is packed) and the arguments; false: the graph has failed. */
bool tuff_attention_check(struct tuff_graph *g, struct tuff_tensor *q, struct tuff_tensor *k,
                          struct tuff_tensor *v, const struct tuff_attention_args *a,
                          struct tuff_attention_attr *attr);
/* All of a kernel's shape but strides and texels. */
void tuff_attention_shape(const struct tuff_attention_attr *attr, int64_t batch, bool pad,
                          struct tuff_attention_shape *shape);

/* ---- attention_weights.c ---- */

/* tuff_attention by way of probabilities in memory, for head_mask and weights. */
struct tuff_tensor *tuff_attention_by_weights(struct tuff_graph *g, struct tuff_tensor *q,
                                              struct tuff_tensor *k, struct tuff_tensor *v,
                                              const struct tuff_attention_args *a,
                                              const struct tuff_attention_attr *attr);

#endif
