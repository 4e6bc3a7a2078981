/* ops/layer_norm: see tuff/ops.h. Its gradient is two nodes: one for x, one for partial sums over
 * slabs of rows of weight's and bias's, which column_sum then finishes (and adds to the gradient
 * arena). */
#include "ops/half.h"
#include "ops/layer_norm.h"
#include "ops/rows_cpu.h"

#include "rows/layer_norm.h"
#include "rows/layer_norm_grad.h"
#include "rows/layer_norm_params.h"

#include <math.h>

enum { IN_X, IN_WEIGHT, IN_BIAS, N_IN };
enum { FEW_ROWS = 256 }; /* a lone row waits for memory, many keep it busy */
enum { LAUNCH_ROWS = 16 }; /* on software devices: to sum fewer over and over costs less than a launch */
enum { OUT_Y, OUT_STATS, N_OUT };

struct attr {
    float eps;
    bool rms;
};

static uint32_t columns_of(const struct tuff_tensor *x)
{
    return (uint32_t) x->dims[x->rank - 1];
}

static bool per_column(struct tuff_graph *g, const char *op, const char *argument,
                       const struct tuff_tensor *t, const struct tuff_tensor *x)
{
    if (!tuff_check_float(g, op, argument, t))
        return false;
    if (t->rank == 1 && t->dims[0] == x->dims[x->rank - 1])
        return true;
    tuff_graph_fail(g, TUFF_E_SHAPE, "%s: %s is %s, x is %s; it must be [%u]", op, argument,
                    tuff_shape_text(t), tuff_shape_text(x), columns_of(x));
    return false;
}

struct tuff_tensor *tuff_norm(struct tuff_graph *g, const struct tuff_op *op, bool rms,
                              struct tuff_tensor *x, struct tuff_tensor *weight,
                              struct tuff_tensor *bias, float eps)
{
    if (!x || !weight || !tuff_check_float(g, op->name, "x", x))
        return NULL;
    if (!x->rank)
        return tuff_graph_fail(g, TUFF_E_SHAPE, "%s: x is %s; it needs an axis", op->name,
                               tuff_shape_text(x));
    if (!per_column(g, op->name, "weight", weight, x) ||
        (bias && !per_column(g, op->name, "bias", bias, x)))
        return NULL;
    if (!(eps > 0) || !isfinite(eps))
        return tuff_graph_fail(g, TUFF_E_RANGE, "%s: eps is %g; it must be above 0", op->name,
                               (double) eps);
    struct tuff_tensor *in[N_IN] = {tuff_row_operand(g, x), tuff_row_operand(g, weight),
                                    tuff_row_operand(g, bias)};
    struct tuff_tensor *out[N_OUT] = {
        tuff_tensor_new(g, x->dtype, x->rank, x->dims),
        tuff_tensor_new(g, TUFF_F32, 2, (int64_t[]) {tuff_rows(x), 2})};
    if (!out[OUT_Y] || !out[OUT_STATS] ||
        !tuff_node_add(g, op, in, N_IN, out, N_OUT, &(struct attr) {eps, rms}, sizeof(struct attr)))
        return NULL;
    return out[OUT_Y];
}

struct tuff_tensor *tuff_layer_norm(struct tuff_graph *g, struct tuff_tensor *x,
                                    struct tuff_tensor *weight, struct tuff_tensor *bias, float eps)
{
    return tuff_norm(g, &tuff_op_layer_norm, false, x, weight, bias, eps);
}

/* Mean and rstd, where nobody needs them later. */
uint64_t tuff_norm_scratch(const struct tuff_node *node, const struct tuff_device_info *device)
{
    return tuff_needed(node->out[OUT_STATS]) ? 0
                                             : tuff_rows_cpu_scratch(device, tuff_rows(node->in[IN_X]));
}

static bool record_cpu(struct tuff_recorder *r, const struct tuff_node *node)
{
    const struct attr *attr = node->attr;
    const struct tuff_tensor scratch = tuff_scratch_tensor(node);
    const struct tuff_tensor *stats =
        tuff_needed(node->out[OUT_STATS]) ? node->out[OUT_STATS] : &scratch;
    uint32_t columns = columns_of(node->in[IN_X]);
    struct tuff_rows_cpu f = {.f = "norm", .x = node->in[IN_X], .y = node->out[OUT_Y],
                              .columns = columns, .pitch = columns,
                              .eps = attr->eps, .rms = attr->rms};
    bool few = tuff_rows(f.x) <= LAUNCH_ROWS;
    if (!tuff_rows_cpu_suits(r, &f, stats))
        return false;
    /* In place no subgroup may sum what another writes. */
    if (few && (tuff_needed(node->out[OUT_STATS]) || tuff_address(r, f.x) == tuff_address(r, f.y)))
        return false;
    if (!few) {
        tuff_row_sums_cpu(r, &f, stats);
        f.stats = stats;
    }
    f.weight = node->in[IN_WEIGHT];
    f.other = node->in[IN_BIAS];
    tuff_row_apply_cpu(r, &f);
    return true;
}

