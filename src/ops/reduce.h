/* ops/reduce.h: sums over axes, shared by sum, sum_to and column_sum.
 *
 * in[0] is x, any view; out[0] is y, contiguous. With the axes aligned at the end, the axes where
 * y has size 1 or none are summed. Large sums are taken in two levels of fixed shape: partial sums
 * to scratch, then those in order, so that the same bits come out every time. */
#ifndef TUFF_OPS_REDUCE_H
#define TUFF_OPS_REDUCE_H

#include "graph/op.h"

uint64_t tuff_reduce_scratch(const struct tuff_node *node, const struct tuff_device_info *device);
struct tuff_halves tuff_reduce_halves(const struct tuff_node *node,
                                      const struct tuff_device_info *device);
/* Honours node->accumulate. */
void tuff_reduce_record(struct tuff_recorder *r, const struct tuff_node *node);
/* dx = dy, stretched to x. */
void tuff_reduce_grad(struct tuff_graph *g, struct tuff_node *node, struct tuff_tensor *const dy[],
                      struct tuff_tensor *dx[]);

#endif
