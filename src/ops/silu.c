/* ops/silu: y = x / (1 + e^-x). */
#include "ops/activation.h"
#include "ops/half.h"

struct tuff_tensor *tuff_silu(struct tuff_graph *g, struct tuff_tensor *x)
{
    return tuff_activation_op(g, &tuff_op_silu, x, TUFF_ACT_SILU);
}

const struct tuff_op tuff_op_silu = {.name = "silu",
                                     .record = tuff_activation_op_record,
                                     .grad = tuff_activation_op_grad,
                                     .convert = tuff_half_convert,
                                     .halves = tuff_halves_flat,
                                     .inplace_input = 1};
