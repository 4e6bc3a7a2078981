#include "lib/shared.h"
/* y = act(x), or y = dy act'(x); n elements. */
TUFF_PARAMS_BEGIN(activation)
    TUFF_PTR(F32) x;
    TUFF_PTR(F32) dy;
    TUFF_PTR(F32) y;
    tuff_u32 n;
TUFF_PARAMS_END(activation)
