/* ops/window: sums over windows of images, and their adjoint. Not an op itself. */
#include "ops/window.h"

#include "ops/flat.h"
#include "ops/half.h"

#include "image/window.h"

bool tuff_check_image(struct tuff_graph *g, const char *op, const char *argument,
                      const struct tuff_tensor *x)
{
    if (!tuff_check_float(g, op, argument, x))
        return false;
    if (x->rank == 4)
        return true;
    tuff_graph_fail(g, TUFF_E_SHAPE, "%s: %s is %s, not an image [B, H, W, C]", op, argument,
                    tuff_shape_text(x));
    return false;
}

struct tuff_tensor *tuff_window_op(struct tuff_graph *g, const struct tuff_op *op,
                                   struct tuff_tensor *x, int64_t h, int64_t w,
                                   const struct tuff_window_attr *attr)
{
    if (!tuff_contiguous(x))
        x = tuff_copy(g, x);
    if (!x)
        return NULL;
    int64_t dims[] = {x->dims[0], h, w, x->dims[3]};
    struct tuff_tensor *y = tuff_tensor_new(g, x->dtype, 4, dims);
    return y && tuff_node_add(g, op, &x, 1, &y, 1, attr, sizeof *attr) ? y : NULL;
}

void tuff_window_record(struct tuff_recorder *r, const struct tuff_node *node)
{
    const struct tuff_window_attr *attr = node->attr;
    const struct tuff_tensor *x = node->in[0], *y = node->out[0];
    enum tuff_flat_form form = x->dims[3] % 4 == 0
                                   ? tuff_flat_form(r, (const struct tuff_tensor *[]) {x, NULL}, y)
                                   : TUFF_FLAT_SCALAR;
    uint32_t width = tuff_flat_width(form);
    struct tuff_window_params p = {.x = tuff_address(r, x),
                                   .y = tuff_address(r, y),
                                   .x_at = tuff_flat_at(x),
                                   .n = (uint32_t) tuff_elements(y) / width,
                                   .units = (uint32_t) x->dims[3] / width,
                                   .y_height = (uint32_t) y->dims[1],
                                   .y_width = (uint32_t) y->dims[2],
                                   .x_height = (uint32_t) x->dims[1],
                                   .x_width = (uint32_t) x->dims[2],
                                   .kernel = (uint32_t) attr->kernel,
                                   .stride = (uint32_t) attr->stride,
                                   .padding = (uint32_t) attr->padding,
                                   .scale = attr->scale};
    tuff_launch(r, &(struct tuff_launch_params) {
                       .kernel = attr->spread ? TUFF_FLAT_KERNELS("image/window.spread")[form]
                                              : TUFF_FLAT_KERNELS("image/window.pool")[form],
                       .push = &p,
                       .push_bytes = sizeof p,
                       .groups = {tuff_flat_groups(p.n)},
                       .views = {x},
                       .in = {x},
                       .out = {y}});
}

/* Each form is linear, and its matrix the transpose of the other's. */
static const struct tuff_op grad_op = {
    .name = "window_grad", .record = tuff_window_record, .cost = tuff_window_cost,
    .convert = tuff_half_convert};

void tuff_window_grad(struct tuff_graph *g, struct tuff_node *node, struct tuff_tensor *const dy[],
                      struct tuff_tensor *dx[])
{
    struct tuff_window_attr attr = *(const struct tuff_window_attr *) node->attr;
    const struct tuff_tensor *x = node->in[0];
    attr.spread = !attr.spread;
    dx[0] = dy[0] ? tuff_window_op(g, &grad_op, dy[0], x->dims[1], x->dims[2], &attr) : NULL;
}

void tuff_window_cost(const struct tuff_node *node, struct tuff_cost *cost)
{
    const struct tuff_window_attr *attr = node->attr;
    const struct tuff_tensor *windows = attr->spread ? node->in[0] : node->out[0];
    cost->flops = (double) tuff_elements(windows) * (double) (attr->kernel * attr->kernel);
    cost->bytes = 4 * (double) (tuff_elements(node->in[0]) + tuff_elements(node->out[0]));
}
