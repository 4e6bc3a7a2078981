#ifndef TUFF_ATTENTION_WEIGHTS_KERNELS_H
#define TUFF_ATTENTION_WEIGHTS_KERNELS_H
#include "attention/shape.h"
/* y[b, h, i, :] = softmax of cap(x) + bias over the visible keys, dropped out; x are scores [B, H, T,
 * S] without cap and bias. Gradient: dx of dy, x and lse. */
TUFF_PARAMS_BEGIN(attention_weights)
    TUFF_PTR(AttentionShape) shape;
    TUFF_PTR(F32) x;
    TUFF_PTR(F32) y;
    TUFF_PTR(F32) lse; /* [B, H, T] */
    TUFF_PTR(F32) dy;
    TUFF_PTR(F32) dx;
    tuff_u32 T;
    tuff_u32 S;
TUFF_PARAMS_END_AS(attention_weights, arg)
#endif
