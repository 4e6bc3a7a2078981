/* ops/cross_entropy: log-softmax and negative log-likelihood in one. */
#include "ops/cross_entropy.h"
#include "ops/half.h"
#include "ops/rows.h"
#include "ops/rows_cpu.h"
#include "tuff/ops.h"

#include "loss/cross_entropy.h"
#include "loss/cross_entropy_grad.h"
#include "loss/cross_entropy_grad_quads.h"
#include "loss/total.h"

enum { IN_LOGITS, IN_TARGETS, IN_WEIGHT, IN_STATS, IN_DLOSS, N_IN };
enum { OUT_LOSS, OUT_ROWS, OUT_STATS };
enum { FLOPS = 4 }; /* an element: maximum, difference, exp, sum */
enum { LONG_ROW = 1024, MOST_GROUPS = 65535 };

struct attr {
    float smoothing;
};

static float smoothing_of(const struct tuff_node *node)
{
    return ((const struct attr *) node->attr)->smoothing;
}

/* Rows must be evenly spaced; their pitch may exceed the columns. */
static bool even_rows(const struct tuff_tensor *x)
{
    if (x->rank < 1 || x->strides[x->rank - 1] != 1)
        return false;
    for (int i = 0; i + 2 < x->rank; i++)
        if (x->strides[i] != x->strides[i + 1] * x->dims[i + 1])
            return false;
    return true;
}

static uint32_t pitch_of(const struct tuff_tensor *x)
{
    return x->rank > 1 ? (uint32_t) x->strides[x->rank - 2] : (uint32_t) x->dims[0];
}

struct tuff_tensor *tuff_cross_entropy_stats(struct tuff_graph *g, struct tuff_tensor *logits,
                                             struct tuff_tensor *targets,
                                             struct tuff_tensor *weight, float smoothing,
                                             struct tuff_tensor **rows,
                                             struct tuff_tensor **stats)
{
    if (rows)
        *rows = NULL;
    *stats = NULL;
    weight = tuff_widen(g, weight);
    if (!logits || !targets || !weight || !tuff_check_float(g, "cross_entropy", "logits", logits) ||
        !tuff_check_f32(g, "cross_entropy", "weight", weight))
        return NULL;
    if (targets->dtype != TUFF_U32)
        return tuff_graph_fail(g, TUFF_E_DTYPE, "cross_entropy: targets must be U32");
    if (logits->rank < 1 || targets->rank != logits->rank - 1 || tuff_elements(weight) != 1 ||
        memcmp(targets->dims, logits->dims, (size_t) targets->rank * sizeof *logits->dims) ||
        !tuff_contiguous(targets))
        return tuff_graph_fail(g, TUFF_E_SHAPE, "cross_entropy: logits %s, targets %s, weight %s",
                               tuff_shape_text(logits), tuff_shape_text(targets),
                               tuff_shape_text(weight));
    if (!(smoothing >= 0 && smoothing < 1))
        return tuff_graph_fail(g, TUFF_E_RANGE, "cross_entropy: label smoothing %g; it must be 0 to "
                               "below 1", (double) smoothing);
    if (!even_rows(logits))
        logits = tuff_copy(g, logits);
    int64_t n = tuff_elements(targets);
    struct tuff_tensor *out[3] = {tuff_tensor_new(g, TUFF_F32, 1, (int64_t[]) {1}),
                                  tuff_tensor_new(g, TUFF_F32, targets->rank, targets->dims),
                                  tuff_tensor_new(g, TUFF_F32, 2, (int64_t[]) {n, 2})};
    struct tuff_tensor *in[] = {logits, targets, weight};
    if (!logits || !out[2] || !tuff_node_add(g, &tuff_op_cross_entropy, in, 3, out, 3,
                                             &(struct attr) {smoothing}, sizeof(struct attr)))
        return NULL;
    if (rows) {
        *rows = out[OUT_ROWS];
        out[OUT_ROWS]->needs_grad = false; /* for reading; the gradient goes through the loss */
    }
    *stats = out[OUT_STATS];
    return out[OUT_LOSS];
}

