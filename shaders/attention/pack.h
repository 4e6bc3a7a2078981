#include "attention/blocks.h"
/* Copies x[b, t, h, :], of T rows, to the scratch; its bands are whole. */
TUFF_PARAMS_BEGIN(attention_pack)
    tuff_u64 from;
    tuff_u64 o;         /* with DELTA */
    tuff_u32 s[3];      /* from's batch, row and head strides, and o's */
    tuff_u32 so[3];
    tuff_u32 Hkv;
    tuff_u32 z0;
    tuff_u32 T;
    tuff_u32 to;        /* float of the scratch */
    tuff_u32 to_z;
    tuff_u32 flags;     /* [z, rows]: 0, or NaN where a row holds what is not finite */
    tuff_u32 delta;     /* [z, rows]: sum_d x o */
    tuff_u32 rows_z;
    tuff_u32 t[8];
TUFF_PARAMS_END_AS(attention_pack, arg)
