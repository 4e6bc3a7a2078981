/* ops/concat: tensors side by side along one axis. */
#include "ops/half.h"
#include "ops/strided.h"
#include "tuff/ops.h"

struct attr {
    int axis, n;
};

static bool fits(const struct tuff_tensor *a, const struct tuff_tensor *b, int axis)
{
    bool fit = a->rank == b->rank;
    for (int i = 0; i < a->rank && fit; i++)
        fit = i == axis || a->dims[i] == b->dims[i];
    return fit;
}

struct tuff_tensor *tuff_concat(struct tuff_graph *g, struct tuff_tensor *const *x, int n, int axis)
{
    if (n < 1 || n > TUFF_NODE_INPUTS)
        return tuff_graph_fail(g, TUFF_E_RANGE, "concat: %d tensors; 1 to %d can be joined at once",
                               n, TUFF_NODE_INPUTS);
    if (!x[0])
        return NULL;
    if (axis < 0 || axis >= x[0]->rank)
        return tuff_graph_fail(g, TUFF_E_RANGE, "concat: axis %d of x %s", axis,
                               tuff_shape_text(x[0]));
    if (tuff_dtype_size(x[0]->dtype) != 4 && !tuff_is_half(x[0]))
        return tuff_graph_fail(g, TUFF_E_DTYPE, "concat: x is %s; only F32, U32, F16 and BF16 are supported",
                               tuff_dtype_name(x[0]->dtype));
    int64_t dims[TUFF_RANK_MAX];
    memcpy(dims, x[0]->dims, sizeof dims);
    for (int i = 1; i < n; i++) {
        if (!x[i])
            return NULL;
        if (x[i]->dtype != x[0]->dtype)
            return tuff_graph_fail(g, TUFF_E_DTYPE, "concat: x[%d] is %s, x[0] is %s", i,
                                   tuff_dtype_name(x[i]->dtype), tuff_dtype_name(x[0]->dtype));
        if (!fits(x[i], x[0], axis))
            return tuff_graph_fail(g, TUFF_E_SHAPE, "concat: x[%d] %s and x[0] %s along axis %d", i,
                                   tuff_shape_text(x[i]), tuff_shape_text(x[0]), axis);
        dims[axis] += x[i]->dims[axis];
    }
    struct tuff_tensor *y = tuff_tensor_new(g, x[0]->dtype, x[0]->rank, dims);
    return y && tuff_node_add(g, &tuff_op_concat, x, n, &y, 1, &(struct attr) {axis, n},
                              sizeof(struct attr))
               ? y
               : NULL;
}

static void record(struct tuff_recorder *r, const struct tuff_node *node)
{
    const struct attr *attr = node->attr;
    int64_t start = 0;
    for (int i = 0; i < attr->n; i++) {
        int64_t length = node->in[i]->dims[attr->axis];
        struct tuff_tensor part = tuff_window(node->out[0], attr->axis, start, length);
        tuff_strided_copy(r, node->in[i], &part, false);
        start += length;
    }
}

static void grad(struct tuff_graph *g, struct tuff_node *node, struct tuff_tensor *const dy[],
                 struct tuff_tensor *dx[])
{
    const struct attr *attr = node->attr;
    int64_t start = 0;
    for (int i = 0; i < attr->n; i++) {
        int64_t length = node->in[i]->dims[attr->axis];
        if (node->in[i]->needs_grad) {
            struct tuff_tensor *d = tuff_slice(g, dy[0], attr->axis, start, length);
            dx[i] = d && !tuff_contiguous(d) ? tuff_copy(g, d) : d;
        }
        start += length;
    }
}

/* Parts of half precision may meet inside a word: put together as F32, which loses nothing. */
const struct tuff_op tuff_op_concat = {.name = "concat", .record = record, .grad = grad,
                                       .convert = tuff_half_convert};
