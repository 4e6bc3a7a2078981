#include "lib/shared.h"
/* y = x (or y += x), n elements over up to 6 axes, slowest first, strides in elements. */
TUFF_PARAMS_BEGIN(copy)
    TUFF_PTR(U32) x;
    TUFF_PTR(U32) y;
    tuff_u32 n;
    tuff_u32 dims[6];
    tuff_u32 x_strides[6];
    tuff_u32 y_strides[6];
TUFF_PARAMS_END(copy)
