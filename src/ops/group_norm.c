/* ops/group_norm: see tuff/ops.h. The work is in ops/image_norm.c. */
#include "ops/half.h"
#include "ops/image_norm.h"
#include "ops/rows.h"

struct tuff_tensor *tuff_group_norm(struct tuff_graph *g, struct tuff_tensor *x, int groups,
                                    struct tuff_tensor *weight, struct tuff_tensor *bias, float eps,
                                    enum tuff_activation activation)
{
    if (!x || !weight || !tuff_image_norm_valid(g, "group_norm", x, weight, bias, eps, activation))
        return NULL;
    int64_t channels = x->dims[x->rank - 1];
    if (groups < 1 || channels % groups)
        return tuff_graph_fail(g, TUFF_E_SHAPE, "group_norm: %d groups do not divide x %s", groups,
                               tuff_shape_text(x));
    x = tuff_row_operand(g, x);
    weight = tuff_row_operand(g, weight);
    bias = tuff_row_operand(g, bias);
    if (!x)
        return NULL;
    struct tuff_image_norm_attr attr = {.images = x->dims[0],
                                  .rows = tuff_rows(x) / x->dims[0],
                                  .group = channels / groups,
                                  .eps = eps,
                                  .act = activation};
    struct tuff_tensor *table = tuff_image_norm_table(g, x, weight, bias, NULL, NULL, &attr);
    return tuff_image_norm_op(g, &tuff_op_group_norm, x, weight, bias, table, &attr);
}

const struct tuff_op tuff_op_group_norm = {.name = "group_norm",
                                           .record = tuff_image_norm_record,
                                           .grad = tuff_image_norm_grad,
                                           .convert = tuff_half_convert,
                                           .inplace_input = TUFF_NORM_X + 1};
