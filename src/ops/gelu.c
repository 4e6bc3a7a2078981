/* ops/gelu: y = x Phi(x), exactly or by tanh. */
#include "ops/activation.h"
#include "ops/half.h"

struct tuff_tensor *tuff_gelu(struct tuff_graph *g, struct tuff_tensor *x, enum tuff_gelu_form form)
{
    return tuff_activation_op(g, &tuff_op_gelu, x,
                              form == TUFF_GELU_ERF ? TUFF_ACT_GELU_ERF : TUFF_ACT_GELU_TANH);
}

const struct tuff_op tuff_op_gelu = {.name = "gelu",
                                     .record = tuff_activation_op_record,
                                     .grad = tuff_activation_op_grad,
                                     .convert = tuff_half_convert,
                                     .halves = tuff_halves_flat,
                                     .element_flops = 9,
                                     .inplace_input = 1};
