#include "lib/shared.h"
/* length2 = base[o] + scale sum_k b[o, k] change[o, k]; inverse[o] = length2^-1/2, y[o] = magnitude[o]
 * inverse[o]. */
TUFF_PARAMS_BEGIN(dora_scale)
    TUFF_PTR(F32) magnitude; /* [n] */
    TUFF_PTR(F32) base;      /* [n] */
    TUFF_PTR(F32) b;         /* [n, rank] */
    TUFF_PTR(F32) change;    /* [n, rank] */
    TUFF_PTR(F32) y;         /* [n] */
    TUFF_PTR(F32) inverse;   /* [n] */
    tuff_u32 n;
    tuff_u32 rank;
    tuff_u32 has_inverse;    /* somebody needs it */
    tuff_f32 scale;
TUFF_PARAMS_END(dora_scale)
