/* ops/noise: y = x + scale u, u uniform. The gradient is dy itself. */
#include "ops/half.h"
#include "ops/flat.h"
#include "tuff/ops.h"

#include "elementwise/noise.h"

#include <math.h>

struct attr {
    float scale;
    uint32_t stream;
};

struct tuff_tensor *tuff_noise(struct tuff_graph *g, struct tuff_tensor *x, float scale,
                               struct tuff_tensor *seed, uint32_t stream)
{
    if (tuff_is_half(x))
        return tuff_narrow(g, tuff_noise(g, tuff_widen(g, x), scale, seed, stream), x);
    if (!x || !seed || !tuff_check_f32(g, "noise", "x", x))
        return NULL;
    if (!(scale >= 0 && isfinite(scale)))
        return tuff_graph_fail(g, TUFF_E_RANGE, "noise: scale is %g", (double) scale);
    if (seed->dtype != TUFF_U32)
        return tuff_graph_fail(g, TUFF_E_DTYPE, "noise: seed is %s, not U32",
                               tuff_dtype_name(seed->dtype));
    if (seed->rank != 1 || seed->dims[0] != 2 || !tuff_contiguous(seed))
        return tuff_graph_fail(g, TUFF_E_SHAPE, "noise: seed is %s, not [2]", tuff_shape_text(seed));
    if (!tuff_contiguous(x))
        x = tuff_copy(g, x);
    struct tuff_tensor *y = x ? tuff_tensor_new(g, TUFF_F32, x->rank, x->dims) : NULL;
    return y && tuff_node_add(g, &tuff_op_noise, (struct tuff_tensor *[]) {x, seed}, 2, &y, 1,
                              &(struct attr) {scale, stream}, sizeof(struct attr))
               ? y
               : NULL;
}

static void record(struct tuff_recorder *r, const struct tuff_node *node)
{
    const struct attr *attr = node->attr;
    const struct tuff_tensor *x = node->in[0], *seed = node->in[1], *y = node->out[0];
    enum tuff_flat_form form = tuff_flat_form(r, (const struct tuff_tensor *[]) {x, NULL}, y);
    struct tuff_noise_params p = {.x = tuff_address(r, x),
                                  .seed = tuff_address(r, seed),
                                  .y = tuff_address(r, y),
                                  .x_at = tuff_flat_at(x),
                                  .n = (uint32_t) tuff_elements(y) / tuff_flat_width(form),
                                  .stream = attr->stream,
                                  .scale = attr->scale};
    tuff_launch(r, &(struct tuff_launch_params) {
                       .kernel = TUFF_FLAT_KERNELS("elementwise/noise")[form],
                       .push = &p,
                       .push_bytes = sizeof p,
                       .groups = {tuff_flat_groups(p.n)},
                       .views = {x},
                       .in = {x, seed},
                       .out = {y}});
}

static void grad(struct tuff_graph *g, struct tuff_node *node, struct tuff_tensor *const dy[],
                 struct tuff_tensor *dx[])
{
    (void) g;
    (void) node;
    dx[0] = dy[0];
}

const struct tuff_op tuff_op_noise = {
    .name = "noise", .record = record, .grad = grad, .element_flops = 2, .inplace_input = 1};
