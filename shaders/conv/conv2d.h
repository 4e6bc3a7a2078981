#ifndef TUFF_CONV_CONV2D_KERNELS_H
#define TUFF_CONV_CONV2D_KERNELS_H
#include "lib/shared.h"
/* Convolution of x [batch, height, width, channels] with w [out, kernel_h, kernel_w, channels]:
 *     y[b, i, j, o] = bias[o] + sum over k, l, c of x[b, i s + k - p, j s + l - p, c] w[o, k, l, c]
 * and its two gradients, each a product of matrices one of which is read from computed places. */
TUFF_PARAMS_BEGIN(conv2d)
    TUFF_PTR(F32) x; /* dx for the gradient of x, likewise w and y */
    TUFF_PTR(F32) w;
    TUFF_PTR(F32) y;
    TUFF_PTR(F32) bias;
    tuff_u32 batch;
    tuff_u32 height;
    tuff_u32 width;
    tuff_u32 channels;
    tuff_u32 out_height;
    tuff_u32 out_width;
    tuff_u32 out_channels;
    tuff_u32 kernel_h;
    tuff_u32 kernel_w;
    tuff_u32 stride;
    tuff_u32 padding;
    tuff_u32 parts;  /* tiled: of k, of k_part each; with more than one the product lies at `sums`, */
    tuff_u32 k_part; /* [parts, rows, columns] of plain sums */
    TUFF_PTR(F32) sums;
TUFF_PARAMS_END(conv2d)
#endif
