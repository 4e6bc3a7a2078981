#include "lib/shared.h"
/* y[i] = f(x[i]), n elements. */
TUFF_PARAMS_BEGIN(test_math)
    TUFF_PTR(F32) x;
    TUFF_PTR(F32) y;
    tuff_u32 n;
TUFF_PARAMS_END(test_math)
