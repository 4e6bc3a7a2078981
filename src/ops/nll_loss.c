/* ops/nll_loss: negative log-likelihood by row, and cross-entropy made of it where the fused one
 * (ops/cross_entropy.c) does not serve: weights of classes, probabilities as targets. */
#include "ops/half.h"
#include "ops/pair_loss.h"
#include "ops/rows.h"

#include "loss/inverse.h"
#include "loss/nll.h"

enum { IN_X, IN_TARGETS, IN_WEIGHT, IN_DY };
enum { OUT_LOSSES, OUT_COUNTS };

struct attr {
    float smoothing;
};

static bool valid(struct tuff_graph *g, const struct tuff_tensor *x,
                  const struct tuff_tensor *targets, const struct tuff_nll_args *args)
{
    const struct tuff_tensor *w = args->weight;
    if (targets->dtype != TUFF_U32)
        tuff_graph_fail(g, TUFF_E_DTYPE, "nll_loss: targets must be U32");
    else if (x->rank < 1 || targets->rank != x->rank - 1 || !tuff_contiguous(targets) ||
             memcmp(targets->dims, x->dims, (size_t) targets->rank * sizeof *x->dims) ||
             (w && (w->rank != 1 || w->dims[0] != x->dims[x->rank - 1])))
        tuff_graph_fail(g, TUFF_E_SHAPE, "nll_loss: x %s, targets %s, weight %s",
                        tuff_shape_text(x), tuff_shape_text(targets),
                        w ? tuff_shape_text(w) : "none");
    else if (!(args->label_smoothing >= 0 && args->label_smoothing < 1))
        tuff_graph_fail(g, TUFF_E_RANGE, "nll_loss: label smoothing %g; it must be 0 to below 1",
                        (double) args->label_smoothing);
    else
        return true;
    return false;
}

/* ---- the mean ---- */

static void inverse_record(struct tuff_recorder *r, const struct tuff_node *node)
{
    struct tuff_inverse_params p = {.x = tuff_address(r, node->in[0]),
                                    .y = tuff_address(r, node->out[0])};
    tuff_launch(r, &(struct tuff_launch_params) {.kernel = "loss/inverse",
                                                 .push = &p,
                                                 .push_bytes = sizeof p,
                                                 .in = {node->in[0]},
                                                 .out = {node->out[0]}});
}

static const struct tuff_op inverse_op = {.name = "inverse", .record = inverse_record};

static struct tuff_tensor *inverse(struct tuff_graph *g, struct tuff_tensor *x)
{
    struct tuff_tensor *y = x ? tuff_tensor_new(g, TUFF_F32, 1, (int64_t[]) {1}) : NULL;
    return y && tuff_node_add(g, &inverse_op, &x, 1, &y, 1, NULL, 0) ? y : NULL;
}

/* ---- rows ---- */

struct tuff_tensor *tuff_nll_loss_with(struct tuff_graph *g, struct tuff_tensor *x,
                                       struct tuff_tensor *targets,
                                       const struct tuff_nll_args *args)
{
    x = tuff_row_operand(g, tuff_widen(g, x));
    if (!x || !targets || !tuff_check_f32(g, "nll_loss", "x", x) || !valid(g, x, targets, args))
        return NULL;
    struct tuff_tensor *w = tuff_row_operand(g, tuff_widen(g, args->weight));
    if (w && !tuff_check_f32(g, "nll_loss", "weight", w))
        return NULL;
    struct tuff_tensor *in[] = {x, targets, w};
    struct tuff_tensor *out[] = {tuff_tensor_new(g, TUFF_F32, targets->rank, targets->dims),
                                 tuff_tensor_new(g, TUFF_F32, targets->rank, targets->dims)};
    if (!out[1] || !tuff_node_add(g, &tuff_op_nll_loss, in, 3, out, 2,
                                  &(struct attr) {args->label_smoothing}, sizeof(struct attr)))
        return NULL;
    out[OUT_COUNTS]->needs_grad = false;
    if (args->reduction != TUFF_REDUCTION_MEAN)
        return tuff_loss_reduce(g, out[OUT_LOSSES], args->reduction);
    struct tuff_tensor *share = inverse(g, tuff_sum(g, out[OUT_COUNTS]));
    return tuff_mul(g, tuff_sum(g, out[OUT_LOSSES]), share);
}

