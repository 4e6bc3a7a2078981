#include "lib/shared.h"
/* norm = sqrt of the sum of n partial sums. */
TUFF_PARAMS_BEGIN(norm)
    TUFF_PTR(F32) partial;
    TUFF_PTR(F32) norm;
    tuff_u32 n;
TUFF_PARAMS_END(norm)
