#ifndef TUFF_ATTENTION_KERNELS_H
#define TUFF_ATTENTION_KERNELS_H
#include "lib/shared.h"
/* What all attention kernels take. Strides and pitches in floats, multiples of 4; the head axis is
 * contiguous; addresses are 16-byte aligned (lse, delta, pad, seed: 4). */
#define TUFF_ATTENTION_CAUSAL 1u /* flags: query i sees keys j <= i + S - T */
#define TUFF_ATTENTION_PAD 2u    /* flags: pad holds first and end of the visible keys a batch row */

/* Per op, behind an address: shape and views. */
#define TUFF_ATTENTION_SHAPE                                                                       \
    tuff_u32 B; tuff_u32 H; tuff_u32 Hkv; tuff_u32 flags;                                          \
    tuff_f32 scale; tuff_f32 drop; tuff_u32 stream; /* of dropout, with DROPOUT only */            \
    tuff_u32 window; /* keys j with i + S - T - window < j (and < i + S - T + window); 0: all */   \
    tuff_f32 softcap; /* with SOFTCAP only */                                                      \
    tuff_u32 tq; tuff_u32 tk; tuff_u32 tv; tuff_u32 tdo; tuff_u32 to; /* cpu: texel of [0,0,0,0] */\
    tuff_u32 sq[3]; tuff_u32 sk[3]; tuff_u32 sv[3]; /* batch, row and head strides */              \
    tuff_u32 so[3]; tuff_u32 sdo[3]; tuff_u32 sdq[3]; tuff_u32 sdk[3]; tuff_u32 sdv[3];

#ifdef GL_core_profile
layout(buffer_reference, std430, buffer_reference_align = 16) readonly buffer AttentionShape {
    TUFF_ATTENTION_SHAPE
};
#else
struct tuff_attention_shape {
    TUFF_ATTENTION_SHAPE
};
_Static_assert(sizeof(struct tuff_attention_shape) == 38 * 4, "the layout of the shader's block");
#endif

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
    TUFF_PTR(U32) pad;   /* [B, 2] */
    TUFF_PTR(U32) seed;  /* [2] */
    TUFF_PTR(F32) slopes; /* [H], with ALIBI only */
    tuff_u32 T;          /* query rows */
    tuff_u32 S;          /* key rows */
    tuff_u32 base;       /* first group of this dispatch */
TUFF_PARAMS_END_AS(attention, arg)

#endif
