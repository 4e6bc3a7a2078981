#include "lib/shared.h"
/* y[b, h, w, :] = scale times a sum over a window of x; n units of y, `units` a pixel. pool: y's
 * pixel is the window number (h, w) over x. spread, its adjoint: the windows that cover it. */
TUFF_PARAMS_BEGIN(window)
    TUFF_PTR(REF) x;
    TUFF_PTR(REF) y;
    tuff_u32 x_at;
    tuff_u32 n;
    tuff_u32 units;
    tuff_u32 y_height;
    tuff_u32 y_width;
    tuff_u32 x_height;
    tuff_u32 x_width;
    tuff_u32 kernel;
    tuff_u32 stride;
    tuff_u32 padding;
    tuff_f32 scale;
TUFF_PARAMS_END(window)
