/* ops/softmax.h: what softmax and log_softmax share: their kernels differ in the last line. */
#ifndef TUFF_OPS_SOFTMAX_H
#define TUFF_OPS_SOFTMAX_H

#include "graph/op.h"

/* Constructor, record and grad of either op. */
struct tuff_tensor *tuff_softmax_op(struct tuff_graph *g, const struct tuff_op *op,
                                    struct tuff_tensor *x);
struct tuff_halves tuff_softmax_halves(const struct tuff_node *node,
                                       const struct tuff_device_info *device);
void tuff_softmax_record(struct tuff_recorder *r, const struct tuff_node *node);
void tuff_softmax_grad(struct tuff_graph *g, struct tuff_node *node, struct tuff_tensor *const dy[],
                       struct tuff_tensor *dx[]);

#endif
