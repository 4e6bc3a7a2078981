/* ops/mse_loss: (x - target)^2. */
#include "ops/pair_loss.h"

struct tuff_tensor *tuff_mse_loss(struct tuff_graph *g, struct tuff_tensor *x,
                                  struct tuff_tensor *target, enum tuff_reduction reduction)
{
    return tuff_pair_loss_op(g, &tuff_op_mse_loss, x, target, TUFF_PAIR_MSE, reduction);
}

const struct tuff_op tuff_op_mse_loss = {.name = "mse_loss",
                                         .record = tuff_pair_loss_record,
                                         .grad = tuff_pair_loss_grad,
                                         .element_flops = 2};