struct tuff_tensor *tuff_cross_entropy_with(struct tuff_graph *g, struct tuff_tensor *logits,
                                            struct tuff_tensor *targets,
                                            struct tuff_tensor *weight,
                                            const struct tuff_cross_entropy_args *args)
{
    struct tuff_tensor *stats;
    return tuff_cross_entropy_stats(g, logits, targets, weight, args->label_smoothing, args->rows,
                                    &stats);
}

/* Row losses are temporary where nobody needs them. */
static uint64_t scratch(const struct tuff_node *node, const struct tuff_device_info *device)
{
    (void) device;
    return (uint64_t) tuff_elements(node->in[IN_TARGETS]) * 4;
}

/* The texel form needs rows that begin on a texel; the last one of a row may be half used. */
static enum tuff_row_form form_of(const struct tuff_recorder *r, const struct tuff_tensor *logits)
{
    bool texels = pitch_of(logits) % 4 == 0 &&
                  tuff_row_texels(r, (const struct tuff_tensor *[]) {logits, NULL});
    return tuff_row_form_of(r, texels, logits);
}

static struct tuff_halves halves(const struct tuff_node *node, const struct tuff_device_info *device)
{
    (void) device;
    return tuff_halves_in_rows(node, 1u << IN_LOGITS, 0);
}

/* F32 logits: their constructor lets half gradients through where the kernel can make them. */
static struct tuff_halves grad_halves(const struct tuff_node *node,
                                      const struct tuff_device_info *device)
{
    (void) device;
    return tuff_is_half(node->in[IN_LOGITS]) ? tuff_halves_in_rows(node, 1u << IN_LOGITS, 1)
                                             : (struct tuff_halves) {0, 1};
}

void tuff_cross_entropy_total(struct tuff_recorder *r, const struct tuff_node *node,
                              const struct tuff_tensor *rows, const struct tuff_tensor *weight)
{
    const struct tuff_tensor *loss = node->out[OUT_LOSS];
    bool scratch = !tuff_needed(rows);
    struct tuff_loss_total_params total = {
        .rows_loss = scratch ? tuff_scratch_address(r, node) : tuff_address(r, rows),
        .weight = tuff_address(r, weight),
        .loss = tuff_address(r, loss),
        .n = (uint32_t) tuff_elements(rows)};
    if (!total.loss)
        return;
    tuff_launch(r, &(struct tuff_launch_params) {.kernel = "loss/total",
                                                 .push = &total,
                                                 .push_bytes = sizeof total,
                                                 .in = {weight, rows},
                                                 .out = {loss},
                                                 .reads_scratch = scratch});
}

static void record(struct tuff_recorder *r, const struct tuff_node *node)
{
    const struct tuff_tensor *logits = node->in[IN_LOGITS];
    int64_t columns = logits->dims[logits->rank - 1];
    enum tuff_row_form form = tuff_row_quad(r, form_of(r, logits), columns, pitch_of(logits),
                                            (const struct tuff_tensor *[]) {logits, NULL});
    struct tuff_row_lanes l = tuff_row_lanes(r, form, (uint32_t) columns / 4);
    struct tuff_cross_entropy_params p = {
        .logits = tuff_address(r, logits),
        .targets = tuff_address(r, node->in[IN_TARGETS]),
        .stats = tuff_address(r, node->out[OUT_STATS]),
        .rows_loss = tuff_needed(node->out[OUT_ROWS]) ? tuff_address(r, node->out[OUT_ROWS])
                                                      : tuff_scratch_address(r, node),
        .rows = (uint32_t) tuff_rows(logits),
        .columns = (uint32_t) columns,
        .pitch = pitch_of(logits)};
    uint32_t spec[] = {p.stats != 0, tuff_float_bits(smoothing_of(node)), tuff_half_spec(logits),
                       l.lanes};
    tuff_launch(r, &(struct tuff_launch_params) {
                       .kernel = TUFF_ROW_KERNELS("loss/cross_entropy")[form],
                       .push = &p,
                       .push_bytes = sizeof p,
                       .groups = {tuff_row_groups(form, p.rows)},
                       .spec = spec,
                       .n_spec = l.use ? TUFF_COUNT(spec) : tuff_row_is_half(form) ? 3 : 2,
                       .views = {logits},
                       .in = {node->in[IN_LOGITS], node->in[IN_TARGETS]},
                       .out = {node->out[OUT_ROWS], node->out[OUT_STATS]},
                       .writes_scratch = true,
                       .flops = FLOPS * (double) tuff_elements(logits)});
    tuff_cross_entropy_total(r, node, node->out[OUT_ROWS], node->in[IN_WEIGHT]);
}

