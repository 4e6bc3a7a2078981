/* ops/pair_loss.h: what losses of pairs of elements share. */
#ifndef TUFF_OPS_PAIR_LOSS_H
#define TUFF_OPS_PAIR_LOSS_H

#include "graph/op.h"
#include "tuff/ops.h"

enum tuff_pair_loss { TUFF_PAIR_MSE, TUFF_PAIR_BCE, TUFF_PAIR_KL, TUFF_PAIR_KL_LOG };

/* Constructor, record and grad of an op y = loss(x, target) element by element. */
struct tuff_tensor *tuff_pair_loss_op(struct tuff_graph *g, const struct tuff_op *op,
                                      struct tuff_tensor *x, struct tuff_tensor *target,
                                      enum tuff_pair_loss loss, enum tuff_reduction reduction);
/* y reduced; NULL gives NULL. */
struct tuff_tensor *tuff_loss_reduce(struct tuff_graph *g, struct tuff_tensor *y,
                                     enum tuff_reduction reduction);
void tuff_pair_loss_record(struct tuff_recorder *r, const struct tuff_node *node);
void tuff_pair_loss_grad(struct tuff_graph *g, struct tuff_node *node,
                         struct tuff_tensor *const dy[], struct tuff_tensor *dx[]);

#endif
