/* ops/image_norm: normalisation by channels, forward and gradient. Not an op itself.
 *
 * Forward: a table of the channels (mean and variance in two levels), then one pass over x.
 * Gradient: sums over slabs of rows, which column_sum finishes for weight and bias (and adds to the
 * gradient arena) and norm/means for the groups; then one pass for x. */
#include "ops/image_norm.h"

#include "ops/half.h"
#include "ops/rows.h"
#include "norm/apply.h"
#include "norm/finish.h"
#include "norm/grad.h"
#include "norm/means.h"
#include "norm/moments.h"

#include <math.h>

bool tuff_image_norm_per_channel(struct tuff_graph *g, const char *op, const char *argument,
                           const struct tuff_tensor *t, const struct tuff_tensor *x)
{
    if (!tuff_check_float(g, op, argument, t))
        return false;
    if (t->rank == 1 && t->dims[0] == x->dims[x->rank - 1])
        return true;
    tuff_graph_fail(g, TUFF_E_SHAPE, "%s: %s is %s, x is %s; it must be [%lld]", op, argument,
                    tuff_shape_text(t), tuff_shape_text(x), (long long) x->dims[x->rank - 1]);
    return false;
}

bool tuff_image_norm_valid(struct tuff_graph *g, const char *op, const struct tuff_tensor *x,
                     const struct tuff_tensor *weight, const struct tuff_tensor *bias, float eps,
                     enum tuff_activation act)
{
    if (!tuff_check_float(g, op, "x", x))
        return false;
    if (x->rank < 2)
        tuff_graph_fail(g, TUFF_E_SHAPE, "%s: x is %s; it needs two axes or more", op,
                        tuff_shape_text(x));
    else if (!(eps > 0) || !isfinite(eps))
        tuff_graph_fail(g, TUFF_E_RANGE, "%s: eps is %g; it must be above 0", op, (double) eps);
    else if (act != TUFF_ACT_NONE && act != TUFF_ACT_SILU && act != TUFF_ACT_RELU)
        tuff_graph_fail(g, TUFF_E_ARG, "%s: activation %d is not none, silu or relu", op,
                        (int) act);
    else
        return tuff_image_norm_per_channel(g, op, "weight", weight, x) &&
               (!bias || tuff_image_norm_per_channel(g, op, "bias", bias, x));
    return false;
}

/* Rows a slab: so many that an image has at most 256 slabs. Depends on the shape alone. */
static uint32_t slab_of(const struct tuff_image_norm_attr *attr)
{
    return (uint32_t) TUFF_MAX(64, tuff_div_up((uint64_t) attr->rows, 256));
}

static uint32_t slabs_of(const struct tuff_image_norm_attr *attr)
{
    return (uint32_t) tuff_div_up((uint64_t) attr->rows, slab_of(attr));
}

static uint32_t channels_of(const struct tuff_tensor *x)
{
    return (uint32_t) x->dims[x->rank - 1];
}

/* A kernel's form: texels where all it reads (the list ends with NULL) can be. */
struct form {
    bool texel;
    uint32_t units, groups;
};

static struct form form_of(const struct tuff_recorder *r, const struct tuff_image_norm_attr *attr,
                           uint32_t channels, const struct tuff_tensor *const *read)
{
    struct form f = {.texel = channels % 4 == 0 && tuff_row_texels(r, read)};
    f.units = f.texel ? channels / 4 : channels;
    f.groups = tuff_groups(tuff_div_up(f.units, f.texel ? 8 : 64) * slabs_of(attr) *
                               (uint64_t) attr->images, 1);
    return f;
}

/* ---- the table ---- */

enum { STATS_X, STATS_WEIGHT, STATS_BIAS, STATS_MEAN, STATS_VAR, STATS_INPUTS };

static uint64_t table_scratch(const struct tuff_node *node, const struct tuff_device_info *device)
{
    const struct tuff_image_norm_attr *attr = node->attr;
    (void) device;
    return attr->constant ? 0
                          : (uint64_t) attr->images * slabs_of(attr) *
                                channels_of(node->in[STATS_X]) * 8;
}

