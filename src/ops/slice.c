/* ops/slice: part of one axis: a view. Its gradient is zeros with dy put into place, or, where
 * there is something to add to already, dy added in place. */
#include "ops/half.h"
#include "ops/strided.h"

#include "elementwise/fill.h"

struct attr {
    int axis;
    int64_t start;
};
enum { IN_DY, IN_OTHER, N_IN };

struct tuff_tensor *tuff_slice(struct tuff_graph *g, struct tuff_tensor *x, int axis, int64_t start,
                               int64_t length)
{
    if (!x)
        return NULL;
    if (axis < 0 || axis >= x->rank)
        return tuff_graph_fail(g, TUFF_E_RANGE, "slice: axis %d of x %s", axis, tuff_shape_text(x));
    if (start < 0 || length < 1 || start > x->dims[axis] - length)
        return tuff_graph_fail(g, TUFF_E_RANGE,
                               "slice: %lld elements from %lld on of axis %d of x %s",
                               (long long) length, (long long) start, axis, tuff_shape_text(x));
    struct tuff_tensor *y = tuff_tensor_view(x);
    if (!y)
        return NULL;
    y->dims[axis] = length;
    y->offset += start * x->strides[axis];
    return tuff_node_add(g, &tuff_op_slice, &x, 1, &y, 1, &(struct attr) {axis, start},
                         sizeof(struct attr))
               ? y
               : NULL;
}

static void record_zero(struct tuff_recorder *r, const struct tuff_tensor *y)
{
    uint64_t n = (uint64_t) tuff_elements(y);
    struct tuff_fill_params p = {.y = tuff_address(r, y), .n = (uint32_t) n};
    tuff_launch(r, &(struct tuff_launch_params) {.kernel = "elementwise/fill",
                                                 .push = &p,
                                                 .push_bytes = sizeof p,
                                                 .groups = {tuff_groups(n, 1024)},
                                                 .out = {y}});
}

static void record_grad(struct tuff_recorder *r, const struct tuff_node *node)
{
    const struct attr *attr = node->attr;
    const struct tuff_tensor *dy = node->in[IN_DY], *other = node->in[IN_OTHER];
    const struct tuff_tensor *dx = node->out[0];
    struct tuff_tensor part = tuff_window(dx, attr->axis, attr->start, dy->dims[attr->axis]);
    if (other && tuff_address(r, other) != tuff_address(r, dx))
        tuff_strided_copy(r, other, dx, false);
    else if (!other && !node->accumulate && !tuff_same_shape(&part, dx))
        record_zero(r, dx);
    tuff_strided_copy(r, dy, &part, other || node->accumulate);
}

static bool fuse_add(struct tuff_node *node, int index, struct tuff_tensor *other)
{
    if (index || node->in[IN_OTHER] || node->accumulate || !tuff_contiguous(other) ||
        (other->producer && other->producer->index > node->index))
        return false;
    node->in[IN_OTHER] = other;
    return true;
}

static void cost(const struct tuff_node *node, struct tuff_cost *cost)
{
    double part = (double) tuff_elements(node->in[IN_DY]) * 4;
    double whole = (double) tuff_elements(node->out[0]) * 4;
    cost->bytes = node->accumulate || node->in[IN_OTHER] ? 3 * part : 2 * part + whole;
}

static const struct tuff_op grad_op = {.name = "slice_grad",
                                       .record = record_grad,
                                       .cost = cost,
                                       .convert = tuff_half_convert,
                                       .inplace_input = IN_OTHER + 1,
                                       .accumulates = true,
                                       .fuse_add = fuse_add};

static void grad(struct tuff_graph *g, struct tuff_node *node, struct tuff_tensor *const dy[],
                 struct tuff_tensor *dx[])
{
    const struct tuff_tensor *x = node->in[0];
    struct tuff_tensor *d = tuff_tensor_new(g, tuff_is_half(x) ? x->dtype : TUFF_F32, x->rank, x->dims);
    struct tuff_tensor *in[N_IN] = {dy[0]};
    if (d && in[IN_DY] && tuff_node_add(g, &grad_op, in, N_IN, &d, 1, node->attr, sizeof(struct attr)))
        dx[0] = d;
}

const struct tuff_op tuff_op_slice = {.name = "slice", .grad = grad};
