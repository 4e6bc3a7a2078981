/* ops/softmax: see tuff/ops.h. */
#include "ops/half.h"
#include "ops/rows.h"
#include "ops/rows_cpu.h"
#include "ops/softmax.h"
#include "tuff/ops.h"

#include "rows/softmax.h"
#include "rows/softmax_grad.h"

struct tuff_tensor *tuff_softmax(struct tuff_graph *g, struct tuff_tensor *x)
{
    return tuff_softmax_op(g, &tuff_op_softmax, x);
}

struct tuff_tensor *tuff_softmax_op(struct tuff_graph *g, const struct tuff_op *op,
                                    struct tuff_tensor *x)
{
    if (!x || !tuff_check_float(g, op->name, "x", x))
        return NULL;
    if (!x->rank)
        return tuff_graph_fail(g, TUFF_E_SHAPE, "%s: x is %s; it needs an axis", op->name,
                               tuff_shape_text(x));
    x = tuff_row_operand(g, x);
    struct tuff_tensor *y = x ? tuff_tensor_new(g, x->dtype, x->rank, x->dims) : NULL;
    if (!y || !tuff_node_add(g, op, &x, 1, &y, 1, NULL, 0))
        return NULL;
    return y;
}

static enum tuff_row_form form_of(const struct tuff_recorder *r,
                                  const struct tuff_tensor *const *tensors)
{
    const struct tuff_tensor *x = tensors[0];
    bool texels = x->dims[x->rank - 1] % 4 == 0 && tuff_row_texels(r, tensors);
    return tuff_row_form_of(r, texels, x);
}

static uint64_t scratch(const struct tuff_node *node, const struct tuff_device_info *device)
{
    return tuff_rows_cpu_scratch(device, tuff_rows(node->in[0]));
}

struct tuff_halves tuff_softmax_halves(const struct tuff_node *node,
                                       const struct tuff_device_info *device)
{
    (void) device;
    return tuff_halves_in_rows(node, 1 | (node->in[1] != NULL) << 1, 1);
}

static bool record_cpu(struct tuff_recorder *r, const struct tuff_node *node, struct tuff_rows_cpu f)
{
    const struct tuff_tensor sums = tuff_scratch_tensor(node);
    f.columns = f.pitch = (uint32_t) f.x->dims[f.x->rank - 1];
    f.y = node->out[0];
    if (!tuff_rows_cpu_suits(r, &f, &sums))
        return false;
    tuff_row_sums_cpu(r, &f, &sums);
    f.stats = &sums;
    tuff_row_apply_cpu(r, &f);
    return true;
}

void tuff_softmax_record(struct tuff_recorder *r, const struct tuff_node *node)
{
    const struct tuff_tensor *x = node->in[0];
    bool is_log = node->op == &tuff_op_log_softmax;
    if (!is_log && record_cpu(r, node, (struct tuff_rows_cpu) {.f = "softmax", .x = x}))
        return;
    int64_t columns = x->dims[x->rank - 1];
    enum tuff_row_form form =
        tuff_row_quad(r, form_of(r, (const struct tuff_tensor *[]) {x, NULL}), columns, columns,
                      (const struct tuff_tensor *[]) {x, node->out[0], NULL});
    struct tuff_softmax_params p = {.x = tuff_address(r, x),
                                    .y = tuff_address(r, node->out[0]),
                                    .rows = (uint32_t) tuff_rows(x),
                                    .units = tuff_row_units(form, columns)};
    struct tuff_row_lanes l = tuff_row_lanes(r, form, p.units);
    uint32_t spec[] = {l.unroll, tuff_half_spec(node->out[0]), l.lanes, l.hold};
    tuff_launch(r, &(struct tuff_launch_params) {
                       .kernel = is_log ? TUFF_ROW_KERNELS("rows/softmax.log")[form]
                                        : TUFF_ROW_KERNELS("rows/softmax")[form],
                       .push = &p,
                       .push_bytes = sizeof p,
                       .groups = {tuff_row_groups(form, p.rows)},
                       .spec = spec,
                       .n_spec = l.use ? TUFF_COUNT(spec) : tuff_row_is_half(form) ? 2 : 1,
                       .views = {x},
                       .in = {x},
                       .out = {node->out[0]}});
}

enum { GRAD_DY, GRAD_Y };

static const struct tuff_op log_softmax_grad;

static void grad_record(struct tuff_recorder *r, const struct tuff_node *node)
{
    const struct tuff_tensor *dy = node->in[GRAD_DY], *y = node->in[GRAD_Y];
    bool is_log = node->op == &log_softmax_grad;
    if (!is_log &&
        record_cpu(r, node, (struct tuff_rows_cpu) {.f = "softmax_grad", .x = y, .dy = dy}))
        return;
    enum tuff_row_form form = form_of(r, (const struct tuff_tensor *[]) {dy, y, NULL});
    struct tuff_softmax_grad_params p = {.dy = tuff_address(r, dy),
                                         .y = tuff_address(r, y),
                                         .dx = tuff_address(r, node->out[0]),
                                         .rows = (uint32_t) tuff_rows(y),
                                         .units = tuff_row_units(form, y->dims[y->rank - 1])};
    uint32_t spec[] = {tuff_row_unroll(form, p.units), tuff_half_spec(node->out[0])};
    tuff_launch(r, &(struct tuff_launch_params) {
                       .kernel = is_log ? TUFF_ROW_KERNELS("rows/softmax_grad.log")[form]
                                        : TUFF_ROW_KERNELS("rows/softmax_grad")[form],
                       .push = &p,
                       .push_bytes = sizeof p,
                       .groups = {tuff_row_groups(form, p.rows)},
                       .spec = spec,
                       .n_spec = tuff_row_is_half(form) ? 2 : 1,
                       .views = {dy, y},
                       .in = {dy, y},
                       .out = {node->out[0]}});
}

/* In place over dy: an invocation writes only units that it alone reads, after it read them. */
static const struct tuff_op softmax_grad = {
    .name = "softmax_grad",
    .record = grad_record,
    .scratch = scratch,
    .convert = tuff_half_convert, .halves = tuff_softmax_halves,
    .element_flops = 4,
    .inplace_input = GRAD_DY + 1};
static const struct tuff_op log_softmax_grad = {.name = "log_softmax_grad",
                                                .record = grad_record,
                                                .convert = tuff_half_convert, .halves = tuff_softmax_halves,
                                                .element_flops = 4,
                                                .inplace_input = GRAD_DY + 1};

void tuff_softmax_grad(struct tuff_graph *g, struct tuff_node *node, struct tuff_tensor *const dy[],
                 struct tuff_tensor *dx[])
{
    struct tuff_tensor *in[] = {tuff_row_operand(g, dy[0]), node->out[0]};
    struct tuff_tensor *d = tuff_tensor_new(g, in[1]->dtype, in[1]->rank, in[1]->dims);
    const struct tuff_op *op =
        node->op == &tuff_op_log_softmax ? &log_softmax_grad : &softmax_grad;
    if (in[0] && d && tuff_node_add(g, op, in, 2, &d, 1, NULL, 0))
        dx[0] = d;
}

const struct tuff_op tuff_op_softmax = {
    .name = "softmax", .record = tuff_softmax_record, .grad = tuff_softmax_grad,
    .scratch = scratch, .convert = tuff_half_convert, .halves = tuff_softmax_halves, .element_flops = 5, .inplace_input = 1};
