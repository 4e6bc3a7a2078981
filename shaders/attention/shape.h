#ifndef TUFF_ATTENTION_SHAPE_KERNELS_H
#define TUFF_ATTENTION_SHAPE_KERNELS_H
#include "lib/shared.h"
/* What an attention is, for all its kernels. Strides in floats, multiples of 4; addresses are those
 * of 4-byte elements. */
#define TUFF_ATTENTION_CAUSAL 1u /* flags: query i sees keys j <= i + S - T */
#define TUFF_ATTENTION_PAD 2u    /* flags: pad holds first and end of the visible keys a batch row */

/* Per op, behind an address: shape and views. */
#define TUFF_ATTENTION_SHAPE                                                                       \
    TUFF_PTR(U32) pad;    /* [B, 2] */                                                             \
    TUFF_PTR(U32) seed;   /* [2] */                                                                \
    TUFF_PTR(F32) slopes; /* [H], with ALIBI only */                                               \
    TUFF_PTR(U32) segments; /* [B, T, 2], with SEGMENTS only: first row and end of each row's */   \
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
_Static_assert(sizeof(struct tuff_attention_shape) == 46 * 4, "the layout of the shader's block");
#endif
#endif
