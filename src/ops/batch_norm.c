/* ops/batch_norm: see tuff/ops.h. The work is in ops/image_norm.c: one image, groups of one channel. */
#include "ops/half.h"
#include "ops/image_norm.h"
#include "ops/rows.h"

#include "norm/running.h"

static bool valid(struct tuff_graph *g, const struct tuff_tensor *x,
                  const struct tuff_batch_norm_args *args)
{
    const struct tuff_tensor *mean = args->running_mean, *var = args->running_var;
    if (!mean != !var || (!mean && !args->training))
        tuff_graph_fail(g, TUFF_E_ARG, "batch_norm: running_mean and running_var must both be "
                                       "given, or neither while training");
    else if (args->training && mean && !(args->momentum > 0 && args->momentum <= 1))
        tuff_graph_fail(g, TUFF_E_RANGE, "batch_norm: momentum is %g; it must be in (0, 1]",
                        (double) args->momentum);
    else if (args->training && tuff_rows(x) < 2)
        tuff_graph_fail(g, TUFF_E_SHAPE,
                        "batch_norm: x %s has one value a channel; training needs two",
                        tuff_shape_text(x));
    else if (args->training && mean &&
             (mean->storage->kind != TUFF_STORAGE_VARIABLE ||
              var->storage->kind != TUFF_STORAGE_VARIABLE))
        tuff_graph_fail(g, TUFF_E_ARG,
                        "batch_norm: running_mean and running_var must be variables");
    else
        return !mean || (tuff_check_f32(g, "batch_norm", "running_mean", mean) &&
                         tuff_check_f32(g, "batch_norm", "running_var", var) &&
                         tuff_image_norm_per_channel(g, "batch_norm", "running_mean", mean, x) &&
                         tuff_image_norm_per_channel(g, "batch_norm", "running_var", var, x));
    return false;
}

/* ---- running statistics: the next versions of two variables ---- */

enum { RUN_MEAN, RUN_VAR, RUN_TABLE };
struct run_attr {
    int64_t rows;
    float momentum;
};

static void record_running(struct tuff_recorder *r, const struct tuff_node *node)
{
    const struct run_attr *attr = node->attr;
    const struct tuff_tensor *table = node->in[RUN_TABLE];
    struct tuff_norm_running_params p = {.table = tuff_address(r, table),
                                         .mean = tuff_address(r, node->out[RUN_MEAN]),
                                         .var = tuff_address(r, node->out[RUN_VAR]),
                                         .channels = (uint32_t) table->dims[2],
                                         .momentum = attr->momentum,
                                         .unbias = (float) ((double) attr->rows /
                                                            (double) (attr->rows - 1))};
    tuff_launch(r, &(struct tuff_launch_params) {
                       .kernel = "norm/running",
                       .push = &p,
                       .push_bytes = sizeof p,
                       .groups = {tuff_groups(p.channels, 64)},
                       .in = {node->in[RUN_MEAN], node->in[RUN_VAR], table},
                       .out = {node->out[RUN_MEAN], node->out[RUN_VAR]}});
}

static const struct tuff_op running_op = {
    .name = "batch_norm_running", .record = record_running, .effect = true};

static bool update_running(struct tuff_graph *g, const struct tuff_batch_norm_args *args,
                           struct tuff_tensor *table, int64_t rows)
{
    struct tuff_tensor *in[] = {args->running_mean, args->running_var, table};
    struct tuff_tensor *out[] = {tuff_next_version(in[0]), tuff_next_version(in[1])};
    if (!out[0] || !out[1] ||
        !tuff_node_add(g, &running_op, in, 3, out, 2, &(struct run_attr) {rows, args->momentum},
                       sizeof(struct run_attr)))
        return false;
    if (args->next_mean)
        *args->next_mean = out[0];
    if (args->next_var)
        *args->next_var = out[1];
    return true;
}

struct tuff_tensor *tuff_batch_norm_with(struct tuff_graph *g, struct tuff_tensor *x,
                                         struct tuff_tensor *weight, struct tuff_tensor *bias,
                                         const struct tuff_batch_norm_args *args)
{
    if (!x || !weight ||
        !tuff_image_norm_valid(g, "batch_norm", x, weight, bias, args->eps, args->activation) ||
        !valid(g, x, args))
        return NULL;
    x = tuff_row_operand(g, x);
    weight = tuff_row_operand(g, weight);
    bias = tuff_row_operand(g, bias);
    if (!x)
        return NULL;
    struct tuff_image_norm_attr attr = {.images = 1,
                                  .rows = tuff_rows(x),
                                  .group = 1,
                                  .eps = args->eps,
                                  .act = args->activation,
                                  .constant = !args->training};
    struct tuff_tensor *table =
        tuff_image_norm_table(g, x, weight, bias, args->training ? NULL : args->running_mean,
                              args->training ? NULL : args->running_var, &attr);
    struct tuff_tensor *y =
        tuff_image_norm_op(g, &tuff_op_batch_norm, x, weight, bias, table, &attr);
    bool updates = y && args->training && args->running_mean;
    return !updates || update_running(g, args, table, attr.rows) ? y : NULL;
}

const struct tuff_op tuff_op_batch_norm = {.name = "batch_norm",
                                           .record = tuff_image_norm_record,
                                           .grad = tuff_image_norm_grad,
                                           .convert = tuff_half_convert,
                                           .inplace_input = TUFF_NORM_X + 1};