static bool in_quads(const struct tuff_tensor *t)
{
    return !t || t->offset % 4 == 0;
}

/* Weight and bias are F32 to every kernel. */
struct tuff_halves tuff_norm_halves(const struct tuff_node *node,
                                    const struct tuff_device_info *device)
{
    (void) device;
    if (!in_quads(node->in[IN_WEIGHT]) || !in_quads(node->in[IN_BIAS]))
        return (struct tuff_halves) {0};
    return tuff_halves_in_rows(node, 1u << IN_X, 1u << OUT_Y);
}

void tuff_norm_record(struct tuff_recorder *r, const struct tuff_node *node)
{
    if (record_cpu(r, node))
        return;
    const struct tuff_tensor *x = node->in[IN_X], *weight = node->in[IN_WEIGHT];
    const struct tuff_tensor *bias = node->in[IN_BIAS];
    uint32_t columns = columns_of(x);
    bool texels = columns % 4 == 0 &&
                  tuff_row_texels(r, (const struct tuff_tensor *[]) {x, weight, bias, NULL});
    const struct tuff_tensor *all[] = {x, weight, node->out[OUT_Y], bias, NULL};
    enum tuff_row_form form =
        tuff_row_quad(r, tuff_row_form_of(r, texels, x), columns, columns, all);
    struct tuff_layer_norm_params p = {.x = tuff_address(r, x),
                                       .weight = tuff_address(r, weight),
                                       .bias = tuff_address(r, bias),
                                       .y = tuff_address(r, node->out[OUT_Y]),
                                       .stats = tuff_address(r, node->out[OUT_STATS]),
                                       .rows = (uint32_t) tuff_rows(x),
                                       .units = tuff_row_units(form, columns),
                                       .columns = (float) columns,
                                       .eps = ((const struct attr *) node->attr)->eps};
    struct tuff_row_lanes l = tuff_row_lanes(r, form, p.units);
    uint32_t spec[] = {bias != NULL, p.stats != 0, l.unroll,
                       ((const struct attr *) node->attr)->rms, tuff_half_spec(x),
                       l.lanes, l.hold, p.rows <= FEW_ROWS};
    tuff_launch(r, &(struct tuff_launch_params) {
                       .kernel = TUFF_ROW_KERNELS("rows/layer_norm")[form],
                       .push = &p,
                       .push_bytes = sizeof p,
                       .groups = {tuff_row_groups(form, p.rows)},
                       .spec = spec,
                       .n_spec = l.use ? TUFF_COUNT(spec) : tuff_row_is_half(form) ? 5 : 4,
                       .views = {x, weight, bias ? bias : weight},
                       .in = {node->in[IN_X], node->in[IN_WEIGHT], node->in[IN_BIAS]},
                       .out = {node->out[OUT_Y], node->out[OUT_STATS]}});
}

/* ---- the gradient of weight and bias ---- */

enum { PARAMS_DY, PARAMS_X, PARAMS_STATS };
enum { PARAMS_WEIGHT, PARAMS_BIAS };

/* Rows a slab: even, and so many that there are at most 256 slabs. Depends on the shape alone. */
static int64_t slab_of(int64_t rows)
{
    return TUFF_MAX(64, (int64_t) tuff_align_up(tuff_div_up((uint64_t) rows, 256), 2));
}