static void launch(struct tuff_recorder *r, const struct tuff_node *node,
                   const struct tuff_tensor *rows_of, bool is_grad)
{
    enum tuff_row_form form =
        tuff_row_form(r, false, tuff_rows(rows_of), rows_of->dims[rows_of->rank - 1]);
    struct tuff_nll_params p = {.targets = tuff_address(r, node->in[IN_TARGETS]),
                                .weight = tuff_address(r, node->in[IN_WEIGHT]),
                                .rows = (uint32_t) tuff_rows(rows_of),
                                .columns = (uint32_t) rows_of->dims[rows_of->rank - 1],
                                .smoothing = ((const struct attr *) node->attr)->smoothing};
    uint32_t spec[] = {node->in[IN_WEIGHT] != NULL, p.smoothing > 0,
                       !is_grad && tuff_needed(node->out[OUT_COUNTS])};
    struct tuff_launch_params l = {.kernel = is_grad ? TUFF_ROW_KERNELS("loss/nll.grad")[form]
                                                     : TUFF_ROW_KERNELS("loss/nll")[form],
                                   .push = &p,
                                   .push_bytes = sizeof p,
                                   .groups = {tuff_row_groups(form, p.rows)},
                                   .spec = spec,
                                   .n_spec = TUFF_COUNT(spec)};
    if (is_grad) {
        p.dy = tuff_address(r, node->in[IN_DY]);
        p.dx = tuff_address(r, node->out[0]);
    } else {
        p.x = tuff_address(r, node->in[IN_X]);
        p.losses = tuff_address(r, node->out[OUT_LOSSES]);
        p.counts = tuff_address(r, node->out[OUT_COUNTS]);
    }
    memcpy(l.in, node->in, sizeof l.in);
    memcpy(l.out, node->out, sizeof node->out);
    tuff_launch(r, &l);
}

static void record(struct tuff_recorder *r, const struct tuff_node *node)
{
    launch(r, node, node->in[IN_X], false);
}

static void grad_record(struct tuff_recorder *r, const struct tuff_node *node)
{
    launch(r, node, node->out[0], true);
}

static const struct tuff_op grad_op = {
    .name = "nll_loss_grad", .record = grad_record, .element_flops = 1};

static void grad(struct tuff_graph *g, struct tuff_node *node, struct tuff_tensor *const dy[],
                 struct tuff_tensor *dx[])
{
    const struct tuff_tensor *x = node->in[IN_X];
    struct tuff_tensor *in[] = {NULL, node->in[IN_TARGETS], node->in[IN_WEIGHT],
                                tuff_row_operand(g, dy[OUT_LOSSES])};
    struct tuff_tensor *d = tuff_tensor_new(g, TUFF_F32, x->rank, x->dims);
    if (in[IN_DY] && d &&
        tuff_node_add(g, &grad_op, in, 4, &d, 1, node->attr, sizeof(struct attr)))
        dx[IN_X] = d;
}

const struct tuff_op tuff_op_nll_loss = {
    .name = "nll_loss", .record = record, .grad = grad, .element_flops = 1};

/* ---- cross-entropy made of it ---- */

/* -sum over classes of weight ((1 - e) q + e / V) log_softmax. */
static struct tuff_tensor *of_probabilities(struct tuff_graph *g, struct tuff_tensor *logs,
                                            struct tuff_tensor *q,
                                            const struct tuff_nll_args *args)
{
    if (!logs || !q)
        return NULL;
    float e = args->label_smoothing;
    int last = logs->rank - 1;
    int64_t dims[TUFF_RANK_MAX];
    if (!tuff_same_shape(logs, q))
        return tuff_graph_fail(g, TUFF_E_SHAPE, "cross_entropy_loss: logits %s, probabilities %s",
                               tuff_shape_text(logs), tuff_shape_text(q));
    if (!(e >= 0 && e < 1))
        return tuff_graph_fail(g, TUFF_E_RANGE, "cross_entropy_loss: label smoothing %g; it must "
                               "be 0 to below 1", (double) e);
    if (e > 0)
        q = tuff_scale(g, q, 1 - e, e / (float) logs->dims[last]);
    struct tuff_tensor *y = tuff_mul(g, tuff_scale(g, q, -1, 0), logs);
    if (args->weight)
        y = tuff_mul(g, y, tuff_widen(g, args->weight));
    if (!y || !tuff_same_shape(y, logs))
        return tuff_graph_fail(g, TUFF_E_SHAPE, "cross_entropy_loss: the weight must be [%lld]",
                               (long long) logs->dims[last]);
    memcpy(dims, y->dims, sizeof dims);
    dims[last] = 1;
    y = tuff_reshape(g, tuff_sum_to(g, y, last + 1, dims), last, dims);
    return tuff_loss_reduce(g, y, args->reduction);
}

struct tuff_tensor *tuff_cross_entropy_loss_with(struct tuff_graph *g, struct tuff_tensor *logits,
                                                 struct tuff_tensor *targets,
                                                 const struct tuff_nll_args *args)
{
    struct tuff_tensor *logs = tuff_log_softmax(g, tuff_widen(g, logits));
    if (targets && targets->dtype == TUFF_U32)
        return tuff_nll_loss_with(g, logs, targets, args);
    return of_probabilities(g, logs, tuff_widen(g, targets), args);
}
