/* nll_loss and cross_entropy_loss: weights of classes, smoothing, ignored rows, probabilities as
 * targets, each reduction, large logits. */
#include "op_test.h"

struct arg {
    bool logits;        /* cross_entropy_loss of them, else nll_loss */
    bool probabilities; /* targets */
    bool weighted;
    enum tuff_reduction reduction;
    float smoothing;
};
enum { X, TARGETS, WEIGHT };

static struct tuff_tensor *build(struct tuff_graph *g, struct tuff_tensor *const in[],
                                 const void *arg)
{
    const struct arg *a = arg;
    const struct tuff_nll_args args = {a->reduction, a->weighted ? in[WEIGHT] : NULL, a->smoothing};
    return a->logits ? tuff_cross_entropy_loss_with(g, in[X], in[TARGETS], &args)
                     : tuff_nll_loss_with(g, in[X], in[TARGETS], &args);
}

static void ref(const struct ot_case *c, const double *const in[], double *y, size_t n_y)
{
    const struct arg *a = c->arg;
    size_t v = (size_t) c->in[X].dims[c->in[X].rank - 1], rows = ot_count(&c->in[X]) / v;
    double e = (double) a->smoothing, all = 0, count = 0;
    for (size_t i = 0; i < rows; i++) {
        const double *x = in[X] + i * v;
        double top = x[0], sum = 0, loss = 0;
        for (size_t k = 0; k < v; k++)
            top = TUFF_MAX(top, x[k]);
        for (size_t k = 0; k < v; k++)
            sum += exp(x[k] - top);
        bool counted = a->probabilities || in[TARGETS][i] < (double) v;
        for (size_t k = 0; k < v && counted; k++) {
            double w = a->weighted ? in[WEIGHT][k] : 1;
            double q = a->probabilities ? in[TARGETS][i * v + k] : k == (size_t) in[TARGETS][i];
            double shared = w * ((1 - e) * q + e / (double) v);
            loss -= shared != 0 ? shared * (a->logits ? x[k] - top - log(sum) : x[k]) : 0;
            count += a->probabilities ? 0 : w * q;
        }
        count += a->probabilities;
        all += loss;
        if (a->reduction == TUFF_REDUCTION_NONE)
            y[i] = loss;
    }
    if (a->reduction != TUFF_REDUCTION_NONE)
        y[0] = a->reduction == TUFF_REDUCTION_SUM ? all : count > 0 ? all / count : 0;
    (void) n_y;
}

#define NO 4294967295.0 /* TUFF_IGNORE */
static const double some_ignored[] = {3, NO, 0, 6, 7, 2}; /* 7 is out of range */
static const double all_ignored[] = {NO, NO, NO};
static const double large[] = {1e4, -1e4, 0, 1, -1e4, 1e4, -1e4, 9999, 3, 3, 3, 3};
static const double with_nan[] = {1, 2, 3, 4, NAN, 1, INFINITY, 2, 0, 1, 0, -1};
static const double around_nan[] = {1, NO, 3};
static const double large_targets[] = {0, 3, 2};
static const double sure[] = {0.5, 0, 0.5, 0, 0, 1, 0, 0, 0.25, 0.25, 0.25, 0.25};

#define IDS(n, v) {.rank = 1, .dims = {n}, .fill = OT_IDS, .scale = v}
#define LIST(n, list) {.rank = 1, .dims = {n}, .fill = OT_VALUES, .dtype = TUFF_U32, .values = list}
#define W(v) {.rank = 1, .dims = {v}, .fill = OT_UNIFORM, .scale = 2, .constant = true}
#define Q(...) {.rank = 2, .dims = {__VA_ARGS__}, .fill = OT_UNIFORM, .scale = 1}
#define TWELVE(list) {2, {3, 4}, OT_VALUES, .values = list}
#define CASE(label, n, a, ...)                                                                     \
    {.name = label, .in = {__VA_ARGS__}, .n_in = n, .build = build, .ref = ref,                    \
     .arg = &(const struct arg) a}
