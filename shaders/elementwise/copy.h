#ifndef TUFF_COPY_KERNELS_H
#define TUFF_COPY_KERNELS_H
#include "lib/shared.h"
/* y = x (or y += x), n units over up to 6 axes, fastest first; strides in units. To transpose: n tiles
 * of 32 x 32 over the first two axes, y's stride along the first being 1, and x's along the second;
 * strides in elements. */
TUFF_PARAMS_BEGIN(copy)
    TUFF_PTR(REF) x;
    TUFF_PTR(REF) y;
    tuff_u32 x_at;
    tuff_u32 y_at;
    tuff_u32 n;
    tuff_u32 dims[6];
    tuff_u32 x_strides[6];
    tuff_u32 y_strides[6];
TUFF_PARAMS_END(copy)
#endif
