/* ops/cast: another dtype by value. */
#include "ops/flat_cpu.h"
#include "ops/half.h"

#include "elementwise/cast.h"

static const struct tuff_op half_op;

static bool possible(enum tuff_dtype from, enum tuff_dtype to)
{
    enum tuff_dtype other = from == TUFF_F32 ? to : from;
    return (from == TUFF_F32 || to == TUFF_F32) && (other == TUFF_U32 || tuff_dtype_is_half(other));
}

struct tuff_tensor *tuff_cast(struct tuff_graph *g, struct tuff_tensor *x, enum tuff_dtype dtype)
{
    if (!x || x->dtype == dtype)
        return x;
    if (dtype != TUFF_F32)
        x = tuff_widen(g, x); /* between the two half types: by way of F32, which holds both */
    if (!x)
        return NULL;
    if (!possible(x->dtype, dtype))
        return tuff_graph_fail(
            g, TUFF_E_DTYPE, "cast: from %s to %s; only F32 to and from U32, F16, BF16 is supported",
            tuff_dtype_name(x->dtype), tuff_dtype_name(dtype));
    bool half = tuff_is_half(x) || tuff_dtype_is_half(dtype); /* takes any view */
    if (!half && !tuff_contiguous(x))
        x = tuff_copy(g, x);
    struct tuff_tensor *y = x ? tuff_tensor_new(g, dtype, x->rank, x->dims) : NULL;
    return y && tuff_node_add(g, half ? &half_op : &tuff_op_cast, &x, 1, &y, 1, NULL, 0)
               ? y
               : NULL;
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

static void record_half(struct tuff_recorder *r, const struct tuff_node *node)
{
    tuff_half_convert(r, node->in[0], node->out[0]);
}

/* Rounding counts as the identity: the backward pass gives dx the dtype of x. */
static void grad_half(struct tuff_graph *g, struct tuff_node *node, struct tuff_tensor *const dy[],
                      struct tuff_tensor *dx[])
{
    (void) node;
    dx[0] = tuff_cast(g, dy[0], node->in[0]->dtype);
}

static const struct tuff_op half_op = {
    .name = "cast", .record = record_half, .grad = grad_half};

bool tuff_is_widening(const struct tuff_node *node)
{
    return node->op == &half_op && node->out[0]->dtype == TUFF_F32;
}

bool tuff_is_half_parameter(const struct tuff_node *node)
{
    return node && node->op == &half_op && node->in[0]->variable && tuff_is_half(node->out[0]);
}
