#include "lib/shared.h"
/* y = alpha x + beta, n elements. */
TUFF_PARAMS_BEGIN(scale)
    TUFF_PTR(F32) x;
    TUFF_PTR(F32) y;
    tuff_u32 n;
    tuff_f32 alpha;
    tuff_f32 beta;
TUFF_PARAMS_END(scale)
