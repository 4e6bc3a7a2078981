#include "lib/shared.h"
/* y = alpha x + beta, n units. */
TUFF_PARAMS_BEGIN(scale)
    TUFF_PTR(REF) x;
    TUFF_PTR(REF) y;
    tuff_u32 x_at;
    tuff_u32 n;
    tuff_f32 alpha;
    tuff_f32 beta;
TUFF_PARAMS_END(scale)
