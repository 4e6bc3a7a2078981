#include "lib/shared.h"
/* y[i] = x[i] + scale u, u uniform in [-1, 1) from word i; n units. seed: two words. */
TUFF_PARAMS_BEGIN(noise)
    TUFF_PTR(REF) x;
    TUFF_PTR(U32) seed;
    TUFF_PTR(REF) y;
    tuff_u32 x_at;
    tuff_u32 n;
    tuff_u32 stream;
    tuff_f32 scale;
TUFF_PARAMS_END(noise)
