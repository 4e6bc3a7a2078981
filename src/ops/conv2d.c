/* ops/conv2d: shapes, choice of kernel, gradients. See tuff/ops.h and docs/conv.md. */
#include "ops/half.h"
#include "ops/conv2d_packed.h"
#include "ops/matmul_tiled.h"
#include "ops/rows.h"
#include "ops/window.h"

#include "conv/conv2d.h"
#include "matmul/sum_parts.h"

static bool valid(struct tuff_graph *g, const struct tuff_tensor *x, const struct tuff_tensor *w,
                  const struct tuff_conv2d_args *args)
{
    if (!tuff_check_image(g, "conv2d", "x", x) || !tuff_check_float(g, "conv2d", "weight", w) ||
        (args->bias && !tuff_check_float(g, "conv2d", "bias", args->bias)))
        return false;
    if (args->stride < 0 || args->padding < 0 || args->stride > 65536 || args->padding > 65536)
        tuff_graph_fail(g, TUFF_E_RANGE,
                        "conv2d: stride %d, padding %d; they must be between 0 and 65536",
                        args->stride, args->padding);
    else if (w->rank != 4 || w->dims[3] != x->dims[3])
        tuff_graph_fail(g, TUFF_E_SHAPE, "conv2d: weight %s is not [O, KH, KW, C] for x %s",
                        tuff_shape_text(w), tuff_shape_text(x));
    else if (w->dims[1] > x->dims[1] + 2 * args->padding ||
             w->dims[2] > x->dims[2] + 2 * args->padding)
        tuff_graph_fail(g, TUFF_E_SHAPE, "conv2d: weight %s is larger than x %s with padding %d",
                        tuff_shape_text(w), tuff_shape_text(x), args->padding);
    else if (args->bias && (args->bias->rank != 1 || args->bias->dims[0] != w->dims[0]))
        tuff_graph_fail(g, TUFF_E_SHAPE, "conv2d: bias %s must be [%lld]",
                        tuff_shape_text(args->bias), (long long) w->dims[0]);
    else
        return true;
    return false;
}

/* A kernel of one pixel, each pixel once: a product of the pixels' matrix. */
static struct tuff_tensor *as_matmul(struct tuff_graph *g, struct tuff_tensor *x,
                                     struct tuff_tensor *w, struct tuff_tensor *bias)
{
    w = tuff_reshape(g, w, 2, (int64_t[]) {w->dims[0], w->dims[3]});
    return tuff_matmul(g, x, w, .transpose_b = true, .bias = bias, .dtype = x->dtype);
}

struct tuff_tensor *tuff_conv2d_with(struct tuff_graph *g, struct tuff_tensor *x,
                                     struct tuff_tensor *w, const struct tuff_conv2d_args *args)
{
    if (!x || !w || !valid(g, x, w, args))
        return NULL;
    int64_t stride = args->stride ? args->stride : 1, padding = args->padding;
    struct tuff_tensor *in[CONV2D_INPUTS] = {tuff_row_operand(g, x), tuff_row_operand(g, w),
                                             tuff_row_operand(g, args->bias)};
    if (!in[CONV2D_X] || !in[CONV2D_W])
        return NULL;
    if (w->dims[1] == 1 && w->dims[2] == 1 && stride == 1 && padding == 0)
        return as_matmul(g, in[CONV2D_X], in[CONV2D_W], in[CONV2D_BIAS]);
    struct tuff_conv2d_attr attr = {
        .product = CONV2D_Y,
        .batch = x->dims[0],
        .height = x->dims[1],
        .width = x->dims[2],
        .channels = x->dims[3],
        .out_height = (x->dims[1] + 2 * padding - w->dims[1]) / stride + 1,
        .out_width = (x->dims[2] + 2 * padding - w->dims[2]) / stride + 1,
        .out_channels = w->dims[0],
        .kernel_h = w->dims[1],
        .kernel_w = w->dims[2],
        .stride = stride,
        .padding = padding};
    int64_t dims[] = {attr.batch, attr.out_height, attr.out_width, attr.out_channels};
    struct tuff_tensor *y = tuff_tensor_new(g, x->dtype, 4, dims);
    return y && tuff_node_add(g, &tuff_op_conv2d, in, CONV2D_INPUTS, &y, 1, &attr, sizeof attr)
               ? y
               : NULL;
}

void tuff_conv2d_weight_from_oihw(const float *oihw, const int64_t dims[4], float *ohwi)
{
    int64_t taps = dims[2] * dims[3];
    for (int64_t o = 0; o < dims[0]; o++)
        for (int64_t c = 0; c < dims[1]; c++)
            for (int64_t t = 0; t < taps; t++)
                ohwi[(o * taps + t) * dims[1] + c] = oihw[(o * dims[1] + c) * taps + t];
}

void tuff_conv2d_weight_to_oihw(const float *ohwi, const int64_t dims[4], float *oihw)
{
    int64_t taps = dims[2] * dims[3];
    for (int64_t o = 0; o < dims[0]; o++)
        for (int64_t c = 0; c < dims[1]; c++)
            for (int64_t t = 0; t < taps; t++)
                oihw[(o * dims[1] + c) * taps + t] = ohwi[(o * taps + t) * dims[1] + c];
}

