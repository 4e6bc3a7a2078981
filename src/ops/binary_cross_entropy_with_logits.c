/* ops/binary_cross_entropy_with_logits: ln(1 + e^x) - target x. */
#include "ops/pair_loss.h"

struct tuff_tensor *tuff_binary_cross_entropy_with_logits(struct tuff_graph *g,
                                                          struct tuff_tensor *x,
                                                          struct tuff_tensor *target,
                                                          enum tuff_reduction reduction)
{
    return tuff_pair_loss_op(g, &tuff_op_binary_cross_entropy_with_logits, x, target,
                             TUFF_PAIR_BCE, reduction);
}

const struct tuff_op tuff_op_binary_cross_entropy_with_logits = {
    .name = "binary_cross_entropy_with_logits",
    .record = tuff_pair_loss_record,
    .grad = tuff_pair_loss_grad,
    .element_flops = 5};
