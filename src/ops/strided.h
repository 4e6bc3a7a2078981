/* ops/strided.h: moving elements between two views of one shape. */
#ifndef TUFF_OPS_STRIDED_H
#define TUFF_OPS_STRIDED_H

#include "graph/op.h"

/* y = x, or y += x, element by element; any strides, 4-byte elements. Records one launch. Adding
 * takes F32. x and y are tensors of the node that is being recorded; y may be a view of an output
 * that is not itself in the graph (see tuff_window). */
void tuff_strided_copy(struct tuff_recorder *r, const struct tuff_tensor *x,
                       const struct tuff_tensor *y, bool add);

/* The part start .. start+length-1 of one axis of t, as a value on the stack: not a tensor of the
 * graph, only an address with dims and strides for tuff_strided_copy. */
struct tuff_tensor tuff_window(const struct tuff_tensor *t, int axis, int64_t start,
                               int64_t length);

/* t read as a tensor of `dims`, axes aligned at the end, size 1 stretched (stride 0). A view that
 * nothing computes; no gradient. */
struct tuff_tensor *tuff_expand(struct tuff_graph *g, struct tuff_tensor *t, int rank,
                                const int64_t *dims);

#endif