#define ARG(...) {__VA_ARGS__}
static const struct ot_case cases[] = {
    CASE("one", 2, ARG(false), {1, {9}}, {.rank = 0, .fill = OT_IDS, .scale = 9}),
    CASE("ignored", 2, ARG(false), {2, {6, 7}}, LIST(6, some_ignored)),
    CASE("ignored, sum", 2, ARG(false, .reduction = TUFF_REDUCTION_SUM), {2, {6, 7}},
         LIST(6, some_ignored)),
    CASE("weighted rows", 3, ARG(false, .weighted = true, .reduction = TUFF_REDUCTION_NONE),
         {3, {2, 35, 41}}, {2, {2, 35}, OT_IDS, 41}, W(41)),
    CASE("weighted mean", 3, ARG(false, .weighted = true), {2, {6, 131}}, LIST(6, some_ignored),
         W(131)),
    CASE("smoothed", 3, ARG(false, .weighted = true, .smoothing = 0.1f), {2, {6, 131}},
         LIST(6, some_ignored), W(131)),
    CASE("all ignored", 2, ARG(false), {2, {3, 5}}, LIST(3, all_ignored)),
    CASE("NaN in an ignored row", 2, ARG(false, .smoothing = 0.1f), TWELVE(with_nan),
         LIST(3, around_nan)),
    CASE("logits", 2, ARG(true), {2, {6, 7}}, LIST(6, some_ignored)),
    CASE("logits, weighted, smoothed", 3, ARG(true, .weighted = true, .smoothing = 0.1f),
         {2, {70, 132}}, IDS(70, 200), W(132)),
    CASE("large logits", 3, ARG(true, .weighted = true, .smoothing = 0.1f), TWELVE(large),
         LIST(3, large_targets), W(4)),
    CASE("probabilities", 2, ARG(true, true), {2, {6, 7}}, Q(6, 7)),
    CASE("probabilities, rows", 3,
         ARG(true, true, .weighted = true, .reduction = TUFF_REDUCTION_NONE), {2, {19, 100}},
         Q(19, 100), W(100)),
    CASE("probabilities, weighted, smoothed", 3, ARG(true, true, true, .smoothing = 0.2f),
         {2, {33, 64}}, Q(33, 64), W(64)),
    CASE("probabilities, large logits", 2, ARG(true, true), TWELVE(large), TWELVE(sure)),
};

static void fails(struct tuff_graph *g, enum tuff_dtype dtype, int64_t targets, int64_t weights,
                  float smoothing)
{
    tuff_nll_loss(g, tuff_fill(g, 1, 2, (int64_t[]) {3, 4}),
                  tuff_input(g, "t", dtype, 1, &targets),
                  .weight = tuff_fill(g, 1, 1, &weights), .label_smoothing = smoothing);
}

static void bad_targets(struct tuff_graph *g)
{
    fails(g, TUFF_U32, 4, 4, 0);
}

static void bad_dtype(struct tuff_graph *g)
{
    fails(g, TUFF_F32, 3, 4, 0);
}

static void bad_weight(struct tuff_graph *g)
{
    fails(g, TUFF_U32, 3, 3, 0);
}

static void bad_smoothing(struct tuff_graph *g)
{
    fails(g, TUFF_U32, 3, 4, 1);
}

static void bad_probabilities(struct tuff_graph *g)
{
    tuff_cross_entropy_loss(g, tuff_fill(g, 1, 2, (int64_t[]) {3, 4}),
                            tuff_fill(g, 1, 2, (int64_t[]) {3, 5}), TUFF_REDUCTION_SUM);
}

static const struct ot_error errors[] = {{"targets", bad_targets, TUFF_E_SHAPE},
                                         {"dtype", bad_dtype, TUFF_E_DTYPE},
                                         {"weight", bad_weight, TUFF_E_SHAPE},
                                         {"smoothing", bad_smoothing, TUFF_E_RANGE},
                                         {"probabilities", bad_probabilities, TUFF_E_SHAPE}};

int main(int argc, char **argv)
{
    return ot_main(argc, argv, cases, TUFF_COUNT(cases), errors, TUFF_COUNT(errors));
}
