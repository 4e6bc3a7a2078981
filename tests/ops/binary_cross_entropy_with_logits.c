/* binary_cross_entropy_with_logits: reductions, views, sizes around the width of a load, logits of
 * 1e4 with targets of both kinds and between. */
#include "pair_loss.h"

static struct tuff_tensor *loss_op(struct tuff_graph *g, struct tuff_tensor *x,
                                   struct tuff_tensor *target, enum tuff_reduction reduction)
{
    return tuff_binary_cross_entropy_with_logits(g, x, target, reduction);
}

static double loss_of(double x, double t)
{
    return fmax(x, 0) - x * t + log1p(exp(-fabs(x)));
}

static const double far_x[] = {1e4, 1e4, -1e4, -1e4, 1e4, -1e4, 50, -50, 88, -88, 0, 1e-20};
static const double far_t[] = {1, 0, 1, 0, 0.25, 0.75, 1, 0, 1, 0, 1, 0};
/* Right answers at large logits: e^-x has no other term beside it. */
static const double sure_x[] = {20, 30, 40, 60, 80, -20, -40, -80};
static const double sure_t[] = {1, 1, 1, 1, 1, 0, 0, 0};
static void ref_sure(const struct ot_case *c, const double *const in[], double *y, size_t n)
{
    (void) c;
    for (size_t i = 0; i < n; i++)
        y[i] = loss_of(in[0][i], in[1][i]) * in[2][i];
}

/* Scaled by about e^|x|, so that each element's relative error counts. */
static struct tuff_tensor *build_sure(struct tuff_graph *g, struct tuff_tensor *const in[],
                                      const void *arg)
{
    (void) arg;
    return tuff_mul(g, tuff_binary_cross_entropy_with_logits(g, in[0], in[1], TUFF_REDUCTION_NONE),
                    in[2]);
}

/* Weights of positives, by column, and of each loss. */
static struct tuff_tensor *build_weighted(struct tuff_graph *g, struct tuff_tensor *const in[],
                                          const void *arg)
{
    return tuff_binary_cross_entropy_with_logits(g, in[0], in[1],
                                                 *(const enum tuff_reduction *) arg,
                                                 .pos_weight = in[2], .weight = in[3]);
}

static void ref_weighted(const struct ot_case *c, const double *const in[], double *y, size_t n_y)
{
    size_t n = ot_count(&c->in[0]), columns = ot_count(&c->in[2]);
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double x = in[0][i], t = in[1][i], tail = log1p(exp(-fabs(x))), p = in[2][i % columns];
        double loss = in[3][i % ot_count(&c->in[3])] *
                      (p * t * (fmax(-x, 0) + tail) + (1 - t) * (fmax(x, 0) + tail));
        sum += loss / (double) n;
        if (n_y > 1)
            y[i] = loss;
    }
    if (n_y == 1)
        y[0] = sum;
}

static const double sure_scale[] = {1e8, 1e13, 1e17, 1e26, 1e34, 1e8, 1e17, 1e34};

static const struct ot_case cases[] = {
    LOSS_CASES,
    LOSS_CASE("far", build, NONE, {1, {12}, OT_VALUES, .values = far_x},
              {1, {12}, OT_VALUES, .values = far_t}),
#define WEIGHTED(label, how, ...)                                                                  \
    {.name = label, .in = {__VA_ARGS__}, .n_in = 4, .build = build_weighted, .ref = ref_weighted,  \
     .arg = &(const enum tuff_reduction) {TUFF_REDUCTION_##how}}
#define CONSTANT(...) {.rank = __VA_ARGS__, .fill = OT_UNIFORM, .scale = 3, .constant = true}
    WEIGHTED("weighted", NONE, {2, {13, 28}}, T(2, {13, 28}), CONSTANT(1, {28}),
             CONSTANT(2, {13, 28})),
    WEIGHTED("weighted, mean", MEAN, {2, {13, 28}}, T(2, {13, 28}), CONSTANT(1, {28}),
             CONSTANT(1, {1})),
    WEIGHTED("weighted, far", NONE, {2, {3, 4}, OT_VALUES, .values = far_x},
             {2, {3, 4}, OT_VALUES, .values = far_t}, CONSTANT(1, {4}), CONSTANT(1, {1})),
    {.name = "sure", .in = {{1, {8}, OT_VALUES, .values = sure_x, .constant = true},
                            {1, {8}, OT_VALUES, .values = sure_t, .constant = true},
                            {1, {8}, OT_VALUES, .values = sure_scale, .constant = true}},
     .n_in = 3, .build = build_sure, .ref = ref_sure, .no_grad = true},
};

int main(int argc, char **argv)
{
    return ot_main(argc, argv, cases, TUFF_COUNT(cases), errors, TUFF_COUNT(errors));
}
