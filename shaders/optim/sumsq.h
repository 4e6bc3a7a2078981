#include "lib/shared.h"
/* partial[first + g] = group g's part of the sum of x^2 over n elements. */
TUFF_PARAMS_BEGIN(sumsq)
    TUFF_PTR(F32x4) x;
    TUFF_PTR(F32) partial;
    tuff_u32 n;     /* a multiple of 4 */
    tuff_u32 first; /* where this chunk's partial sums begin */
TUFF_PARAMS_END(sumsq)
