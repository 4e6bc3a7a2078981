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

#endif
