/* ops/permute: axes in another order: a view. */
#include "graph/op.h"
#include "tuff/ops.h"

struct attr {
    int order[TUFF_RANK_MAX];
};

struct tuff_tensor *tuff_permute(struct tuff_graph *g, struct tuff_tensor *x, const int *order)
{
    if (!x)
        return NULL;
    struct attr attr = {{0}};
    unsigned seen = 0;
    for (int i = 0; i < x->rank; i++) {
        if (order[i] < 0 || order[i] >= x->rank || seen >> order[i] & 1)
            return tuff_graph_fail(g, TUFF_E_RANGE,
                                   "permute: order[%d] is %d; x %s needs each of its axes once", i,
                                   order[i], tuff_shape_text(x));
        seen |= 1u << order[i];
        attr.order[i] = order[i];
    }
    struct tuff_tensor *y = tuff_tensor_view(x);
    if (!y)
        return NULL;
    for (int i = 0; i < x->rank; i++) {
        y->dims[i] = x->dims[order[i]];
        y->strides[i] = x->strides[order[i]];
    }
    return tuff_node_add(g, &tuff_op_permute, &x, 1, &y, 1, &attr, sizeof attr) ? y : NULL;
}

static void grad(struct tuff_graph *g, struct tuff_node *node, struct tuff_tensor *const dy[],
                 struct tuff_tensor *dx[])
{
    const struct attr *attr = node->attr;
    int back[TUFF_RANK_MAX] = {0};
    for (int i = 0; i < dy[0]->rank; i++)
        back[attr->order[i]] = i;
    struct tuff_tensor *d = tuff_permute(g, dy[0], back);
    dx[0] = d && !tuff_contiguous(d) ? tuff_copy(g, d) : d;
}

const struct tuff_op tuff_op_permute = {.name = "permute", .grad = grad};
