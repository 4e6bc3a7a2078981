/* ops/log_softmax: see tuff/ops.h. */
#include "ops/half.h"
#include "ops/softmax.h"
#include "tuff/ops.h"

struct tuff_tensor *tuff_log_softmax(struct tuff_graph *g, struct tuff_tensor *x)
{
    return tuff_softmax_op(g, &tuff_op_log_softmax, x);
}

const struct tuff_op tuff_op_log_softmax = {.name = "log_softmax",
                                            .record = tuff_softmax_record,
                                            .grad = tuff_softmax_grad,
                                            .convert = tuff_half_convert,
                                            .halves = tuff_softmax_halves,
                                            .element_flops = 5,
                                            .inplace_input = 1};
