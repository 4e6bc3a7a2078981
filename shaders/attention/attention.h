#ifndef TUFF_ATTENTION_KERNELS_H
#define TUFF_ATTENTION_KERNELS_H
#include "attention/shape.h"
/* What the flash kernels take. Pitches in floats, multiples of 4; the head axis is
 * contiguous; addresses are 16-byte aligned (lse, delta: 4). */
TUFF_PARAMS_BEGIN(attention)
    TUFF_PTR(AttentionShape) shape;
    TUFF_PTR(F32x4) q;
    TUFF_PTR(F32x4) k;
    TUFF_PTR(F32x4) v;
    TUFF_PTR(F32x4) o;
    TUFF_PTR(F32) lse;   /* [B, H, T] */
    TUFF_PTR(F32x4) dO;
    TUFF_PTR(F32) delta; /* [B, H, T] */
    TUFF_PTR(F32x4) dq;
    TUFF_PTR(F32x4) dk;
    TUFF_PTR(F32x4) dv;
    tuff_u32 T;          /* query rows */
    tuff_u32 S;          /* key rows */
    tuff_u32 base;       /* first group of this dispatch */
TUFF_PARAMS_END_AS(attention, arg)

#endif
