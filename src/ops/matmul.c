/* ops/matmul: the GEMM family's op: shapes, choice of kernel, gradients. */
#include "ops/matmul_tiled.h"
#include "ops/activation.h"
#include "ops/half.h"
#include "ops/matmul_vec.h"

#include "matmul/matmul.h"

enum { MOST_COPIED = 1 << 24 }; /* elements of a half operand beside an F32 one, for tiles */

static bool batch_equal(const struct tuff_tensor *a, const struct tuff_tensor *b)
{
    return a->rank == b->rank &&
           !memcmp(a->dims, b->dims, (size_t) (a->rank - 2) * sizeof *a->dims);
}

/* Leading axes must be one evenly spaced batch axis for the kernels. */
static bool batch_even(const struct tuff_tensor *x)
{
    for (int i = 0; i + 3 < x->rank; i++)
        if (x->dims[i] != 1 && x->strides[i] != x->strides[i + 1] * x->dims[i + 1])
            return false;
    return true;
}

static struct tuff_tensor *with_rows_flattened(struct tuff_graph *g, struct tuff_tensor *a,
                                               struct tuff_tensor *b,
                                               const struct tuff_matmul_args *args)
{
    struct tuff_matmul_args flat = *args;
    if (!tuff_contiguous(a))
        a = tuff_copy(g, a);
    struct tuff_tensor *a2 =
        a ? tuff_reshape(g, a, 2, (int64_t[]) {tuff_rows(a), a->dims[a->rank - 1]}) : NULL;
    if (args->residual)
        flat.residual = tuff_reshape(g, args->residual, 2,
                                     (int64_t[]) {tuff_rows(args->residual),
                                                  args->residual->dims[args->residual->rank - 1]});
    struct tuff_tensor *y2 = a2 ? tuff_matmul_with(g, a2, b, &flat) : NULL;
    if (!y2)
        return NULL;
    int64_t dims[TUFF_RANK_MAX];
    memcpy(dims, a->dims, sizeof dims);
    dims[a->rank - 1] = y2->dims[1];
    return tuff_reshape(g, y2, a->rank, dims);
}

static bool valid(struct tuff_graph *g, const struct tuff_tensor *a, const struct tuff_tensor *b,
                  const struct tuff_matmul_args *args, int64_t m, int64_t n, int64_t ka, int64_t kb)
{
    if (ka != kb || !batch_equal(a, b))
        tuff_graph_fail(g, TUFF_E_SHAPE, "matmul: a %s%s and b %s%s do not fit",
                        tuff_shape_text(a), args->transpose_a ? " transposed" : "",
                        tuff_shape_text(b), args->transpose_b ? " transposed" : "");
    else if (args->bias && (args->bias->rank != 1 || args->bias->dims[0] != n))
        tuff_graph_fail(g, TUFF_E_SHAPE, "matmul: bias %s must be [%lld]",
                        tuff_shape_text(args->bias), (long long) n);
    else if (args->residual &&
             (args->residual->rank != a->rank || args->residual->dims[a->rank - 1] != n ||
              args->residual->dims[a->rank - 2] != m || !tuff_contiguous(args->residual) ||
              memcmp(args->residual->dims, a->dims, (size_t) (a->rank - 2) * sizeof *a->dims)))
        tuff_graph_fail(g, TUFF_E_SHAPE, "matmul: residual %s does not have the result's shape",
                        tuff_shape_text(args->residual));
    else
        return true;
    return false;
}

