/* ops/copy: a contiguous copy of any view; and the strided copy that slice and concat share. */
#include "ops/half.h"
#include "ops/strided.h"

struct tuff_tensor *tuff_copy(struct tuff_graph *g, struct tuff_tensor *x)
{
    if (!x)
        return NULL;
    if (tuff_dtype_size(x->dtype) != 4 && !tuff_is_half(x))
        return tuff_graph_fail(g, TUFF_E_DTYPE,
                               "copy: x is %s; only F32, U32, F16 and BF16 are supported",
                               tuff_dtype_name(x->dtype));
    struct tuff_tensor *y = tuff_tensor_new(g, x->dtype, x->rank, x->dims);
    return y && tuff_node_add(g, &tuff_op_copy, &x, 1, &y, 1, NULL, 0) ? y : NULL;
}

static void record(struct tuff_recorder *r, const struct tuff_node *node)
{
    if (tuff_is_half(node->in[0]))
        tuff_half_convert(r, node->in[0], node->out[0]);
    else
        tuff_strided_copy(r, node->in[0], node->out[0], false);
}

static void grad(struct tuff_graph *g, struct tuff_node *node, struct tuff_tensor *const dy[],
                 struct tuff_tensor *dx[])
{
    (void) g;
    (void) node;
    dx[0] = dy[0];
}

const struct tuff_op tuff_op_copy = {.name = "copy", .record = record, .grad = grad};
