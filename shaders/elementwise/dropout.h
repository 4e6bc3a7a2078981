#include "lib/shared.h"
/* y[i] = bits of word i >= cut ? scale x[i] : 0; n units. seed: two words. */
TUFF_PARAMS_BEGIN(dropout)
    TUFF_PTR(REF) x;
    TUFF_PTR(U32) seed;
    TUFF_PTR(REF) y;
    tuff_u32 x_at;
    tuff_u32 n;
    tuff_u32 cut;
    tuff_u32 stream;
    tuff_f32 scale;
TUFF_PARAMS_END(dropout)
