/* ops/dropout: y = keep ? x / (1 - p) : 0. The gradient is the same op on dy: the mask comes out
 * of the generator again. */
#include "ops/half.h"
#include "ops/flat_cpu.h"
#include "tuff/ops.h"

#include "elementwise/dropout.h"

struct attr {
    float p;
    uint32_t stream;
};

struct tuff_tensor *tuff_dropout(struct tuff_graph *g, struct tuff_tensor *x, float p,
                                 struct tuff_tensor *seed, uint32_t stream)
{
    if (!x || !tuff_check_float(g, "dropout", "x", x))
        return NULL;
    if (!(p >= 0 && p < 1))
        return tuff_graph_fail(g, TUFF_E_RANGE, "dropout: p is %g; it must be in [0, 1)",
                               (double) p);
    if (p == 0)
        return x;
    if (!seed)
        return tuff_graph_fail(g, TUFF_E_ARG, "dropout: a seed is needed where p is not 0");
    if (seed->dtype != TUFF_U32)
        return tuff_graph_fail(g, TUFF_E_DTYPE, "dropout: seed is %s, not U32",
                               tuff_dtype_name(seed->dtype));
    if (seed->rank != 1 || seed->dims[0] != 2 || !tuff_contiguous(seed))
        return tuff_graph_fail(g, TUFF_E_SHAPE, "dropout: seed is %s, not [2]",
                               tuff_shape_text(seed));
    if (!tuff_contiguous(x))
        x = tuff_copy(g, x);
    struct tuff_tensor *y = x ? tuff_tensor_new(g, x->dtype, x->rank, x->dims) : NULL;
    return y && tuff_node_add(g, &tuff_op_dropout, (struct tuff_tensor *[]) {x, seed}, 2, &y, 1,
                              &(struct attr) {p, stream}, sizeof(struct attr))
               ? y
               : NULL;
}

static void record(struct tuff_recorder *r, const struct tuff_node *node)
{
    const struct attr *attr = node->attr;
    const struct tuff_tensor *x = node->in[0], *seed = node->in[1], *y = node->out[0];
    /* Comparing whole numbers: 24 bits of the generator / 2^24 >= p exactly when they are at least
     * p 2^24 rounded up. */
    double cut = (double) attr->p * 0x1p24;
    uint32_t floor = (uint32_t) cut;
    struct tuff_flat_cpu flat = {.f = "dropout", .a = x, .y = y, .alpha = 1 / (1 - attr->p),
                                 .seed = seed, .cut = floor + (floor < cut),
                                 .stream = attr->stream};
    if (tuff_flat_cpu(r, &flat))
        return;
    enum tuff_flat_form form = tuff_flat_form(r, (const struct tuff_tensor *[]) {x, NULL}, y);
    struct tuff_dropout_params p = {.x = tuff_address(r, x),
                                    .seed = tuff_address(r, seed),
                                    .y = tuff_address(r, y),
                                    .x_at = tuff_flat_at(x),
                                    .n = (uint32_t) tuff_elements(y) / tuff_flat_width(form),
                                    .cut = flat.cut,
                                    .stream = attr->stream,
                                    .scale = flat.alpha};
    tuff_launch(r, &(struct tuff_launch_params) {
                       .kernel = TUFF_FLAT_KERNELS("elementwise/dropout")[form],
                       .push = &p,
                       .push_bytes = sizeof p,
                       .spec = (uint32_t[]) {tuff_half_spec(x)},
                       .n_spec = form == TUFF_FLAT_HALF,
                       .groups = {tuff_flat_groups(p.n)},
                       .views = {x},
                       .in = {x, seed},
                       .out = {y}});
}

static void grad(struct tuff_graph *g, struct tuff_node *node, struct tuff_tensor *const dy[],
                 struct tuff_tensor *dx[])
{
    const struct attr *attr = node->attr;
    dx[0] = tuff_dropout(g, dy[0], attr->p, node->in[1], attr->stream);
}

const struct tuff_op tuff_op_dropout = {
    .name = "dropout", .record = record, .grad = grad, .convert = tuff_half_convert,
    .halves = tuff_halves_flat,
    .element_flops = 1, .inplace_input = 1};
