/* ops/cross_entropy.h: its parts, for linear_cross_entropy. */
#ifndef TUFF_OPS_CROSS_ENTROPY_H
#define TUFF_OPS_CROSS_ENTROPY_H

#include "graph/op.h"

/* tuff_cross_entropy, with each row's maximum m and ln sum exp(x - m), [N, 2], in *stats. */
struct tuff_tensor *tuff_cross_entropy_stats(struct tuff_graph *g, struct tuff_tensor *logits,
                                             struct tuff_tensor *targets,
                                             struct tuff_tensor *weight, float smoothing,
                                             struct tuff_tensor **rows,
                                             struct tuff_tensor **stats);
/* The gradient of the logits, where that of the loss is dloss, in `dtype`: F32, the logits' own, or half
 * beside F32 logits, in rows of the same pitch. */
struct tuff_tensor *tuff_cross_entropy_grad(struct tuff_graph *g, struct tuff_tensor *logits,
                                            struct tuff_tensor *targets,
                                            struct tuff_tensor *weight, struct tuff_tensor *stats,
                                            struct tuff_tensor *dloss, float smoothing,
                                            enum tuff_dtype dtype);
/* Records out[0] = weight times the sum of rows, in one order whatever made them. */
void tuff_cross_entropy_total(struct tuff_recorder *r, const struct tuff_node *node,
                              const struct tuff_tensor *rows, const struct tuff_tensor *weight);

#endif