static void record_moments(struct tuff_recorder *r, const struct tuff_node *node)
{
    const struct tuff_image_norm_attr *attr = node->attr;
    const struct tuff_tensor *x = node->in[STATS_X];
    struct form form =
        form_of(r, attr, channels_of(x), (const struct tuff_tensor *[]) {x, NULL});
    struct tuff_norm_moments_params p = {.x = tuff_address(r, x),
                                         .part = tuff_scratch_address(r, node),
                                         .rows = (uint32_t) attr->rows,
                                         .units = form.units,
                                         .slab = slab_of(attr),
                                         .slabs = slabs_of(attr),
                                         .images = (uint32_t) attr->images};
    tuff_launch(r, &(struct tuff_launch_params) {
                       .kernel = form.texel ? "norm/moments.texel" : "norm/moments.generic",
                       .push = &p,
                       .push_bytes = sizeof p,
                       .groups = {form.groups},
                       .views = {x},
                       .in = {x},
                       .writes_scratch = true});
}

static void record_table(struct tuff_recorder *r, const struct tuff_node *node)
{
    const struct tuff_image_norm_attr *attr = node->attr;
    uint32_t channels = channels_of(node->in[STATS_X]);
    if (!attr->constant)
        record_moments(r, node);
    struct tuff_norm_finish_params p = {.part = tuff_scratch_address(r, node),
                                        .mean = tuff_address(r, node->in[STATS_MEAN]),
                                        .var = tuff_address(r, node->in[STATS_VAR]),
                                        .weight = tuff_address(r, node->in[STATS_WEIGHT]),
                                        .bias = tuff_address(r, node->in[STATS_BIAS]),
                                        .table = tuff_address(r, node->out[0]),
                                        .rows = (uint32_t) attr->rows,
                                        .channels = channels,
                                        .slab = slab_of(attr),
                                        .slabs = slabs_of(attr),
                                        .images = (uint32_t) attr->images,
                                        .group = (uint32_t) attr->group,
                                        .eps = attr->eps};
    uint64_t groups = (uint64_t) (attr->images * (channels / attr->group));
    tuff_launch(r, &(struct tuff_launch_params) {
                       .kernel = attr->constant ? "norm/finish.running" : "norm/finish.slabs",
                       .push = &p,
                       .push_bytes = sizeof p,
                       .groups = {tuff_groups(groups, 64)},
                       .spec = (uint32_t[]) {p.bias != 0},
                       .n_spec = 1,
                       .in = {node->in[STATS_WEIGHT], node->in[STATS_BIAS], node->in[STATS_MEAN],
                              node->in[STATS_VAR]},
                       .out = {node->out[0]},
                       .reads_scratch = !attr->constant});
}

static const struct tuff_op table_op = {
    .name = "norm_table", .record = record_table, .scratch = table_scratch,
    .convert = tuff_half_convert};

struct tuff_tensor *tuff_image_norm_table(struct tuff_graph *g, struct tuff_tensor *x,
                                    struct tuff_tensor *weight, struct tuff_tensor *bias,
                                    struct tuff_tensor *mean, struct tuff_tensor *var,
                                    const struct tuff_image_norm_attr *attr)
{
    if (!x || !weight)
        return NULL;
    struct tuff_tensor *in[STATS_INPUTS] = {x, weight, bias, mean, var};
    int64_t dims[] = {attr->images, TUFF_TABLE_ROWS, channels_of(x)};
    struct tuff_tensor *table = tuff_tensor_new(g, TUFF_F32, 3, dims);
    return table && tuff_node_add(g, &table_op, in, STATS_INPUTS, &table, 1, attr, sizeof *attr)
               ? table
               : NULL;
}

/* ---- y ---- */

struct tuff_tensor *tuff_image_norm_op(struct tuff_graph *g, const struct tuff_op *op,
                                 struct tuff_tensor *x, struct tuff_tensor *weight,
                                 struct tuff_tensor *bias, struct tuff_tensor *table,
                                 const struct tuff_image_norm_attr *attr)
{
    if (!x || !weight || !table)
        return NULL;
    struct tuff_tensor *in[TUFF_NORM_INPUTS] = {x, weight, bias, table};
    struct tuff_tensor *y = tuff_tensor_new(g, x->dtype, x->rank, x->dims);
    return y && tuff_node_add(g, op, in, TUFF_NORM_INPUTS, &y, 1, attr, sizeof *attr) ? y : NULL;
}

