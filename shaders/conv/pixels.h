#ifndef TUFF_CONV_PIXELS_KERNELS_H
#define TUFF_CONV_PIXELS_KERNELS_H
#include "lib/shared.h"
/* c[pixel, n] = bias[n] + sum over k of a[pixel, k] b[k, n]: a's row is the window of a padded
 * image that belongs to the pixel, KERNEL_H pieces as far apart as the image's lines; b is packed
 * by matmul/pack. Places in floats. */
TUFF_PARAMS_BEGIN(conv_pixels)
    tuff_u64 a;
    tuff_u64 b;
    tuff_u32 m; /* pixels of a line of c */
    tuff_u32 n;
    tuff_u32 parts;      /* of k, KC each, of all launches */
    tuff_u32 part_first; /* of this launch */
    tuff_u32 lines;      /* of an image of c */
    tuff_u32 c;          /* first element in the bound storage */
    tuff_u32 c_pixel;    /* from pixel to pixel of c, from line to line, from image to image */
    tuff_u32 c_line;
    tuff_u32 c_image;
    tuff_u32 a_piece; /* from piece to piece of a window */
    tuff_u32 a_line;  /* from the windows of a line of c to the next line's, next image's */
    tuff_u32 a_image;
    tuff_u32 t[16]; /* t[i] = i, see matmul/uniform.glsl */
TUFF_PARAMS_END(conv_pixels)
#endif
