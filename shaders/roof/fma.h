#include "lib/shared.h"
/* y[i] = the sum of 12 chains x = x x + c, `rounds` times 32 links long each; c = x[i] + p.c. */
TUFF_PARAMS_BEGIN(roof_fma)
    TUFF_PTR(F32) x;
    TUFF_PTR(F32) y;
    tuff_u32 rounds;
    tuff_f32 c;
TUFF_PARAMS_END(roof_fma)
