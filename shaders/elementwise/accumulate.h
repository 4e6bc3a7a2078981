#include "lib/shared.h"
/* a += x, n units. */
TUFF_PARAMS_BEGIN(accumulate)
    TUFF_PTR(REF) a;
    TUFF_PTR(REF) x;
    tuff_u32 a_at;
    tuff_u32 x_at;
    tuff_u32 n;
TUFF_PARAMS_END(accumulate)
