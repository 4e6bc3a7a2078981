/* ops/conv2d: what the files of the conv2d op share. */
#ifndef TUFF_OPS_CONV2D_PACKED_H
#define TUFF_OPS_CONV2D_PACKED_H

#include "graph/op.h"
#include "tuff/ops.h"

/* Of the three products of a convolution, which a node is; in[] and out[0] of each. */
enum tuff_conv2d_product { CONV2D_Y, CONV2D_DX, CONV2D_DW };
enum { CONV2D_X, CONV2D_W, CONV2D_BIAS, CONV2D_INPUTS }; /* CONV2D_Y */
enum { CONV2D_GRAD_DY, CONV2D_GRAD_W, CONV2D_GRAD_X = 1 }; /* CONV2D_DX: dy, w; CONV2D_DW: dy, x */

struct tuff_conv2d_attr {
    enum tuff_conv2d_product product;
    int64_t batch, height, width, channels, out_height, out_width, out_channels, kernel_h, kernel_w,
        stride, padding;
};

/* ---- conv2d_packed.c: the kernels for devices with uniform_loads ---- */

/* Bytes for padded images and packed weights; 0 where they do not suit shapes or device. */
uint64_t tuff_conv2d_packed_scratch(const struct tuff_node *node,
                                    const struct tuff_device_info *device);
/* The node was given scratch, and its storages can be bound. */
bool tuff_conv2d_packed_fits(const struct tuff_recorder *r, const struct tuff_node *node);
void tuff_conv2d_packed_record(struct tuff_recorder *r, const struct tuff_node *node);

#endif
