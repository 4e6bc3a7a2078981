/* ops/activation: gelu, relu, silu and tanh, forward and gradient. Not an op itself. */
#include "ops/activation.h"

#include "ops/flat_cpu.h"
#include "ops/half.h"

#include "elementwise/activation.h"

struct attr {
    enum tuff_activation act;
};

/* dy NULL: forward. */
static void launch(struct tuff_recorder *r, enum tuff_activation act, const struct tuff_tensor *x,
                   const struct tuff_tensor *dy, const struct tuff_tensor *y)
{
    struct tuff_flat_cpu flat = {
        .f = dy ? "activate_grad" : "activate", .a = x, .b = dy, .y = y, .act = act};
    if (tuff_flat_cpu(r, &flat))
        return;
    enum tuff_flat_form form = tuff_flat_form(r, (const struct tuff_tensor *[]) {x, dy, NULL}, y);
    struct tuff_activation_params p = {.x = tuff_address(r, x),
                                       .dy = tuff_address(r, dy),
                                       .y = tuff_address(r, y),
                                       .x_at = tuff_flat_at(x),
                                       .dy_at = tuff_flat_at(dy),
                                       .n = (uint32_t) tuff_elements(y) / tuff_flat_width(form)};
    tuff_launch(r, &(struct tuff_launch_params) {
                       .kernel = dy ? TUFF_FLAT_KERNELS("elementwise/activation.grad")[form]
                                    : TUFF_FLAT_KERNELS("elementwise/activation.forward")[form],
                       .push = &p,
                       .push_bytes = sizeof p,
                       .spec = (uint32_t[]) {act, tuff_half_spec(x)},
                       .n_spec = form == TUFF_FLAT_HALF ? 2 : 1,
                       .groups = {tuff_flat_groups(p.n)},
                       .views = {x, dy},
                       .in = {x, dy},
                       .out = {y}});
}

struct tuff_tensor *tuff_activation_op(struct tuff_graph *g, const struct tuff_op *op,
                                       struct tuff_tensor *x, enum tuff_activation act)
{
    if (!x || !tuff_check_float(g, op->name, "x", x))
        return NULL;
    if (!tuff_contiguous(x))
        x = tuff_copy(g, x);
    struct tuff_tensor *y = x ? tuff_tensor_new(g, x->dtype, x->rank, x->dims) : NULL;
    return y && tuff_node_add(g, op, &x, 1, &y, 1, &(struct attr) {act}, sizeof(struct attr))
               ? y
               : NULL;
}

enum tuff_activation tuff_activation_of(const struct tuff_node *node)
{
    if (node->op->record != tuff_activation_op_record)
        return TUFF_ACT_NONE;
    return ((const struct attr *) node->attr)->act;
}

void tuff_activation_op_record(struct tuff_recorder *r, const struct tuff_node *node)
{
    const struct attr *attr = node->attr;
    launch(r, attr->act, node->in[0], NULL, node->out[0]);
}

void tuff_activation_op_grad(struct tuff_graph *g, struct tuff_node *node,
                             struct tuff_tensor *const dy[], struct tuff_tensor *dx[])
{
    const struct attr *attr = node->attr;
    struct tuff_tensor *d = tuff_contiguous(dy[0]) ? dy[0] : tuff_copy(g, dy[0]);
    dx[0] = tuff_activation_grad(g, node->in[0], d, attr->act);
}

static void record_grad(struct tuff_recorder *r, const struct tuff_node *node)
{
    const struct attr *attr = node->attr;
    launch(r, attr->act, node->in[0], node->in[1], node->out[0]);
}

static void grad_cost(const struct tuff_node *node, struct tuff_cost *cost)
{
    const struct attr *attr = node->attr;
    cost->flops = (attr->act == TUFF_ACT_RELU ? 1 : 16) * (double) tuff_elements(node->out[0]);
}

/* May take dy's place. */
static const struct tuff_op grad_op = {
    .name = "activation_grad", .record = record_grad, .cost = grad_cost,
    .convert = tuff_half_convert, .halves = tuff_halves_flat, .inplace_input = 2};

struct tuff_tensor *tuff_activation_grad(struct tuff_graph *g, struct tuff_tensor *x,
                                         struct tuff_tensor *dy, enum tuff_activation act)
{
    if (!x || !dy)
        return NULL;
    struct tuff_tensor *dx = tuff_tensor_new(g, x->dtype, x->rank, x->dims);
    return dx && tuff_node_add(g, &grad_op, (struct tuff_tensor *[]) {x, dy}, 2, &dx, 1,
                               &(struct attr) {act}, sizeof(struct attr))
               ? dx
               : NULL;
}