struct tuff_tensor *tuff_matmul_with(struct tuff_graph *g, struct tuff_tensor *a,
                                     struct tuff_tensor *b, const struct tuff_matmul_args *args)
{
    if (!a || !b || (!tuff_is_half(a) && !tuff_check_f32(g, "matmul", "a", a)) ||
        (!tuff_is_half(b) && !tuff_check_f32(g, "matmul", "b", b)))
        return NULL;
    if (tuff_is_half(a) && tuff_is_half(b) && a->dtype != b->dtype)
        b = tuff_widen(g, b);
    if (!b || (args->bias && !tuff_check_float(g, "matmul", "bias", args->bias)) ||
        (args->residual && !tuff_check_float(g, "matmul", "residual", args->residual)))
        return NULL;
    if (args->dtype != TUFF_F32 && (args->pad_rows || !tuff_dtype_is_half(args->dtype)))
        return tuff_graph_fail(g, TUFF_E_ARG, "matmul: a result of %s%s",
                               tuff_dtype_name(args->dtype), args->pad_rows ? " with padded rows" : "");
    if (a->rank < 2 || b->rank < 2)
        return tuff_graph_fail(g, TUFF_E_SHAPE, "matmul: a %s and b %s need two axes or more",
                               tuff_shape_text(a), tuff_shape_text(b));
    if (b->rank == 2 && a->rank > 2 && !args->transpose_a)
        return with_rows_flattened(g, a, b, args);
    if (!batch_even(a) || a->strides[a->rank - 1] != 1)
        a = tuff_copy(g, a);
    if (!batch_even(b) || b->strides[b->rank - 1] != 1)
        b = tuff_copy(g, b);
    a = tuff_half_operand(g, a);
    b = tuff_half_operand(g, b);
    if (!a || !b)
        return NULL;
    int64_t m, n, ka, kb, dims[TUFF_RANK_MAX];
    tuff_matmul_sides(a, args->transpose_a, &m, &ka);
    tuff_matmul_sides(b, args->transpose_b, &kb, &n);
    if (!valid(g, a, b, args, m, n, ka, kb))
        return NULL;
    memcpy(dims, a->dims, sizeof dims);
    dims[a->rank - 2] = m;
    dims[a->rank - 1] = n;
    struct tuff_matmul_attr attr = {args->transpose_a, args->transpose_b,
                                    args->alpha != 0 ? args->alpha : 1, args->activation};
    int64_t pitch = args->pad_rows ? (int64_t) tuff_align_up((uint64_t) n, 8) : n;
    struct tuff_tensor *out[2] = {tuff_tensor_padded(g, args->dtype, a->rank, dims, pitch), NULL};
    if (args->pad_rows && (args->activation != TUFF_ACT_NONE || args->residual))
        return tuff_graph_fail(g, TUFF_E_ARG, "matmul: padded rows with activation or residual");
    if (args->activation != TUFF_ACT_NONE && out[0])
        out[1] = tuff_tensor_new(g, args->dtype, a->rank, dims);
    struct tuff_tensor *in[MATMUL_INPUTS] = {a, b, args->bias, args->residual};
    if (!out[0] ||
        !tuff_node_add(g, &tuff_op_matmul, in, MATMUL_INPUTS, out, 2, &attr, sizeof attr))
        return NULL;
    return out[0];
}

/* The typed-load kernels: both operands as texels, and not the rare tt. */
static bool cpu_kernel_fits(const struct tuff_recorder *r, const struct tuff_tensor *a,
                            const struct tuff_tensor *b, const struct tuff_matmul_attr *attr)
{
    return tuff_use_cpu_kernels(r) && !(attr->ta && attr->tb) && tuff_texels_possible(r, a) &&
           tuff_texels_possible(r, b);
}

/* Rows and column groups of a tile: measured on lavapipe 22.3 (subgroups of 8). */
static const struct tile {
    const char *layout;
    uint32_t rows, groups, columns; /* columns: of a lane in a group */
} tiles_of[] = {{"nn", 16, 1, 4}, {"nt", 8, 2, 1}, {"tn", 12, 1, 4}};