/* ---- gradient ---- */

/* Rows that begin at multiples of four elements. */
static bool in_quads(const struct tuff_tensor *x)
{
    return pitch_of(x) % 4 == 0 && x->offset % 4 == 0 && even_rows(x);
}

/* By fours of elements rather than by rows: what makes halves of F32 logits, and on GPUs long rows. */
static bool by_quads(const struct tuff_recorder *r, const struct tuff_node *node)
{
    const struct tuff_tensor *logits = node->in[IN_LOGITS], *d = node->out[0];
    if (tuff_is_half(logits) || tuff_is_half(d))
        return !tuff_is_half(logits);
    return tuff_use_tiled_kernels(r) && pitch_of(logits) >= LONG_ROW && in_quads(logits) &&
           d->offset % 4 == 0;
}

static void record_by_quads(struct tuff_recorder *r, const struct tuff_node *node)
{
    const struct tuff_tensor *logits = node->in[IN_LOGITS], *d = node->out[0];
    struct tuff_cross_entropy_grad_quads_params p = {
        .logits = tuff_address(r, logits),
        .targets = tuff_address(r, node->in[IN_TARGETS]),
        .stats = tuff_address(r, node->in[IN_STATS]),
        .weight = tuff_address(r, node->in[IN_WEIGHT]),
        .dloss = tuff_address(r, node->in[IN_DLOSS]),
        .dlogits = tuff_address(r, d),
        .rows = (uint32_t) tuff_rows(logits),
        .columns = (uint32_t) logits->dims[logits->rank - 1],
        .pitch = pitch_of(logits)};
    uint32_t spec[] = {tuff_float_bits(smoothing_of(node)), tuff_half_spec(d)};
    bool half = tuff_is_half(d);
    struct tuff_launch_params launch = {
        .kernel = half ? "loss/cross_entropy_grad_quads.half" : "loss/cross_entropy_grad_quads.f32",
        .push = &p,
        .push_bytes = sizeof p,
        .groups = {(uint32_t) tuff_div_up(p.pitch / 4, TUFF_QUADS_GROUP * TUFF_QUADS_EACH),
                   TUFF_MIN(p.rows, (uint32_t) MOST_GROUPS)},
        .spec = spec,
        .n_spec = half ? 2 : 1,
        .out = {d}};
    memcpy(launch.in, node->in, sizeof launch.in);
    tuff_launch(r, &launch);
}

