/* ops/binary: broadcasting for elementwise ops of two operands. Not an op itself. */
#include "ops/binary.h"

#include "elementwise/binary.h"

/* Size of the broadcast result along `axis` counted from the end; 0: they do not fit. */
static int64_t broadcast_dim(const struct tuff_tensor *a, const struct tuff_tensor *b, int from_end)
{
    int64_t x = from_end < a->rank ? a->dims[a->rank - 1 - from_end] : 1;
    int64_t y = from_end < b->rank ? b->dims[b->rank - 1 - from_end] : 1;
    return x == y || y == 1 ? x : x == 1 ? y : 0;
}

struct tuff_tensor *tuff_binary(struct tuff_graph *g, const struct tuff_op *op,
                                struct tuff_tensor *a, struct tuff_tensor *b)
{
    if (!a || !b || !tuff_check_f32(g, op->name, "a", a) || !tuff_check_f32(g, op->name, "b", b))
        return NULL;
    int rank = TUFF_MAX(a->rank, b->rank);
    int64_t dims[TUFF_RANK_MAX];
    for (int i = 0; i < rank; i++) {
        dims[rank - 1 - i] = broadcast_dim(a, b, i);
        if (!dims[rank - 1 - i])
            return tuff_graph_fail(g, TUFF_E_SHAPE, "%s: %s and %s do not broadcast", op->name,
                                   tuff_shape_text(a), tuff_shape_text(b));
    }
    struct tuff_tensor *y = tuff_tensor_new(g, TUFF_F32, rank, dims);
    if (!y || !tuff_node_add(g, op, (struct tuff_tensor *[]) {a, b}, 2, &y, 1, NULL, 0))
        return NULL;
    return y;
}

static void strides_for(const struct tuff_tensor *x, const struct tuff_tensor *y, uint32_t out[6])
{
    for (int i = 0; i < TUFF_RANK_MAX; i++) {
        int from_end = TUFF_RANK_MAX - 1 - i, axis = x->rank - 1 - from_end;
        bool stretched = axis < 0 || (x->dims[axis] == 1 && y->dims[y->rank - 1 - from_end] != 1);
        out[i] = stretched ? 0 : (uint32_t) x->strides[axis];
    }
}

void tuff_binary_record(struct tuff_recorder *r, const struct tuff_node *node, const char *kernel)
{
    const struct tuff_tensor *a = node->in[0], *b = node->in[1], *y = node->out[0];
    uint64_t n = (uint64_t) tuff_elements(y);
    struct tuff_binary_params p = {.a = tuff_address(r, a),
                                   .b = tuff_address(r, b),
                                   .y = tuff_address(r, y),
                                   .n = (uint32_t) n};
    for (int i = 0; i < TUFF_RANK_MAX; i++) {
        int axis = y->rank - TUFF_RANK_MAX + i;
        p.dims[i] = axis < 0 ? 1 : (uint32_t) y->dims[axis];
    }
    strides_for(a, y, p.a_strides);
    strides_for(b, y, p.b_strides);
    uint32_t flat = tuff_same_shape(a, y) && tuff_same_shape(b, y) && tuff_contiguous(a) &&
                    tuff_contiguous(b);
    tuff_launch(r, &(struct tuff_launch_params) {.kernel = kernel,
                                                 .push = &p,
                                                 .push_bytes = sizeof p,
                                                 .spec = &flat,
                                                 .n_spec = 1,
                                                 .groups = {tuff_groups(n, 1024)},
                                                 .in = {node->in[0], node->in[1]},
                                                 .out = {node->out[0]}});
}
