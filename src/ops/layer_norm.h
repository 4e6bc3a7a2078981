/* ops/layer_norm: what rms_norm shares with it. */
#ifndef TUFF_OPS_LAYER_NORM_H
#define TUFF_OPS_LAYER_NORM_H

#include "ops/rows.h"

/* The op of layer_norm, or with `rms` of rms_norm (whose mean counts as 0; bias is then NULL). */
struct tuff_tensor *tuff_norm(struct tuff_graph *g, const struct tuff_op *op, bool rms,
                              struct tuff_tensor *x, struct tuff_tensor *weight,
                              struct tuff_tensor *bias, float eps);
uint64_t tuff_norm_scratch(const struct tuff_node *node, const struct tuff_device_info *device);
struct tuff_halves tuff_norm_halves(const struct tuff_node *node,
                                    const struct tuff_device_info *device);
void tuff_norm_record(struct tuff_recorder *r, const struct tuff_node *node);
void tuff_norm_grad(struct tuff_graph *g, struct tuff_node *node, struct tuff_tensor *const dy[],
                    struct tuff_tensor *dx[]);

#endif