static void grad_record(struct tuff_recorder *r, const struct tuff_node *node)
{
    const struct tuff_tensor *logits = node->in[IN_LOGITS];
    struct tuff_rows_cpu f = {.f = "cross_entropy_grad",
                              .x = logits,
                              .weight = node->in[IN_WEIGHT],
                              .other = node->in[IN_DLOSS],
                              .stats = node->in[IN_STATS],
                              .more = node->in[IN_TARGETS],
                              .y = node->out[0],
                              .columns = (uint32_t) logits->dims[logits->rank - 1],
                              .pitch = pitch_of(logits),
                              .eps = smoothing_of(node)};
    if (tuff_row_apply_cpu_suits(r, &f)) {
        tuff_row_apply_cpu(r, &f);
        return;
    }
    if (by_quads(r, node)) {
        record_by_quads(r, node);
        return;
    }
    enum tuff_row_form form = form_of(r, logits);
    struct tuff_cross_entropy_grad_params p = {
        .logits = tuff_address(r, logits),
        .targets = tuff_address(r, node->in[IN_TARGETS]),
        .stats = tuff_address(r, node->in[IN_STATS]),
        .weight = tuff_address(r, node->in[IN_WEIGHT]),
        .dloss = tuff_address(r, node->in[IN_DLOSS]),
        .dlogits = tuff_address(r, node->out[0]),
        .rows = (uint32_t) tuff_rows(logits),
        .columns = (uint32_t) logits->dims[logits->rank - 1],
        .pitch = pitch_of(logits)};
    uint32_t spec[] = {tuff_row_unroll(form, tuff_row_units(form, p.pitch)),
                       tuff_float_bits(smoothing_of(node)), tuff_half_spec(logits)};
    struct tuff_launch_params launch = {
        .kernel = TUFF_ROW_KERNELS("loss/cross_entropy_grad")[form],
        .push = &p,
        .push_bytes = sizeof p,
        .groups = {tuff_row_groups(form, p.rows)},
        .spec = spec,
        .n_spec = TUFF_COUNT(spec) - !tuff_row_is_half(form),
        .views = {logits},
        .out = {node->out[0]}};
    memcpy(launch.in, node->in, sizeof launch.in);
    tuff_launch(r, &launch);
}

/* Each element depends on its own logit alone: dlogits may take the logits' place. */
static const struct tuff_op cross_entropy_grad_op = {.name = "cross_entropy_grad",
                                                     .record = grad_record,
                                                     .convert = tuff_half_convert,
                                                     .halves = grad_halves,
                                                     .element_flops = 3,
                                                     .inplace_input = IN_LOGITS + 1};

struct tuff_tensor *tuff_cross_entropy_grad(struct tuff_graph *g, struct tuff_tensor *logits,
                                            struct tuff_tensor *targets,
                                            struct tuff_tensor *weight, struct tuff_tensor *stats,
                                            struct tuff_tensor *dloss, float smoothing,
                                            enum tuff_dtype dtype)
{
    struct tuff_tensor *in[N_IN] = {logits, targets, weight, stats, dloss}, *d = NULL;
    if (!logits || !targets || !stats)
        return NULL;
    bool narrows = logits->dtype == TUFF_F32 && tuff_dtype_is_half(dtype) && in_quads(logits);
    if (tuff_is_half(logits)) /* halves are written in order */
        d = tuff_tensor_new(g, logits->dtype, logits->rank, logits->dims);
    else if (narrows)
        d = tuff_tensor_padded(g, dtype, logits->rank, logits->dims, pitch_of(logits));
    else
        d = tuff_tensor_like(g, logits);
    if (!d || !tuff_node_add(g, &cross_entropy_grad_op, in, N_IN, &d, 1, &(struct attr) {smoothing},
                             sizeof(struct attr)))
        return NULL;
    return tuff_dtype_is_half(dtype) ? tuff_cast(g, d, dtype) : d;
}

static void grad(struct tuff_graph *g, struct tuff_node *node, struct tuff_tensor *const dy[],
                 struct tuff_tensor *dx[])
{
    if (dy[OUT_LOSS])
        dx[IN_LOGITS] =
            tuff_cross_entropy_grad(g, node->in[IN_LOGITS], node->in[IN_TARGETS],
                                    node->in[IN_WEIGHT], node->out[OUT_STATS], dy[OUT_LOSS],
                                    smoothing_of(node), node->in[IN_LOGITS]->dtype);
}

const struct tuff_op tuff_op_cross_entropy = {.name = "cross_entropy",
                                              .record = record,
                                              .grad = grad,
                                              .scratch = scratch,
                                              .convert = tuff_half_convert,
                                              .halves = halves,
                                              .element_flops = FLOPS};
