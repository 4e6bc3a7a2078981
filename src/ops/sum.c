/* ops/sum: the sum of all elements. */
#include "ops/half.h"
#include "ops/reduce.h"
#include "tuff/ops.h"

struct tuff_tensor *tuff_sum(struct tuff_graph *g, struct tuff_tensor *x)
{
    if (!x || !tuff_check_float(g, "sum", "x", x))
        return NULL;
    struct tuff_tensor *y = tuff_tensor_new(g, TUFF_F32, 1, &(int64_t) {1});
    return y && tuff_node_add(g, &tuff_op_sum, &x, 1, &y, 1, NULL, 0) ? y : NULL;
}

const struct tuff_op tuff_op_sum = {.name = "sum",
                                    .record = tuff_reduce_record,
                                    .grad = tuff_reduce_grad,
                                    .scratch = tuff_reduce_scratch,
                                    .convert = tuff_half_convert,
                                    .halves = tuff_reduce_halves,
                                    .element_flops = 1,
                                    .accumulates = true};
