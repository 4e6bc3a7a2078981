/* ops/activation.h: what gelu, relu, silu, tanh and matmul's epilogue share. */
#ifndef TUFF_OPS_ACTIVATION_H
#define TUFF_OPS_ACTIVATION_H

#include "graph/op.h"
#include "tuff/ops.h"

/* dx = dy act'(x), x and dy contiguous and of one shape. Not differentiable again. */
struct tuff_tensor *tuff_activation_grad(struct tuff_graph *g, struct tuff_tensor *x,
                                         struct tuff_tensor *dy, enum tuff_activation act);

/* The ops gelu, relu, silu and tanh: constructor, record and grad of an op y = act(x). */
struct tuff_tensor *tuff_activation_op(struct tuff_graph *g, const struct tuff_op *op,
                                       struct tuff_tensor *x, enum tuff_activation act);
/* Which of them a node is; TUFF_ACT_NONE: of another op. */
enum tuff_activation tuff_activation_of(const struct tuff_node *node);
void tuff_activation_op_record(struct tuff_recorder *r, const struct tuff_node *node);
void tuff_activation_op_grad(struct tuff_graph *g, struct tuff_node *node,
                             struct tuff_tensor *const dy[], struct tuff_tensor *dx[]);

#endif
