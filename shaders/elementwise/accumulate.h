#include "lib/shared.h"
/* a += x, n elements. */
TUFF_PARAMS_BEGIN(accumulate)
    TUFF_PTR(F32) a;
    TUFF_PTR(F32) x;
    tuff_u32 n;
TUFF_PARAMS_END(accumulate)
