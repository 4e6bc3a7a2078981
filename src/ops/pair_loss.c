/* ops/pair_loss: losses of pairs of elements, reduced by sum and scale. Not an op itself. */
#include "ops/half.h"
#include "ops/pair_loss.h"

#include "ops/flat.h"

#include "loss/pairs.h"

struct attr {
    enum tuff_pair_loss loss;
    bool by_target; /* gradient only */
};

/* dy NULL: forward. */
static void launch(struct tuff_recorder *r, const struct attr *attr, const struct tuff_tensor *x,
                   const struct tuff_tensor *t, const struct tuff_tensor *dy,
                   const struct tuff_tensor *y)
{
    enum tuff_flat_form form =
        tuff_flat_form(r, (const struct tuff_tensor *[]) {x, t, dy, NULL}, y);
    struct tuff_loss_pairs_params p = {.x = tuff_address(r, x),
                                       .t = tuff_address(r, t),
                                       .dy = tuff_address(r, dy),
                                       .y = tuff_address(r, y),
                                       .x_at = tuff_flat_at(x),
                                       .t_at = tuff_flat_at(t),
                                       .dy_at = tuff_flat_at(dy),
                                       .n = (uint32_t) tuff_elements(y) / tuff_flat_width(form)};
    uint32_t spec[] = {attr->loss, attr->by_target};
    tuff_launch(r, &(struct tuff_launch_params) {
                       .kernel = dy ? TUFF_FLAT_KERNELS("loss/pairs.grad")[form]
                                    : TUFF_FLAT_KERNELS("loss/pairs.forward")[form],
                       .push = &p,
                       .push_bytes = sizeof p,
                       .spec = spec,
                       .n_spec = TUFF_COUNT(spec),
                       .groups = {tuff_flat_groups(p.n)},
                       .views = {x, t, dy},
                       .in = {x, t, dy},
                       .out = {y}});
}

static struct tuff_tensor *add_node(struct tuff_graph *g, const struct tuff_op *op,
                                    struct tuff_tensor *const *in, int n_in,
                                    const struct attr *attr)
{
    struct tuff_tensor *y = tuff_tensor_new(g, TUFF_F32, in[0]->rank, in[0]->dims);
    return y && tuff_node_add(g, op, in, n_in, &y, 1, attr, sizeof *attr) ? y : NULL;
}

struct tuff_tensor *tuff_loss_reduce(struct tuff_graph *g, struct tuff_tensor *y,
                                     enum tuff_reduction reduction)
{
    if (!y || reduction == TUFF_REDUCTION_NONE)
        return y;
    int64_t n = reduction == TUFF_REDUCTION_MEAN                   ? tuff_elements(y)
                : reduction == TUFF_REDUCTION_BATCHMEAN && y->rank ? y->dims[0]
                                                                   : 1;
    y = tuff_sum(g, y);
    return n > 1 ? tuff_scale(g, y, (float) (1.0 / (double) n), 0) : y;
}

struct tuff_tensor *tuff_pair_loss_op(struct tuff_graph *g, const struct tuff_op *op,
                                      struct tuff_tensor *x, struct tuff_tensor *target,
                                      enum tuff_pair_loss loss, enum tuff_reduction reduction)
{
    x = tuff_widen(g, x);
    target = tuff_widen(g, target);
    if (!x || !target || !tuff_check_f32(g, op->name, "x", x) ||
        !tuff_check_f32(g, op->name, "target", target))
        return NULL;
    if (!tuff_same_shape(x, target))
        return tuff_graph_fail(g, TUFF_E_SHAPE, "%s: x %s, target %s", op->name,
                               tuff_shape_text(x), tuff_shape_text(target));
    struct tuff_tensor *in[] = {tuff_contiguous(x) ? x : tuff_copy(g, x),
                                tuff_contiguous(target) ? target : tuff_copy(g, target)};
    if (!in[0] || !in[1])
        return NULL;
    struct tuff_tensor *y = add_node(g, op, in, 2, &(struct attr) {.loss = loss});
    return tuff_loss_reduce(g, y, reduction);
}

void tuff_pair_loss_record(struct tuff_recorder *r, const struct tuff_node *node)
{
    launch(r, node->attr, node->in[0], node->in[1], NULL, node->out[0]);
}

static void record_grad(struct tuff_recorder *r, const struct tuff_node *node)
{
    launch(r, node->attr, node->in[0], node->in[1], node->in[2], node->out[0]);
}

/* May take dy's place. */
static const struct tuff_op grad_op = {
    .name = "pair_loss_grad", .record = record_grad, .element_flops = 6, .inplace_input = 3};

void tuff_pair_loss_grad(struct tuff_graph *g, struct tuff_node *node,
                         struct tuff_tensor *const dy[], struct tuff_tensor *dx[])
{
    struct attr attr = *(const struct attr *) node->attr;
    struct tuff_tensor *d = tuff_contiguous(dy[0]) ? dy[0] : tuff_copy(g, dy[0]);
    for (int i = 0; i < 2 && d; i++) {
        attr.by_target = i == 1;
        if (node->in[i]->needs_grad)
            dx[i] = add_node(g, &grad_op, (struct tuff_tensor *[]) {node->in[0], node->in[1], d},
                             3, &attr);
    }
}
