#include "lib/shared.h"
/* y[i] = bits of word i >= cut ? scale x[i] : 0; n elements. seed: two words. */
TUFF_PARAMS_BEGIN(dropout)
    TUFF_PTR(F32) x;
    TUFF_PTR(U32) seed;
    TUFF_PTR(F32) y;
    tuff_u32 n;
    tuff_u32 cut;
    tuff_u32 stream;
    tuff_f32 scale;
TUFF_PARAMS_END(dropout)
