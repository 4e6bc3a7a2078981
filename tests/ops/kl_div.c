/* kl_div: reductions, targets as probabilities (0 among them) and as logarithms, views. */
#include "pair_loss.h"

static bool log_target; /* while build_log and ref_log run */
/* Added to targets that are differentiated: finite differences of t ln t fail near 0. */
static double shift = 0.25;

static struct tuff_tensor *loss_op(struct tuff_graph *g, struct tuff_tensor *x,
                                   struct tuff_tensor *target, enum tuff_reduction reduction)
{
    if (tuff_dtype_is_half(tuff_dtype_of(target))) /* the sum is not to be rounded */
        target = tuff_cast(g, target, TUFF_F32);
    if (!log_target && shift > 0)
        target = tuff_scale(g, target, 1, (float) shift);
    return tuff_kl_div(g, x, target, log_target, reduction);
}

static double loss_of(double x, double t)
{
    t += log_target ? 0 : shift;
    return log_target ? exp(t) * (t - x) : (t > 0 ? t * log(t) : 0) - t * x;
}

static struct tuff_tensor *build_log(struct tuff_graph *g, struct tuff_tensor *const in[],
                                     const void *arg)
{
    log_target = true;
    struct tuff_tensor *y = build(g, in, arg);
    log_target = false;
    return y;
}

static void ref_log(const struct ot_case *c, const double *const in[], double *y, size_t n_y)
{
    log_target = true;
    ref(c, in, y, n_y);
    log_target = false;
}

static struct tuff_tensor *build_exact(struct tuff_graph *g, struct tuff_tensor *const in[],
                                       const void *arg)
{
    shift = 0;
    struct tuff_tensor *y = build(g, in, arg);
    shift = 0.25;
    return y;
}

static void ref_exact(const struct ot_case *c, const double *const in[], double *y, size_t n_y)
{
    shift = 0;
    ref(c, in, y, n_y);
    shift = 0.25;
}

/* The divergence of batches of 3. */
static struct tuff_tensor *build_batch(struct tuff_graph *g, struct tuff_tensor *const in[],
                                       const void *arg)
{
    (void) arg;
    return loss_op(g, in[0], in[1], TUFF_REDUCTION_BATCHMEAN);
}

static void ref_batch(const struct ot_case *c, const double *const in[], double *y, size_t n_y)
{
    y[0] = 0;
    for (size_t i = 0; i < ot_count(&c->in[0]); i++)
        y[0] += loss_of(in[0][i], in[1][i]) / 3;
    (void) n_y;
}

static const double logs[] = {-1e4, -3, 0, -0.5, -1e-3, -20}, some_0[] = {0, 0, 1, 0.25, 0.5, 0};
static const double far_logs[] = {-1, -30, 0, -100, -0.5, -1e4};
static const struct ot_case cases[] = {
    LOSS_CASES,
    {.name = "zeros", .in = {{1, {6}, OT_VALUES, .values = logs},
                             {1, {6}, OT_VALUES, .values = some_0, .constant = true}},
     .n_in = 2, .build = build_exact, .ref = ref_exact,
     .arg = &(const enum tuff_reduction) {TUFF_REDUCTION_NONE}},
    {.name = "logarithms", .in = {{2, {13, 28}}, {2, {13, 28}}}, .n_in = 2, .build = build_log,
     .ref = ref_log, .arg = &(const enum tuff_reduction) {TUFF_REDUCTION_MEAN}},
    {.name = "logarithms, far", .in = {{1, {6}, OT_VALUES, .values = logs},
                                       {1, {6}, OT_VALUES, .values = far_logs}},
     .n_in = 2, .build = build_log, .ref = ref_log,
     .arg = &(const enum tuff_reduction) {TUFF_REDUCTION_NONE}},
    {.name = "batch", .in = {{2, {3, 20}}, {2, {3, 20}, OT_UNIFORM, 1}}, .n_in = 2,
     .build = build_batch, .ref = ref_batch},
};

int main(int argc, char **argv)
{
    return ot_main(argc, argv, cases, TUFF_COUNT(cases), errors, TUFF_COUNT(errors));
}
