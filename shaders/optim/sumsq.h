#include "lib/shared.h"
/* partial[i] = sum of x^2 over the i-th of 64 groups strided slices of n elements. */
TUFF_PARAMS_BEGIN(sumsq)
    TUFF_PTR(F32) x;
    TUFF_PTR(F32) partial;
    tuff_u32 n;
    tuff_u32 first; /* where this chunk's partial sums begin */
TUFF_PARAMS_END(sumsq)