void tuff_image_norm_record(struct tuff_recorder *r, const struct tuff_node *node)
{
    const struct tuff_image_norm_attr *attr = node->attr;
    const struct tuff_tensor *x = node->in[TUFF_NORM_X], *table = node->in[TUFF_NORM_TABLE];
    struct form form =
        form_of(r, attr, channels_of(x), (const struct tuff_tensor *[]) {x, table, NULL});
    struct tuff_norm_apply_params p = {.x = tuff_address(r, x),
                                       .table = tuff_address(r, table),
                                       .y = tuff_address(r, node->out[0]),
                                       .rows = (uint32_t) attr->rows,
                                       .units = form.units,
                                       .slab = slab_of(attr),
                                       .slabs = slabs_of(attr),
                                       .images = (uint32_t) attr->images};
    tuff_launch(r, &(struct tuff_launch_params) {
                       .kernel = form.texel ? "norm/apply.texel" : "norm/apply.generic",
                       .push = &p,
                       .push_bytes = sizeof p,
                       .groups = {form.groups},
                       .spec = (uint32_t[]) {attr->act},
                       .n_spec = 1,
                       .views = {x, table},
                       .in = {x, table},
                       .out = {node->out[0]}});
}

/* ---- gradients ---- */

enum { GRAD_DY, GRAD_X, GRAD_TABLE, GRAD_MEANS, GRAD_RESIDUAL };
enum { SUMS_WEIGHT, SUMS_BIAS };

static void record_grad(struct tuff_recorder *r, const struct tuff_node *node, bool sums)
{
    const struct tuff_image_norm_attr *attr = node->attr;
    const struct tuff_tensor *dy = node->in[GRAD_DY], *x = node->in[GRAD_X];
    const struct tuff_tensor *table = node->in[GRAD_TABLE];
    const struct tuff_tensor *means = node->in[GRAD_MEANS], *residual = node->in[GRAD_RESIDUAL];
    struct form form = form_of(r, attr, channels_of(x),
                               (const struct tuff_tensor *[]) {dy, x, table, residual, NULL});
    struct tuff_norm_grad_params p = {
        .dy = tuff_address(r, dy),
        .x = tuff_address(r, x),
        .table = tuff_address(r, table),
        .means = tuff_address(r, means),
        .residual = tuff_address(r, residual),
        .dweight = sums ? tuff_address(r, node->out[SUMS_WEIGHT]) : 0,
        .dbias = sums ? tuff_address(r, node->out[SUMS_BIAS]) : 0,
        .dx = sums ? 0 : tuff_address(r, node->out[0]),
        .rows = (uint32_t) attr->rows,
        .units = form.units,
        .slab = slab_of(attr),
        .slabs = slabs_of(attr),
        .images = (uint32_t) attr->images};
    uint32_t spec[] = {attr->act, attr->constant, residual != NULL};
    tuff_launch(r, &(struct tuff_launch_params) {
                       .kernel = sums ? form.texel ? "norm/grad.sums.texel"
                                                   : "norm/grad.sums.generic"
                                 : form.texel ? "norm/grad.x.texel" : "norm/grad.x.generic",
                       .push = &p,
                       .push_bytes = sizeof p,
                       .groups = {form.groups},
                       .spec = spec,
                       .n_spec = sums ? 2 : 3,
                       .views = {dy, x, table, means ? means : table, residual ? residual : dy},
                       .in = {dy, x, table, means, residual},
                       .out = {node->out[0], node->out[1]}});
}

static void record_sums(struct tuff_recorder *r, const struct tuff_node *node)
{
    record_grad(r, node, true);
}

static const struct tuff_op sums_op = {.name = "norm_sums", .record = record_sums,
                                       .convert = tuff_half_convert};

