/* ops/binary: broadcasting for elementwise ops of two operands. Not an op itself. */
#include "ops/half.h"
#include "ops/binary.h"

#include "ops/flat_cpu.h"

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
    if (!a || !b || !tuff_check_float(g, op->name, "a", a) || !tuff_check_float(g, op->name, "b", b))
        return NULL;
    int rank = TUFF_MAX(a->rank, b->rank);
    int64_t dims[TUFF_RANK_MAX];
    for (int i = 0; i < rank; i++) {
        dims[rank - 1 - i] = broadcast_dim(a, b, i);
        if (!dims[rank - 1 - i])
            return tuff_graph_fail(g, TUFF_E_SHAPE, "%s: %s and %s do not broadcast", op->name,
                                   tuff_shape_text(a), tuff_shape_text(b));
    }
    enum tuff_dtype dtype = a->dtype == b->dtype ? a->dtype : TUFF_F32;
    struct tuff_tensor *y = tuff_tensor_new(g, dtype, rank, dims);
    if (!y || !tuff_node_add(g, op, (struct tuff_tensor *[]) {a, b}, 2, &y, 1, NULL, 0))
        return NULL;
    return y;
}

struct tuff_halves tuff_binary_halves(const struct tuff_node *node,
                                      const struct tuff_device_info *device)
{
    const struct tuff_tensor *a = node->in[0], *b = node->in[1], *y = node->out[0];
    (void) device;
    if (a->dtype != y->dtype || b->dtype != y->dtype || a->offset % 4 || b->offset % 4)
        return (struct tuff_halves) {0};
    struct tuff_axes axes = tuff_collapse(y, (const struct tuff_tensor *[]) {a, b, y});
    return tuff_axes_wide(&axes) ? (struct tuff_halves) {3, 1} : (struct tuff_halves) {0};
}

void tuff_binary_record(struct tuff_recorder *r, const struct tuff_node *node,
                        const char *const kernels[])
{
    const struct tuff_tensor *a = node->in[0], *b = node->in[1], *y = node->out[0];
    if (tuff_flat_cpu(r, &(struct tuff_flat_cpu) {.f = node->op->name, .a = a, .b = b, .y = y}))
        return;
    struct tuff_axes axes = tuff_collapse(y, (const struct tuff_tensor *[]) {a, b, y});
    enum tuff_flat_form form =
        tuff_axes_form(r, &axes, (const struct tuff_tensor *[]) {a, b, NULL}, y);
    struct tuff_binary_params p = {.a = tuff_address(r, a),
                                   .b = tuff_address(r, b),
                                   .y = tuff_address(r, y),
                                   .a_at = tuff_flat_at(a),
                                   .b_at = tuff_flat_at(b),
                                   .n = (uint32_t) tuff_elements(y) / tuff_flat_width(form)};
    memcpy(p.dims, axes.dims, sizeof p.dims);
    memcpy(p.a_strides, axes.strides[0], sizeof p.a_strides);
    memcpy(p.b_strides, axes.strides[1], sizeof p.b_strides);
    tuff_launch(r, &(struct tuff_launch_params) {.kernel = kernels[form],
                                                 .push = &p,
                                                 .push_bytes = sizeof p,
                                                 .spec = (uint32_t[]) {axes.n, tuff_half_spec(y)},
                                                 .n_spec = form == TUFF_FLAT_HALF ? 2 : 1,
                                                 .groups = {tuff_flat_groups(p.n)},
                                                 .views = {a, b},
                                                 .in = {a, b},
                                                 .out = {y}});
}