static void params_record(struct tuff_recorder *r, const struct tuff_node *node)
{
    if (tuff_norm_columns_cpu(r, node, (uint32_t) slab_of(tuff_rows(node->in[PARAMS_X]))))
        return;
    const struct tuff_tensor *dy = node->in[PARAMS_DY], *x = node->in[PARAMS_X];
    const struct tuff_tensor *stats = node->in[PARAMS_STATS];
    uint32_t columns = columns_of(x);
    /* stats is smaller than x and as well aligned: where x can be a view, so can it. */
    bool texels = columns % 4 == 0 &&
                  tuff_row_texels(r, (const struct tuff_tensor *[]) {dy, x, NULL});
    bool half = tuff_is_half(x);
    struct tuff_layer_norm_params_params p = {.dy = tuff_address(r, dy),
                                              .x = tuff_address(r, x),
                                              .stats = tuff_address(r, stats),
                                              .dweight = tuff_address(r, node->out[PARAMS_WEIGHT]),
                                              .dbias = tuff_address(r, node->out[PARAMS_BIAS]),
                                              .rows = (uint32_t) tuff_rows(x),
                                              .units = texels || half ? columns / 4 : columns,
                                              .slab = (uint32_t) slab_of(tuff_rows(x))};
    p.slabs = (uint32_t) tuff_div_up(p.rows, p.slab);
    uint32_t spec[] = {p.dweight != 0, p.dbias != 0, tuff_half_spec(x)};
    uint64_t items = tuff_div_up(p.units, texels ? 8 : 64) * p.slabs;
    tuff_launch(r, &(struct tuff_launch_params) {
                       .kernel = texels ? "rows/layer_norm_params.texel"
                                 : half ? "rows/layer_norm_params.half"
                                        : "rows/layer_norm_params.generic",
                       .push = &p,
                       .push_bytes = sizeof p,
                       .groups = {tuff_groups(items, 1)},
                       .spec = spec,
                       .n_spec = TUFF_COUNT(spec) - !half,
                       .views = {dy, x, stats},
                       .in = {node->in[PARAMS_DY], node->in[PARAMS_X], node->in[PARAMS_STATS]},
                       .out = {node->out[PARAMS_WEIGHT], node->out[PARAMS_BIAS]}});
}

static struct tuff_halves params_halves(const struct tuff_node *node,
                                        const struct tuff_device_info *device)
{
    (void) device;
    return tuff_halves_in_rows(node, 1u << PARAMS_DY | 1u << PARAMS_X, 0);
}

static const struct tuff_op layer_norm_params = {.name = "layer_norm_params",
                                                 .record = params_record,
                                                 .convert = tuff_half_convert,
                                                 .halves = params_halves,
                                                 .element_flops = 5};

static void params_grad(struct tuff_graph *g, const struct tuff_node *node, struct tuff_tensor *dy,
                        struct tuff_tensor *dx[])
{
    bool weight = node->in[IN_WEIGHT]->needs_grad;
    bool bias = node->in[IN_BIAS] && node->in[IN_BIAS]->needs_grad;
    if (!weight && !bias)
        return;
    int64_t rows = tuff_rows(dy), columns = dy->dims[dy->rank - 1];
    int64_t dims[] = {(int64_t) tuff_div_up((uint64_t) rows, (uint64_t) slab_of(rows)), columns};
    struct tuff_tensor *in[] = {dy, node->in[IN_X], node->out[OUT_STATS]};
    struct tuff_tensor *out[] = {tuff_tensor_new(g, TUFF_F32, 2, dims),
                                 tuff_tensor_new(g, TUFF_F32, 2, dims)};
    if (!out[PARAMS_WEIGHT] || !out[PARAMS_BIAS] ||
        !tuff_node_add(g, &layer_norm_params, in, 3, out, 2, NULL, 0))
        return;
    if (weight)
        dx[IN_WEIGHT] = tuff_column_sum(g, out[PARAMS_WEIGHT]);
    if (bias)
        dx[IN_BIAS] = tuff_column_sum(g, out[PARAMS_BIAS]);
}

/* ---- the gradient of x ---- */

enum { GRAD_DY, GRAD_X, GRAD_WEIGHT, GRAD_STATS, GRAD_RESIDUAL };

static uint64_t grad_scratch(const struct tuff_node *node, const struct tuff_device_info *device)
{
    return tuff_rows_cpu_scratch(device, tuff_rows(node->in[GRAD_X]));
}

static bool grad_record_cpu(struct tuff_recorder *r, const struct tuff_node *node)
{
    const struct tuff_tensor scratch = tuff_scratch_tensor(node);
    uint32_t columns = columns_of(node->in[GRAD_X]);
    struct tuff_rows_cpu f = {.f = "norm_grad",
                              .x = node->in[GRAD_X],
                              .dy = node->in[GRAD_DY],
                              .weight = node->in[GRAD_WEIGHT],
                              .stats = node->in[GRAD_STATS],
                              .y = node->out[0],
                              .columns = columns,
                              .pitch = columns,
                              .rms = ((const struct attr *) node->attr)->rms};
    if (!tuff_rows_cpu_suits(r, &f, &scratch))
        return false;
    tuff_row_sums_cpu(r, &f, &scratch);
    f.other = node->in[GRAD_RESIDUAL];
    f.more = &scratch;
    tuff_row_apply_cpu(r, &f);
    return true;
}