static void record_means(struct tuff_recorder *r, const struct tuff_node *node)
{
    const struct tuff_image_norm_attr *attr = node->attr;
    const struct tuff_tensor *weight = node->in[2];
    struct tuff_norm_means_params p = {.dweight = tuff_address(r, node->in[SUMS_WEIGHT]),
                                       .dbias = tuff_address(r, node->in[SUMS_BIAS]),
                                       .weight = tuff_address(r, weight),
                                       .means = tuff_address(r, node->out[0]),
                                       .rows = (uint32_t) attr->rows,
                                       .channels = channels_of(weight),
                                       .slabs = slabs_of(attr),
                                       .images = (uint32_t) attr->images,
                                       .group = (uint32_t) attr->group};
    uint64_t groups = (uint64_t) (attr->images * (channels_of(weight) / attr->group));
    tuff_launch(r, &(struct tuff_launch_params) {
                       .kernel = "norm/means",
                       .push = &p,
                       .push_bytes = sizeof p,
                       .groups = {tuff_groups(groups, 64)},
                       .in = {node->in[SUMS_WEIGHT], node->in[SUMS_BIAS], weight},
                       .out = {node->out[0]}});
}

static const struct tuff_op means_op = {.name = "norm_means", .record = record_means,
                                        .convert = tuff_half_convert};

static void record_x(struct tuff_recorder *r, const struct tuff_node *node)
{
    record_grad(r, node, false);
}

static bool fuse_add(struct tuff_node *node, int index, struct tuff_tensor *other)
{
    if (index || node->in[GRAD_RESIDUAL] || !tuff_contiguous(other))
        return false;
    node->in[GRAD_RESIDUAL] = other;
    return true;
}

/* In place over dy: an invocation writes only units that it alone reads, after it read them. */
static const struct tuff_op x_op = {.name = "norm_grad",
                                    .record = record_x,
                                    .convert = tuff_half_convert,
                                    .inplace_input = GRAD_DY + 1,
                                    .fuse_add = fuse_add};

static struct tuff_tensor *x_grad(struct tuff_graph *g, struct tuff_node *node,
                                  struct tuff_tensor *d, struct tuff_tensor *const sums[2])
{
    const struct tuff_image_norm_attr *attr = node->attr;
    struct tuff_tensor *x = node->in[TUFF_NORM_X], *means = NULL;
    if (!attr->constant) {
        struct tuff_tensor *in[] = {sums[SUMS_WEIGHT], sums[SUMS_BIAS],
                                    node->in[TUFF_NORM_WEIGHT]};
        int64_t dims[] = {attr->images, 2, channels_of(x)};
        means = tuff_tensor_new(g, TUFF_F32, 3, dims);
        if (!means || !tuff_node_add(g, &means_op, in, 3, &means, 1, attr, sizeof *attr))
            return NULL;
    }
    struct tuff_tensor *in[] = {d, x, node->in[TUFF_NORM_TABLE], means};
    struct tuff_tensor *dx = tuff_tensor_new(g, x->dtype, x->rank, x->dims);
    return dx && tuff_node_add(g, &x_op, in, 4, &dx, 1, attr, sizeof *attr) ? dx : NULL;
}

void tuff_image_norm_grad(struct tuff_graph *g, struct tuff_node *node,
                          struct tuff_tensor *const dy[], struct tuff_tensor *dx[])
{
    const struct tuff_image_norm_attr *attr = node->attr;
    struct tuff_tensor *x = node->in[TUFF_NORM_X], *bias = node->in[TUFF_NORM_BIAS];
    struct tuff_tensor *d = tuff_row_operand(g, dy[0]);
    if (!d)
        return;
    int64_t dims[] = {attr->images * slabs_of(attr), channels_of(x)};
    struct tuff_tensor *in[] = {d, x, node->in[TUFF_NORM_TABLE]};
    struct tuff_tensor *sums[] = {tuff_tensor_new(g, TUFF_F32, 2, dims),
                                  tuff_tensor_new(g, TUFF_F32, 2, dims)};
    if (!sums[0] || !sums[1] ||
        !tuff_node_add(g, &sums_op, in, 3, sums, 2, attr, sizeof *attr))
        return;
    if (node->in[TUFF_NORM_WEIGHT]->needs_grad)
        dx[TUFF_NORM_WEIGHT] = tuff_column_sum(g, sums[SUMS_WEIGHT]);
    if (bias && bias->needs_grad)
        dx[TUFF_NORM_BIAS] = tuff_column_sum(g, sums[SUMS_BIAS]);
    if (x->needs_grad)
        dx[TUFF_NORM_X] = x_grad(g, node, d, sums);
}