static void launch_cpu(struct tuff_recorder *r, const struct tuff_matmul_attr *attr,
                       const struct tuff_tensor *a, const struct tuff_tensor *b,
                       struct tuff_matmul_params *p, uint32_t chosen, uint32_t *spec,
                       struct tuff_launch_params *launch)
{
    const struct tile *tile = &tiles_of[attr->ta ? 2 : attr->tb ? 1 : 0];
    uint32_t rows = chosen ? chosen >> 8 : tile->rows, columns = chosen ? chosen & 255 : tile->groups;
    uint32_t lanes = tuff_record_device(r)->subgroup_size;
    char kernel[32];
    snprintf(kernel, sizeof kernel, "matmul/cpu.%s.sg%u", tile->layout, lanes);
    p->a_texel = (uint32_t) (a->offset / 4);
    p->b_texel = (uint32_t) (b->offset / 4);
    spec[5] = rows;
    spec[6] = columns;
    launch->kernel = kernel;
    launch->n_spec = 7;
    launch->groups[0] = (uint32_t) tuff_div_up(p->n, lanes * tile->columns * columns);
    launch->groups[1] = (uint32_t) tuff_div_up(p->m, rows);
    launch->groups[2] = p->batch;
    tuff_launch(r, launch);
}

/* The first kernels in order that can compute the call; "generic" always can, "tiled" and "coopmat"
 * say themselves when they cannot. */
static const char *variant_of(const struct tuff_recorder *r, const struct tuff_node *node)
{
    const char *order[TUFF_MATMUL_VARIANTS];
    tuff_matmul_order(node, tuff_record_device(r), order);
    for (int i = 0; order[i]; i++)
        if (!strcmp(order[i], "packed")
                ? tuff_matmul_packed_fits(r, node)
            : !strcmp(order[i], "cpu")
                ? cpu_kernel_fits(r, node->in[MATMUL_A], node->in[MATMUL_B], node->attr)
                : !strcmp(order[i], "generic") || !strcmp(order[i], "tiled") ||
                      !strcmp(order[i], "coopmat"))
            return order[i];
    return "generic";
}

static void record(struct tuff_recorder *r, const struct tuff_node *node)
{
    const char *variant = variant_of(r, node);
    const struct tuff_matmul_attr *attr = node->attr;
    const struct tuff_tensor *a = node->in[MATMUL_A], *b = node->in[MATMUL_B];
    const struct tuff_tensor *y = node->out[MATMUL_Y];
    const struct tuff_tensor *pre = node->out[MATMUL_PRE];
    int64_t m, n, k;
    if (!strcmp(variant, "packed")) {
        tuff_matmul_packed_record(r, node);
        return;
    }
    tuff_matmul_sides(a, attr->ta, &m, &k);
    n = y->dims[y->rank - 1];
    uint32_t a_pitch = (uint32_t) a->strides[a->rank - 2];
    uint32_t b_pitch = (uint32_t) b->strides[b->rank - 2];
    struct tuff_matmul_params p = {.a = tuff_address(r, a),
                                   .b = tuff_address(r, b),
                                   .c = tuff_address(r, y),
                                   .bias = tuff_address(r, node->in[MATMUL_BIAS]),
                                   .residual = tuff_address(r, node->in[MATMUL_RESIDUAL]),
                                   .pre = tuff_address(r, pre),
                                   .m = (uint32_t) m,
                                   .n = (uint32_t) n,
                                   .k = (uint32_t) k,
                                   .a_row = attr->ta ? 1 : a_pitch,
                                   .a_col = attr->ta ? a_pitch : 1,
                                   .b_row = attr->tb ? 1 : b_pitch,
                                   .b_col = attr->tb ? b_pitch : 1,
                                   .c_row = (uint32_t) y->strides[y->rank - 2],
                                   .a_batch = tuff_matmul_batch_stride(a),
                                   .b_batch = tuff_matmul_batch_stride(b),
                                   .c_batch = tuff_matmul_batch_stride(y),
                                   .batch = (uint32_t) tuff_matmul_batch(y),
                                   .alpha = attr->alpha};
    struct tuff_launch_params launch = {
        .push = &p,
        .push_bytes = sizeof p,
        .views = {a, b},
        .in = {node->in[MATMUL_A], node->in[MATMUL_B], node->in[MATMUL_BIAS],
               node->in[MATMUL_RESIDUAL]},
        .out = {node->out[MATMUL_Y], node->out[MATMUL_PRE]}};
    uint32_t spec[16] = {p.bias != 0, attr->act, p.pre != 0, p.residual != 0, node->accumulate};
    launch.spec = spec;
    if (!tuff_record_device(r)->tile[0] && tuff_matmul_vec_record(r, node, &p, spec, &launch))
        return;
    bool matrix = !strcmp(variant, "coopmat");
    if ((matrix || !strcmp(variant, "tiled")) &&
        (tuff_matmul_tiled_record(r, node, matrix) ||
         (matrix && tuff_matmul_tiled_record(r, node, false))))
        return;
    if (!strcmp(variant, "cpu")) {
        bool chosen = variant == node->choice.variant;
        launch_cpu(r, attr, a, b, &p, chosen ? node->choice.tile : 0, spec, &launch);
        return;
    }
    uint64_t tiles = tuff_div_up((uint64_t) m, 32) * tuff_div_up((uint64_t) n, 32) * p.batch;
    bool halves = tuff_is_half(a) || tuff_is_half(b);
    spec[5] = tuff_is_half(a);
    spec[6] = tuff_is_half(b);
    launch.kernel = !halves                       ? "matmul/generic.f32"
                    : tuff_matmul_half(node) == TUFF_F16 ? "matmul/generic.f16"
                                                         : "matmul/generic.bf16";
    launch.n_spec = halves ? 7 : 5;
    launch.groups[0] = tuff_groups(tiles, 1);
    tuff_launch(r, &launch);
}

