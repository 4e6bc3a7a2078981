#ifndef TUFF_ATTENTION_SCORES_KERNELS_H
#define TUFF_ATTENTION_SCORES_KERNELS_H
#include "attention/shape.h"
#include "attention/blocks.h"
/* Scores and what is made of them, [z, head, key band, row, 64] in the scratch. */
TUFF_PARAMS_BEGIN(attention_scores)
    tuff_u64 a;       /* rows [z, T, D] of queries (of dO) from row0 on */
    tuff_u64 b;       /* panels [z, band, D, 64] of keys (of values) from key0 on */
    tuff_u64 x;       /* forward: flags of values; p: log-sum-exp; ds: the first of the p's */
    tuff_u64 y;       /* p: flags of dO; ds: delta */
    TUFF_PTR(AttentionShape) shape;
    tuff_u32 T;
    tuff_u32 S;
    tuff_u32 to;      /* float of the scratch */
    tuff_u32 to_z;
    tuff_u32 to_band;
    tuff_u32 other;   /* forward: maximum and sum, [.., row, 2]; p: cap'; ds: p again, dropped out */
    tuff_u32 a_z;
    tuff_u32 b_z;
    tuff_u32 x_z;
    tuff_u32 y_z;
    tuff_u32 row0;
    tuff_u32 key0;
    tuff_u32 z0;
    tuff_u32 head;
    tuff_u32 t[8];
TUFF_PARAMS_END_AS(attention_scores, arg)
#endif
