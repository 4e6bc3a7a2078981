#include "lib/shared.h"
/* y = 1 / x, 0 where x is 0. */
TUFF_PARAMS_BEGIN(inverse)
    TUFF_PTR(F32) x; /* [1] */
    TUFF_PTR(F32) y;
TUFF_PARAMS_END(inverse)
