#include "lib/shared.h"
/* y = value, n elements. */
TUFF_PARAMS_BEGIN(fill)
    TUFF_PTR(F32) y;
    tuff_u32 n;
    tuff_f32 value;
TUFF_PARAMS_END(fill)
