#ifndef TUFF_ATTENTION_CACHED_KERNELS_H
#define TUFF_ATTENTION_CACHED_KERNELS_H
#include "lib/shared.h"
/* o[r, h] = softmax(scale q[r, h] . keys) values over a paged cache; pitches in elements. The keys a
 * row sees may be split into parts, each of which leaves its sum, maximum and unscaled result. */
TUFF_PARAMS_BEGIN(attention_cached)
    TUFF_PTR(QUADS4) q;
    TUFF_PTR(QUADS4) o;
    TUFF_PTR(QUADS4) keys;   /* [blocks, 1 << block_log2, Hkv, D] */
    TUFF_PTR(QUADS4) values;
    TUFF_PTR(U32) table;    /* [R, max_blocks] */
    TUFF_PTR(U32) visible;  /* [R] */
    TUFF_PTR(F32) slopes;   /* [H], with ALIBI only */
    TUFF_PTR(F32x4) partial; /* [R, H, parts, D + 4], with several parts: maximum, sum, 0, 0, then o */
    tuff_u32 rows;
    tuff_u32 heads;
    tuff_u32 kv_heads;
    tuff_u32 q_row;
    tuff_u32 o_row;
    tuff_u32 block_log2;
    tuff_u32 max_blocks;
    tuff_u32 max_visible;   /* what the table can hold: bounds a wrong `visible` */
    tuff_u32 window;        /* 0: none */
    tuff_u32 parts;
    tuff_f32 scale;
    tuff_f32 softcap;
    tuff_u32 keys_at;       /* first texels, with TEXEL only */
    tuff_u32 values_at;
TUFF_PARAMS_END(attention_cached)
#endif
