#include "lib/shared.h"
/* y = act(x), or y = dy act'(x); n units. */
TUFF_PARAMS_BEGIN(activation)
    TUFF_PTR(REF) x;
    TUFF_PTR(REF) dy;
    TUFF_PTR(REF) y;
    tuff_u32 x_at;
    tuff_u32 dy_at;
    tuff_u32 n;
TUFF_PARAMS_END(activation)
