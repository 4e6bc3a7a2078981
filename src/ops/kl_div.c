/* ops/kl_div: target (ln target - x). */
#include "ops/pair_loss.h"

struct tuff_tensor *tuff_kl_div(struct tuff_graph *g, struct tuff_tensor *x,
                                struct tuff_tensor *target, bool log_target,
                                enum tuff_reduction reduction)
{
    return tuff_pair_loss_op(g, &tuff_op_kl_div, x, target,
                             log_target ? TUFF_PAIR_KL_LOG : TUFF_PAIR_KL, reduction);
}

const struct tuff_op tuff_op_kl_div = {.name = "kl_div",
                                       .record = tuff_pair_loss_record,
                                       .grad = tuff_pair_loss_grad,
                                       .element_flops = 4};
