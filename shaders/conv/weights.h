#ifndef TUFF_CONV_WEIGHTS_KERNELS_H
#define TUFF_CONV_WEIGHTS_KERNELS_H
#include "lib/shared.h"
/* c[m, tap, n] (+)= sum over pixels of a[pixel, m] b[the pixel under that tap, n]: a the gradient
 * of y, b the padded x. Places in floats. */
TUFF_PARAMS_BEGIN(conv_weights)
    tuff_u64 a;
    tuff_u64 b;
    tuff_u32 m;
    tuff_u32 n;
    tuff_u32 parts;      /* of the pixels, LINES x COLUMNS each, of all launches */
    tuff_u32 part_first; /* of this launch */
    tuff_u32 across;     /* parts side by side in an image, one above the other */
    tuff_u32 down;
    tuff_u32 c; /* first element in the bound storage */
    tuff_u32 c_row;
    tuff_u32 a_image;
    tuff_u32 b_image;
    tuff_u32 b_line; /* from line to line of b; one tap down */
    tuff_u32 t[16];  /* t[i] = i, see matmul/uniform.glsl */
TUFF_PARAMS_END(conv_weights)
#endif
