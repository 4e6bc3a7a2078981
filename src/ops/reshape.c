/* ops/reshape: the same elements under another shape. A node without launches, so that the
 * gradient passes through. */
#include "graph/op.h"
#include "tuff/ops.h"

/* Elements between rows when all rows stand evenly apart, 0 when not. */
static int64_t even_pitch(const struct tuff_tensor *x)
{
    if (x->rank < 2 || (x->strides[x->rank - 1] != 1 && x->dims[x->rank - 1] != 1))
        return 0;
    for (int i = 0; i + 2 < x->rank; i++)
        if (x->dims[i] != 1 && x->strides[i] != x->strides[i + 1] * x->dims[i + 1])
            return 0;
    return x->strides[x->rank - 2];
}

struct tuff_tensor *tuff_reshape(struct tuff_graph *g, struct tuff_tensor *x, int rank,
                                 const int64_t *dims)
{
    if (!x)
        return NULL;
    int64_t n = rank >= 0 && rank <= TUFF_RANK_MAX ? 1 : 0;
    for (int i = 0; i < rank && n; i++)
        n = dims[i] > 0 && n <= INT32_MAX / dims[i] ? n * dims[i] : 0;
    bool whole = tuff_contiguous(x);
    bool rows = !whole && rank > 1 && x->rank > 1 && dims[rank - 1] == x->dims[x->rank - 1] &&
                even_pitch(x);
    if (n != tuff_elements(x) || !(whole || rows))
        return tuff_graph_fail(g, TUFF_E_SHAPE, "reshape: x %s does not have %lld elements in order",
                               tuff_shape_text(x), (long long) n);
    struct tuff_tensor *y = tuff_tensor_view(x);
    if (!y)
        return NULL;
    y->rank = rank;
    int64_t stride = 1, pitch = rows ? even_pitch(x) : 0;
    for (int i = rank; i-- > 0;) {
        y->dims[i] = dims[i];
        y->strides[i] = stride;
        stride = rows && i == rank - 1 ? pitch : stride * dims[i];
    }
    return tuff_node_add(g, &tuff_op_reshape, &x, 1, &y, 1, NULL, 0) ? y : NULL;
}

static void grad(struct tuff_graph *g, struct tuff_node *node, struct tuff_tensor *const dy[],
                 struct tuff_tensor *dx[])
{
    const struct tuff_tensor *x = node->in[0];
    bool rows = x->rank > 1 && dy[0]->rank > 1 &&
                x->dims[x->rank - 1] == dy[0]->dims[dy[0]->rank - 1] && even_pitch(dy[0]);
    struct tuff_tensor *d = tuff_contiguous(dy[0]) || rows ? dy[0] : tuff_copy(g, dy[0]);
    dx[0] = tuff_reshape(g, d, x->rank, x->dims);
}

const struct tuff_op tuff_op_reshape = {.name = "reshape", .grad = grad};
