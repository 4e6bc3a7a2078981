/* ops/mul: y = a b, elementwise. */
#include "ops/binary.h"
#include "ops/half.h"
#include "tuff/ops.h"

struct tuff_tensor *tuff_mul(struct tuff_graph *g, struct tuff_tensor *a, struct tuff_tensor *b)
{
    return tuff_binary(g, &tuff_op_mul, a, b);
}

static void record(struct tuff_recorder *r, const struct tuff_node *node)
{
    tuff_binary_record(r, node, TUFF_FLAT_KERNELS("elementwise/binary.mul"));
}

static void grad(struct tuff_graph *g, struct tuff_node *node, struct tuff_tensor *const dy[],
                 struct tuff_tensor *dx[])
{
    for (int i = 0; i < 2; i++) {
        struct tuff_tensor *x = node->in[i];
        if (x->needs_grad)
            dx[i] = tuff_sum_to(g, tuff_mul(g, dy[0], node->in[1 - i]), x->rank, x->dims);
    }
}

const struct tuff_op tuff_op_mul = {
    .name = "mul", .record = record, .grad = grad, .convert = tuff_half_convert,
    .halves = tuff_binary_halves,
    .element_flops = 1, .inplace_input = 1};