/* Of an operand: its own, but F32 for a parameter's half copy. */
static enum tuff_dtype gradient_dtype(const struct tuff_tensor *x)
{
    return tuff_is_half_parameter(x->producer) ? TUFF_F32 : x->dtype;
}

/* The parameter whose half copy it is, or itself. */
static struct tuff_tensor *unrounded(struct tuff_tensor *x)
{
    return tuff_is_half_parameter(x->producer) ? x->producer->in[0] : x;
}

/* a and b are read as they are, but where tiles want both of one type, or a would be packed again and
 * again. Tiles store the result, and read a residual, as it is; the others have these in F32, and all have
 * the bias so. */
static struct tuff_halves halves(const struct tuff_node *node, const struct tuff_device_info *device)
{
    const struct tuff_matmul_attr *attr = node->attr;
    const struct tuff_tensor *y = node->out[MATMUL_Y];
    bool few = !attr->ta && y->dims[y->rank - 2] <= TUFF_MATMUL_VEC_ROWS;
    struct tuff_halves as = {.in = 1u << MATMUL_A | 1u << MATMUL_B};
    const struct tuff_tensor *a = node->in[MATMUL_A], *b = node->in[MATMUL_B];
    const struct tuff_tensor *half = tuff_is_half(a) ? a : b;
    if (device->device_class == TUFF_CLASS_TILED && !few && a->dtype != b->dtype &&
        tuff_elements(half) <= MOST_COPIED)
        as.in = 0;
    if (tuff_matmul_packed_widens(node, device))
        as.in = 1u << MATMUL_B;
    if (tuff_matmul_tiled_stores(node, device)) {
        const struct tuff_tensor *residual = node->in[MATMUL_RESIDUAL];
        as.out = 1u << MATMUL_Y | 1u << MATMUL_PRE;
        if (residual && residual->dtype == y->dtype)
            as.in |= 1u << MATMUL_RESIDUAL;
    }
    return as;
}

/* With z = alpha op(a) op(b) + bias and y = act(z) + residual:
 *     dz = dy act'(z), dresidual = dy, dbias = column sums of dz,
 *     d op(a) = alpha dz op(b)^T, d op(b) = alpha op(a)^T dz; transposed operands the other way. */
