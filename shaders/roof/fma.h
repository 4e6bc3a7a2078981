#include "lib/shared.h"
/* y[i] = the sum of 12 chains x = a x + b, `rounds` times 32 links long each. */
TUFF_PARAMS_BEGIN(roof_fma)
    TUFF_PTR(F32) y;
    tuff_u32 rounds;
    tuff_f32 a, b;
TUFF_PARAMS_END(roof_fma)