static void grad_record(struct tuff_recorder *r, const struct tuff_node *node)
{
    if (grad_record_cpu(r, node))
        return;
    const struct tuff_tensor *dy = node->in[GRAD_DY], *x = node->in[GRAD_X];
    const struct tuff_tensor *weight = node->in[GRAD_WEIGHT];
    const struct tuff_tensor *residual = node->in[GRAD_RESIDUAL];
    const struct tuff_tensor *all[] = {dy, x, weight, residual, NULL};
    uint32_t columns = columns_of(x);
    bool texels = columns % 4 == 0 && tuff_row_texels(r, all);
    enum tuff_row_form form = tuff_row_form_of(r, texels, x);
    struct tuff_layer_norm_grad_params p = {.dy = tuff_address(r, dy),
                                            .x = tuff_address(r, x),
                                            .weight = tuff_address(r, weight),
                                            .residual = tuff_address(r, residual),
                                            .stats = tuff_address(r, node->in[GRAD_STATS]),
                                            .dx = tuff_address(r, node->out[0]),
                                            .rows = (uint32_t) tuff_rows(x),
                                            .units = tuff_row_units(form, columns),
                                            .columns = (float) columns};
    uint32_t spec[] = {residual != NULL, tuff_row_unroll(form, p.units),
                       ((const struct attr *) node->attr)->rms, tuff_half_spec(x)};
    tuff_launch(r, &(struct tuff_launch_params) {
                       .kernel = TUFF_ROW_KERNELS("rows/layer_norm_grad")[form],
                       .push = &p,
                       .push_bytes = sizeof p,
                       .groups = {tuff_row_groups(form, p.rows)},
                       .spec = spec,
                       .n_spec = TUFF_COUNT(spec) - !tuff_row_is_half(form),
                       .views = {dy, x, weight, residual ? residual : dy},
                       .in = {node->in[GRAD_DY], node->in[GRAD_X], node->in[GRAD_WEIGHT],
                              node->in[GRAD_STATS], node->in[GRAD_RESIDUAL]},
                       .out = {node->out[0]}});
}

static bool grad_fuse_add(struct tuff_node *node, int index, struct tuff_tensor *other)
{
    if (index || node->in[GRAD_RESIDUAL] || !tuff_contiguous(other))
        return false;
    node->in[GRAD_RESIDUAL] = other;
    return true;
}

static struct tuff_halves grad_halves(const struct tuff_node *node,
                                      const struct tuff_device_info *device)
{
    (void) device;
    if (!in_quads(node->in[GRAD_WEIGHT]))
        return (struct tuff_halves) {0};
    return tuff_halves_in_rows(node, 1u << GRAD_DY | 1u << GRAD_X | 1u << GRAD_RESIDUAL, 1);
}

/* In place over dy: an invocation writes only units that it alone reads, after it read them. */
static const struct tuff_op layer_norm_grad = {.name = "layer_norm_grad",
                                               .record = grad_record,
                                               .scratch = grad_scratch,
                                               .convert = tuff_half_convert,
                                               .halves = grad_halves,
                                               .element_flops = 10,
                                               .inplace_input = GRAD_DY + 1,
                                               .fuse_add = grad_fuse_add};

void tuff_norm_grad(struct tuff_graph *g, struct tuff_node *node, struct tuff_tensor *const dy[],
                    struct tuff_tensor *dx[])
{
    struct tuff_tensor *x = node->in[IN_X], *d = tuff_row_operand(g, dy[OUT_Y]);
    if (!d)
        return;
    params_grad(g, node, d, dx);
    struct tuff_tensor *in[] = {d, x, node->in[IN_WEIGHT], node->out[OUT_STATS]};
    struct tuff_tensor *out = x->needs_grad ? tuff_tensor_new(g, x->dtype, x->rank, x->dims) : NULL;
    if (out && tuff_node_add(g, &layer_norm_grad, in, 4, &out, 1, node->attr,
                             sizeof(struct attr)))
        dx[IN_X] = out;
}

const struct tuff_op tuff_op_layer_norm = {.name = "layer_norm",
                                           .record = tuff_norm_record,
                                           .grad = tuff_norm_grad,
                                           .scratch = tuff_norm_scratch,
                                           .convert = tuff_half_convert,
                                           .halves = tuff_norm_halves,
                                           .element_flops = 8,
                                           .inplace_input = IN_X + 1};