/* x, w and y are what the product has in their places: for a gradient, a gradient or an operand. */
static void sides(const struct tuff_node *node, uint64_t *rows, uint64_t *columns, uint64_t *k)
{
    const struct tuff_conv2d_attr *a = node->attr;
    uint64_t taps = (uint64_t) (a->kernel_h * a->kernel_w);
    *rows = (uint64_t) (a->product == CONV2D_DW ? a->out_channels : tuff_rows(node->out[0]));
    *columns = (uint64_t) tuff_elements(node->out[0]) / *rows;
    *k = a->product == CONV2D_DW   ? (uint64_t) (a->batch * a->out_height * a->out_width)
         : a->product == CONV2D_DX ? taps * (uint64_t) a->out_channels
                                   : taps * (uint64_t) a->channels;
}

/* conv/tiled: on GPUs, where channels come in quads. Its tile is matmul/tiled's m, and so are the parts of k. */
static bool tiling_of(const struct tuff_device_info *device, const struct tuff_node *node,
                      struct tuff_matmul_tiling *tiling)
{
    const struct tuff_conv2d_attr *attr = node->attr;
    uint64_t rows, columns, k;
    sides(node, &rows, &columns, &k);
    return device->device_class == TUFF_CLASS_TILED && attr->channels % 4 == 0 && attr->out_channels % 4 == 0 &&
           tuff_matmul_tiling_m(device, rows, columns, k, tiling);
}

static bool in_quads(const struct tuff_tensor *x) { return !x || x->offset % 4 == 0; }

static uint64_t scratch(const struct tuff_node *node, const struct tuff_device_info *device)
{
    struct tuff_matmul_tiling tiling;
    if (!tiling_of(device, node, &tiling))
        return tuff_conv2d_packed_scratch(node, device);
    return tiling.parts > 1 ? 4 * tiling.parts * (uint64_t) tuff_elements(node->out[0]) : 0;
}

static bool record_tiled(struct tuff_recorder *r, const struct tuff_node *node, struct tuff_conv2d_params p)
{
    static const char *const kernels[] = {[CONV2D_Y] = "conv/tiled.forward",
                                          [CONV2D_DX] = "conv/tiled.x",
                                          [CONV2D_DW] = "conv/tiled.weight"};
    const struct tuff_conv2d_attr *attr = node->attr;
    const struct tuff_tensor *y = node->out[0], *bias = attr->product == CONV2D_Y ? node->in[CONV2D_BIAS] : NULL;
    struct tuff_matmul_tiling tiling;
    uint64_t rows, columns, k;
    sides(node, &rows, &columns, &k);
    if (!tuff_use_tiled_kernels(r) || !tiling_of(tuff_record_device(r), node, &tiling) ||
        !in_quads(node->in[0]) || !in_quads(node->in[1]) || !in_quads(bias) || !in_quads(y) ||
        (tiling.parts > 1 && !node->scratch))
        return false;
    bool cut = tiling.parts > 1;
    p.parts = tiling.parts;
    p.k_part = tiling.k_part;
    p.sums = cut ? tuff_scratch_address(r, node) : 0;
    struct tuff_launch_params launch = {
        .kernel = kernels[attr->product],
        .push = &p,
        .push_bytes = sizeof p,
        .groups = {tuff_groups(tuff_div_up(rows, tiling.tile->bm) * tuff_div_up(columns, tiling.tile->bn) * p.parts,
                               1)},
        .spec = (uint32_t[]) {bias != NULL, node->accumulate},
        .n_spec = 2,
        .in = {node->in[0], node->in[1], cut ? NULL : bias},
        .out = {cut ? NULL : y},
        .writes_scratch = cut,
        .flops = 2.0 * (double) rows * (double) columns * (double) k};
    tuff_launch(r, &launch);
    if (cut)
        tuff_matmul_sum_parts(r, node,
                              &(struct tuff_matmul_sum_parts_params) {.c = tuff_address(r, y),
                                                                      .bias = tuff_address(r, bias),
                                                                      .n_parts = p.parts,
                                                                      .m = (uint32_t) rows,
                                                                      .n = (uint32_t) columns,
                                                                      .batch = 1,
                                                                      .c_row = (uint32_t) columns,
                                                                      .alpha = 1},
                              &(struct tuff_matmul_tiled_spec) {
                                  .bias = bias != NULL, .accumulate = node->accumulate, .c_quads = true},
                              bias, NULL, NULL);
    return true;
}

