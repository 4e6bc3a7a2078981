#include "lib/shared.h"
/* y [batch, y_height, y_width, Y_UNITS] = x [batch, height, width, X_UNITS] from line `top`, column
 * `left` on; 0 elsewhere. Units of one element or of four. */
TUFF_PARAMS_BEGIN(conv_pad)
    TUFF_PTR(REF) x;
    TUFF_PTR(REF) y;
    tuff_u32 x_at; /* first unit in x's view */
    tuff_u32 lines; /* batch y_height */
    tuff_u32 y_height;
    tuff_u32 y_width;
    tuff_u32 height;
    tuff_u32 width;
    tuff_u32 top;
    tuff_u32 left;
TUFF_PARAMS_END(conv_pad)
