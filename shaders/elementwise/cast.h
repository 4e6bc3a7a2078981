#include "lib/shared.h"
/* y = x by value, n elements; one of the two is F32 and the other U32. */
TUFF_PARAMS_BEGIN(cast)
    TUFF_PTR(U32) x;
    TUFF_PTR(U32) y;
    tuff_u32 n;
TUFF_PARAMS_END(cast)
