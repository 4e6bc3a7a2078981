/* ops/strided.h: elementwise kernels over views, and moving elements between two of them. */
#ifndef TUFF_OPS_STRIDED_H
#define TUFF_OPS_STRIDED_H

#include "ops/flat.h"

/* The axes of an elementwise kernel over several operands of one shape, fastest first: axes of size
 * 1 are dropped and neighbours joined that are evenly spaced in every operand, so that kernels
 * seldom need to take an index apart. Strides in elements, 0 where an operand is stretched. */
#define TUFF_OPERANDS 3
struct tuff_axes {
    uint32_t n, dims[TUFF_RANK_MAX], strides[TUFF_OPERANDS][TUFF_RANK_MAX];
};
/* Operands may have fewer axes than `shape`: they are aligned at the end. */
struct tuff_axes tuff_collapse(const struct tuff_tensor *shape,
                               const struct tuff_tensor *const operands[TUFF_OPERANDS]);
/* Units of four elements lie side by side in every operand. */
bool tuff_axes_wide(const struct tuff_axes *axes);
/* The form for operands with these axes, whose kernel has views of `read` and writes y. For the
 * wide forms the axes are turned into units of four elements. */
enum tuff_flat_form tuff_axes_form(const struct tuff_recorder *r, struct tuff_axes *axes,
                                   const struct tuff_tensor *const *read,
                                   const struct tuff_tensor *y);

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

/* A matrix whose rows stand apart (tuff_tensor_padded) with what lies between them as its last columns,
 * of any value; other tensors as they are. A view that nothing computes; no gradient. */
struct tuff_tensor *tuff_with_padding(struct tuff_graph *g, struct tuff_tensor *t);

#endif
