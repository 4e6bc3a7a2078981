/* ops/cast: another dtype by value. */
#include "ops/flat_cpu.h"
#include "tuff/ops.h"

#include "elementwise/cast.h"

struct tuff_tensor *tuff_cast(struct tuff_graph *g, struct tuff_tensor *x, enum tuff_dtype dtype)
{
    if (!x || x->dtype == dtype)
        return x;
    if ((x->dtype != TUFF_F32 && x->dtype != TUFF_U32) || (dtype != TUFF_F32 && dtype != TUFF_U32))
        return tuff_graph_fail(g, TUFF_E_DTYPE, "cast: from %s to %s; only F32 and U32 are supported",
                               tuff_dtype_name(x->dtype), tuff_dtype_name(dtype));
    if (!tuff_contiguous(x))
        x = tuff_copy(g, x);
    struct tuff_tensor *y = x ? tuff_tensor_new(g, dtype, x->rank, x->dims) : NULL;
    return y && tuff_node_add(g, &tuff_op_cast, &x, 1, &y, 1, NULL, 0) ? y : NULL;
}

static void record(struct tuff_recorder *r, const struct tuff_node *node)
{
    uint64_t n = (uint64_t) tuff_elements(node->out[0]);
    bool to_f32 = node->out[0]->dtype == TUFF_F32;
    struct tuff_flat_cpu flat = {
        .f = to_f32 ? "to_f32" : "to_u32", .a = node->in[0], .y = node->out[0]};
    if (tuff_flat_cpu(r, &flat))
        return;
    struct tuff_cast_params p = {.x = tuff_address(r, node->in[0]),
                                 .y = tuff_address(r, node->out[0]),
                                 .n = (uint32_t) n};
    tuff_launch(r, &(struct tuff_launch_params) {
                       .kernel = to_f32 ? "elementwise/cast.to_f32" : "elementwise/cast.to_u32",
                       .push = &p,
                       .push_bytes = sizeof p,
                       .groups = {tuff_groups(n, 1024)},
                       .in = {node->in[0]},
                       .out = {node->out[0]}});
}

/* No gradient: whole numbers have none. */
const struct tuff_op tuff_op_cast = {.name = "cast", .record = record, .inplace_input = 1};
