/* ops/add: y = a + b. */
#include "ops/binary.h"
#include "ops/half.h"
#include "tuff/ops.h"

struct tuff_tensor *tuff_add(struct tuff_graph *g, struct tuff_tensor *a, struct tuff_tensor *b)
{
    return tuff_binary(g, &tuff_op_add, a, b);
}

static void record(struct tuff_recorder *r, const struct tuff_node *node)
{
    tuff_binary_record(r, node, TUFF_FLAT_KERNELS("elementwise/binary.add"));
}

static void grad(struct tuff_graph *g, struct tuff_node *node, struct tuff_tensor *const dy[],
                 struct tuff_tensor *dx[])
{
    for (int i = 0; i < 2; i++)
        if (node->in[i]->needs_grad)
            dx[i] = tuff_sum_to(g, dy[0], node->in[i]->rank, node->in[i]->dims);
}

const struct tuff_op tuff_op_add = {
    .name = "add", .record = record, .grad = grad, .convert = tuff_half_convert,
    .halves = tuff_binary_halves,
    .element_flops = 1, .inplace_input = 1};