static void grad(struct tuff_graph *g, struct tuff_node *node, struct tuff_tensor *const dy[],
                 struct tuff_tensor *dx[])
{
    const struct tuff_matmul_attr *attr = node->attr;
    struct tuff_tensor *a = node->in[MATMUL_A], *b = node->in[MATMUL_B];
    bool ta = attr->ta, tb = attr->tb;
    float alpha = attr->alpha;
    struct tuff_tensor *d = dy[MATMUL_Y];
    if (!d)
        return;
    /* The gradient of a result that was rounded: products take it as it is. */
    if (d->producer && tuff_is_widening(d->producer) && attr->act == TUFF_ACT_NONE &&
        !node->in[MATMUL_BIAS] && !node->in[MATMUL_RESIDUAL])
        d = d->producer->in[0];
    /* Padded rows may stay where only products read them. */
    if (!tuff_contiguous(d) && (node->in[MATMUL_BIAS] || node->in[MATMUL_RESIDUAL] ||
                                attr->act != TUFF_ACT_NONE || d->strides[d->rank - 1] != 1))
        d = tuff_copy(g, d);
    if (node->in[MATMUL_RESIDUAL] && node->in[MATMUL_RESIDUAL]->needs_grad)
        dx[MATMUL_RESIDUAL] = d;
    if (attr->act != TUFF_ACT_NONE)
        d = tuff_activation_grad(g, node->out[MATMUL_PRE], d, attr->act);
    if (node->in[MATMUL_BIAS] && node->in[MATMUL_BIAS]->needs_grad)
        dx[MATMUL_BIAS] = tuff_column_sum(g, d);
    struct tuff_tensor *const read[] = {a, b};
    if (d->dtype == TUFF_F32 && tuff_is_half(a) && a->dtype == b->dtype && tuff_contiguous(d)) {
        /* What was a product of halves stays one: the gradient of an F32 result is rounded for it. */
        d = tuff_cast(g, d, a->dtype);
    } else if (d->dtype == TUFF_F32) {
        /* Logits: a rounded copy would be half of them again. What is F32 in memory is read so. */
        a = unrounded(a);
        b = unrounded(b);
    }
    if (read[1]->needs_grad)
        dx[MATMUL_B] = tb ? tuff_matmul(g, d, a, .transpose_a = true, .transpose_b = ta,
                                        .alpha = alpha, .dtype = gradient_dtype(read[1]))
                          : tuff_matmul(g, a, d, .transpose_a = !ta, .alpha = alpha,
                                        .dtype = gradient_dtype(read[1]));
    if (read[0]->needs_grad)
        dx[MATMUL_A] = ta ? tuff_matmul(g, b, d, .transpose_a = tb, .transpose_b = true,
                                        .alpha = alpha, .dtype = gradient_dtype(read[0]))
                          : tuff_matmul(g, d, b, .transpose_b = !tb, .alpha = alpha,
                                        .dtype = gradient_dtype(read[0]));
}

static bool fuse_add(struct tuff_node *node, int index, struct tuff_tensor *other)
{
    if (index != MATMUL_Y || node->in[MATMUL_RESIDUAL] || node->accumulate ||
        !tuff_contiguous(other))
        return false;
    node->in[MATMUL_RESIDUAL] = other;
    return true;
}

/* Only packing and cutting k take some: where they come first. */
static uint64_t scratch(const struct tuff_node *node, const struct tuff_device_info *device)
{
    const char *order[TUFF_MATMUL_VARIANTS];
    tuff_matmul_order(node, device, order);
    if (order[0] && (!strcmp(order[0], "tiled") || !strcmp(order[0], "coopmat")))
        return tuff_matmul_tiled_scratch(node, device, !strcmp(order[0], "coopmat"));
    return order[0] && !strcmp(order[0], "packed") ? tuff_matmul_packed_scratch(node, device) : 0;
}

static void cost(const struct tuff_node *node, struct tuff_cost *cost)
{
    const struct tuff_matmul_attr *attr = node->attr;
    int64_t m, k;
    tuff_matmul_sides(node->in[MATMUL_A], attr->ta, &m, &k);
    cost->flops = 2.0 * (double) tuff_elements(node->out[MATMUL_Y]) * (double) k;
}

const struct tuff_op tuff_op_matmul = {.name = "matmul",
                                       .record = record,
                                       .grad = grad,
                                       .scratch = scratch,
                                       .convert = tuff_half_convert,
                                       .halves = halves,
                                       .cost = cost,
                                       .call = tuff_matmul_call,
                                       .candidates = tuff_matmul_candidates,
                                       .accumulates = true,
                                       .fuse_add = fuse_add};
