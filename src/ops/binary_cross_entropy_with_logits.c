/* ops/binary_cross_entropy_with_logits: ln(1 + e^x) - target x, and its weights. With a weight w of
 * positives it is made of two of them, w ln(1 + e^-x) being what the target's share counts:
 * loss(x, t) + (w - 1) t loss(x, 1). */
#include "ops/half.h"
#include "ops/pair_loss.h"

static struct tuff_tensor *plain(struct tuff_graph *g, struct tuff_tensor *x,
                                 struct tuff_tensor *target)
{
    return tuff_pair_loss_op(g, &tuff_op_binary_cross_entropy_with_logits, x, target,
                             TUFF_PAIR_BCE, TUFF_REDUCTION_NONE);
}

struct tuff_tensor *
tuff_binary_cross_entropy_with_logits_with(struct tuff_graph *g, struct tuff_tensor *x,
                                           struct tuff_tensor *target,
                                           const struct tuff_bce_args *args)
{
    x = tuff_widen(g, x);
    target = tuff_widen(g, target);
    struct tuff_tensor *y = plain(g, x, target);
    if (y && args->pos_weight) {
        struct tuff_tensor *more =
            tuff_mul(g, target, tuff_scale(g, tuff_widen(g, args->pos_weight), 1, -1));
        y = tuff_add(g, y, tuff_mul(g, more, plain(g, x, tuff_fill(g, 1, x->rank, x->dims))));
    }
    if (y && args->weight)
        y = tuff_mul(g, y, tuff_widen(g, args->weight));
    if (y && !tuff_same_shape(y, x))
        return tuff_graph_fail(g, TUFF_E_SHAPE, "binary_cross_entropy_with_logits: weights stretch "
                               "x %s to %s", tuff_shape_text(x), tuff_shape_text(y));
    return tuff_loss_reduce(g, y, args->reduction);
}

const struct tuff_op tuff_op_binary_cross_entropy_with_logits = {
    .name = "binary_cross_entropy_with_logits",
    .record = tuff_pair_loss_record,
    .grad = tuff_pair_loss_grad,
    .element_flops = 5};
