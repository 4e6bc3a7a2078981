/* ops/scale: y = alpha x + beta. */
#include "ops/flat_cpu.h"
#include "ops/half.h"
#include "tuff/ops.h"

#include "elementwise/scale.h"

struct attr {
    float alpha, beta;
};

struct tuff_tensor *tuff_scale(struct tuff_graph *g, struct tuff_tensor *x, float alpha, float beta)
{
    if (!x || !tuff_check_float(g, "scale", "x", x))
        return NULL;
    if (!tuff_contiguous(x))
        x = tuff_copy(g, x);
    struct tuff_tensor *y = x ? tuff_tensor_new(g, x->dtype, x->rank, x->dims) : NULL;
    if (!y || !tuff_node_add(g, &tuff_op_scale, &x, 1, &y, 1, &(struct attr) {alpha, beta},
                             sizeof(struct attr)))
        return NULL;
    return y;
}

static void record(struct tuff_recorder *r, const struct tuff_node *node)
{
    const struct attr *attr = node->attr;
    const struct tuff_tensor *x = node->in[0], *y = node->out[0];
    struct tuff_flat_cpu flat = {
        .f = "scale", .a = x, .y = y, .alpha = attr->alpha, .beta = attr->beta};
    if (tuff_flat_cpu(r, &flat))
        return;
    enum tuff_flat_form form = tuff_flat_form(r, (const struct tuff_tensor *[]) {x, NULL}, y);
    struct tuff_scale_params p = {.x = tuff_address(r, x),
                                  .y = tuff_address(r, y),
                                  .x_at = tuff_flat_at(x),
                                  .n = (uint32_t) tuff_elements(y) / tuff_flat_width(form),
                                  .alpha = attr->alpha,
                                  .beta = attr->beta};
    tuff_launch(r, &(struct tuff_launch_params) {
                       .kernel = TUFF_FLAT_KERNELS("elementwise/scale")[form],
                       .push = &p,
                       .push_bytes = sizeof p,
                       .spec = (uint32_t[]) {tuff_half_spec(x)},
                       .n_spec = form == TUFF_FLAT_HALF,
                       .groups = {tuff_flat_groups(p.n)},
                       .views = {x},
                       .in = {x},
                       .out = {y}});
}

static void grad(struct tuff_graph *g, struct tuff_node *node, struct tuff_tensor *const dy[],
                 struct tuff_tensor *dx[])
{
    const struct attr *attr = node->attr;
    dx[0] = tuff_scale(g, dy[0], attr->alpha, 0);
}

const struct tuff_op tuff_op_scale = {
    .name = "scale", .record = record, .grad = grad, .convert = tuff_half_convert,
    .halves = tuff_halves_flat,
    .element_flops = 2, .inplace_input = 1};
