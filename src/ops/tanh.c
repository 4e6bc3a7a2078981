/* ops/tanh: y = tanh(x). */
#include "ops/activation.h"
#include "ops/half.h"

struct tuff_tensor *tuff_tanh(struct tuff_graph *g, struct tuff_tensor *x)
{
    return tuff_activation_op(g, &tuff_op_tanh, x, TUFF_ACT_TANH);
}

const struct tuff_op tuff_op_tanh = {.name = "tanh",
                                     .record = tuff_activation_op_record,
                                     .grad = tuff_activation_op_grad,
                                     .convert = tuff_half_convert,
                                     .halves = tuff_halves_flat,
                                     .element_flops = 6,
                                     .inplace_input = 1};
