/* mse_loss: reductions, views, sizes around the width of a load, values far apart. */
#include "pair_loss.h"

static struct tuff_tensor *loss_op(struct tuff_graph *g, struct tuff_tensor *x,
                                   struct tuff_tensor *target, enum tuff_reduction reduction)
{
    return tuff_mse_loss(g, x, target, reduction);
}

static double loss_of(double x, double t)
{
    return (x - t) * (x - t);
}

static const double far_x[] = {1e4, -1e4, 1e4, 0, 1e-10, -3}, far_t[] = {-1e4, 1e4, 1e4, 0, 0, -3.5};
static const struct ot_case cases[] = {
    LOSS_CASES,
    LOSS_CASE("far", build, NONE, {1, {6}, OT_VALUES, .values = far_x},
              {1, {6}, OT_VALUES, .values = far_t}),
};

int main(int argc, char **argv)
{
    return ot_main(argc, argv, cases, TUFF_COUNT(cases), errors, TUFF_COUNT(errors));
}
