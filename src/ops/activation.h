/* ops/activation.h: what gelu, relu and matmul's epilogue share. */
#ifndef TUFF_OPS_ACTIVATION_H
#define TUFF_OPS_ACTIVATION_H

#include "graph/op.h"
#include "tuff/ops.h"

/* dx = dy act'(x), x and dy contiguous and of one shape. Not differentiable again. */
struct tuff_tensor *tuff_activation_grad(struct tuff_graph *g, struct tuff_tensor *x,
                                         struct tuff_tensor *dy, enum tuff_activation act);

#endif