static void record_product(struct tuff_recorder *r, const struct tuff_node *node,
                           const struct tuff_tensor *x, const struct tuff_tensor *w,
                           const struct tuff_tensor *y, const struct tuff_tensor *bias)
{
    static const char *const kernels[] = {[CONV2D_Y] = "conv/generic.forward",
                                          [CONV2D_DX] = "conv/generic.x",
                                          [CONV2D_DW] = "conv/generic.weight"};
    const struct tuff_conv2d_attr *attr = node->attr;
    if (tuff_conv2d_packed_fits(r, node)) {
        tuff_conv2d_packed_record(r, node);
        return;
    }
    struct tuff_conv2d_params p = {.x = tuff_address(r, x),
                                   .w = tuff_address(r, w),
                                   .y = tuff_address(r, y),
                                   .bias = tuff_address(r, bias),
                                   .batch = (uint32_t) attr->batch,
                                   .height = (uint32_t) attr->height,
                                   .width = (uint32_t) attr->width,
                                   .channels = (uint32_t) attr->channels,
                                   .out_height = (uint32_t) attr->out_height,
                                   .out_width = (uint32_t) attr->out_width,
                                   .out_channels = (uint32_t) attr->out_channels,
                                   .kernel_h = (uint32_t) attr->kernel_h,
                                   .kernel_w = (uint32_t) attr->kernel_w,
                                   .stride = (uint32_t) attr->stride,
                                   .padding = (uint32_t) attr->padding};
    uint64_t rows, columns, k;
    if (record_tiled(r, node, p))
        return;
    sides(node, &rows, &columns, &k);
    tuff_launch(r, &(struct tuff_launch_params) {
                       .kernel = kernels[attr->product],
                       .push = &p,
                       .push_bytes = sizeof p,
                       .groups = {tuff_groups(tuff_div_up(rows, 32) * tuff_div_up(columns, 32), 1)},
                       .spec = (uint32_t[]) {bias != NULL, node->accumulate},
                       .n_spec = 2,
                       .in = {node->in[0], node->in[1], bias},
                       .out = {node->out[0]}});
}

static void record(struct tuff_recorder *r, const struct tuff_node *node)
{
    record_product(r, node, node->in[CONV2D_X], node->in[CONV2D_W], node->out[0],
                   node->in[CONV2D_BIAS]);
}

static void record_dx(struct tuff_recorder *r, const struct tuff_node *node)
{
    record_product(r, node, node->out[0], node->in[CONV2D_GRAD_W], node->in[CONV2D_GRAD_DY], NULL);
}

static void record_dw(struct tuff_recorder *r, const struct tuff_node *node)
{
    record_product(r, node, node->in[CONV2D_GRAD_X], node->out[0], node->in[CONV2D_GRAD_DY], NULL);
}

static void cost(const struct tuff_node *node, struct tuff_cost *cost)
{
    const struct tuff_conv2d_attr *a = node->attr;
    double pixels = (double) a->batch * (double) a->out_height * (double) a->out_width;
    double weights = (double) a->out_channels * (double) a->kernel_h * (double) a->kernel_w *
                     (double) a->channels;
    cost->flops = 2 * pixels * weights;
    cost->bytes = 4 * (weights + pixels * (double) a->out_channels +
                       (double) (a->batch * a->height * a->width * a->channels));
}

static const struct tuff_op dx_op = {.name = "conv2d_dx",
                                     .record = record_dx,
                                     .scratch = scratch,
                                     .convert = tuff_half_convert,
                                     .cost = cost};
static const struct tuff_op dw_op = {.name = "conv2d_dw",
                                     .record = record_dw,
                                     .scratch = scratch,
                                     .convert = tuff_half_convert,
                                     .cost = cost,
                                     .accumulates = true};

static void grad(struct tuff_graph *g, struct tuff_node *node, struct tuff_tensor *const dy[],
                 struct tuff_tensor *dx[])
{
    struct tuff_conv2d_attr attr = *(const struct tuff_conv2d_attr *) node->attr;
    struct tuff_tensor *x = node->in[CONV2D_X], *w = node->in[CONV2D_W];
    struct tuff_tensor *bias = node->in[CONV2D_BIAS], *d = tuff_row_operand(g, dy[0]);
    if (!d)
        return;
    if (bias && bias->needs_grad)
        dx[CONV2D_BIAS] = tuff_column_sum(g, d);
    if (w->needs_grad) {
        struct tuff_tensor *dw = tuff_tensor_new(g, TUFF_F32, 4, w->dims);
        attr.product = CONV2D_DW;
        if (dw && tuff_node_add(g, &dw_op, (struct tuff_tensor *[]) {d, x}, 2, &dw, 1, &attr,
                                sizeof attr))
            dx[CONV2D_W] = dw;
    }
    if (x->needs_grad) {
        struct tuff_tensor *out = tuff_tensor_new(g, x->dtype, 4, x->dims);
        attr.product = CONV2D_DX;
        if (out && tuff_node_add(g, &dx_op, (struct tuff_tensor *[]) {d, w}, 2, &out, 1, &attr,
                                 sizeof attr))
            dx[CONV2D_X] = out;
    }
}

const struct tuff_op tuff_op_conv2d = {.name = "conv2d",
                                       .record = record,
                                       .grad = grad,
                                       .scratch = scratch,
                                       .convert = tuff_half_convert,
                                       .cost = cost};
