/* ops/image_norm.h: what group_norm and batch_norm share. x is [images, rows, C]; mean and variance are
 * those of an image's groups of channels: batch_norm has one image and groups of one channel.
 *
 * A table [images, 5, C] (shaders/norm/channels.glsl) holds all that a kernel needs to know of a
 * channel; it is the only thing besides x that is saved for the gradient. */
#ifndef TUFF_OPS_IMAGE_NORM_H
#define TUFF_OPS_IMAGE_NORM_H

#include "graph/op.h"
#include "tuff/ops.h"

enum { TUFF_NORM_X, TUFF_NORM_WEIGHT, TUFF_NORM_BIAS, TUFF_NORM_TABLE, TUFF_NORM_INPUTS };
/* Rows of the table, as in shaders/norm/channels.glsl. */
enum { TUFF_TABLE_MEAN, TUFF_TABLE_VAR = 4, TUFF_TABLE_ROWS };

struct tuff_image_norm_attr {
    int64_t images, rows, group;
    float eps;
    enum tuff_activation act;
    bool constant; /* mean and variance are given: they do not depend on x */
};

/* The arguments that both ops take are right. */
bool tuff_image_norm_valid(struct tuff_graph *g, const char *op, const struct tuff_tensor *x,
                     const struct tuff_tensor *weight, const struct tuff_tensor *bias, float eps,
                     enum tuff_activation act);
/* t is F32 [C] for x's C. */
bool tuff_image_norm_per_channel(struct tuff_graph *g, const char *op, const char *argument,
                           const struct tuff_tensor *t, const struct tuff_tensor *x);
/* The table: of x, or of a given mean and variance (both or none NULL). Operands are contiguous. */
struct tuff_tensor *tuff_image_norm_table(struct tuff_graph *g, struct tuff_tensor *x,
                                    struct tuff_tensor *weight, struct tuff_tensor *bias,
                                    struct tuff_tensor *mean, struct tuff_tensor *var,
                                    const struct tuff_image_norm_attr *attr);
/* y = act((x - mean) rstd weight + bias): adds the node of `op`. */
struct tuff_tensor *tuff_image_norm_op(struct tuff_graph *g, const struct tuff_op *op,
                                 struct tuff_tensor *x, struct tuff_tensor *weight,
                                 struct tuff_tensor *bias, struct tuff_tensor *table,
                                 const struct tuff_image_norm_attr *attr);
void tuff_image_norm_record(struct tuff_recorder *r, const struct tuff_node *node);
void tuff_image_norm_grad(struct tuff_graph *g, struct tuff_node *node,
                          struct tuff_tensor *const dy[], struct tuff_tensor *dx[]);

#endif
