/* ops/sum_to: the reverse of broadcasting. */
#include "ops/half.h"
#include "ops/reduce.h"
#include "tuff/ops.h"

struct tuff_tensor *tuff_sum_to(struct tuff_graph *g, struct tuff_tensor *x, int rank,
                                const int64_t *dims)
{
    if (!x || !tuff_check_float(g, "sum_to", "x", x))
        return NULL;
    bool fits = rank >= 0 && rank <= x->rank, equal = rank == x->rank;
    for (int i = 0; i < rank && fits; i++) {
        int64_t n = x->dims[x->rank - rank + i];
        fits = dims[i] == n || dims[i] == 1;
        equal = equal && dims[i] == n;
    }
    if (!fits)
        return tuff_graph_fail(g, TUFF_E_SHAPE,
                               "sum_to: x %s is not a broadcast of the %d axes asked for",
                               tuff_shape_text(x), rank);
    if (equal)
        return x;
    struct tuff_tensor *y = tuff_tensor_new(g, x->dtype, rank, dims);
    return y && tuff_node_add(g, &tuff_op_sum_to, &x, 1, &y, 1, NULL, 0) ? y : NULL;
}

const struct tuff_op tuff_op_sum_to = {.name = "sum_to",
                                       .record = tuff_reduce_record,
                                       .grad = tuff_reduce_grad,
                                       .scratch = tuff_reduce_scratch,
                                       .convert = tuff_half_convert,
                                       .halves = tuff_reduce_halves,
                                       .element_flops = 1,
                                       .accumulates = true};
