/* ops/relu: y = max(x, 0). */
#include "ops/activation.h"
#include "ops/half.h"

struct tuff_tensor *tuff_relu(struct tuff_graph *g, struct tuff_tensor *x)
{
    return tuff_activation_op(g, &tuff_op_relu, x, TUFF_ACT_RELU);
}

const struct tuff_op tuff_op_relu = {.name = "relu",
                                     .record = tuff_activation_op_record,
                                     .grad = tuff_activation_op_grad,
                                     .convert = tuff_half_convert,
                                     .halves = tuff_halves_flat,
                                     .element_flops = 1,
                                     .inplace_input = 1};
