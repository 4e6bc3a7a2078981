#include "attention/shape.h"
#include "attention/blocks.h"
/* stats[z, head, key band, row, 2]: maximum and sum become weight and sum; lse [B, H, T]. */
TUFF_PARAMS_BEGIN(attention_combine)
    TUFF_PTR(F32) stats;
    TUFF_PTR(F32) lse;    /* from the first (b, h) on */
    tuff_u32 heads;       /* (b, h)s at work */
    tuff_u32 T;
    tuff_u32 S;
    tuff_u32 row0;
    tuff_u32 rows;        /* of the block, those that exist */
    tuff_u32 block;       /* whole bands */
    tuff_u32 bands;       /* of keys */
    tuff_i32 ahead;       /* a query at place p sees keys p - back .. p + ahead */
    tuff_i32 back;
TUFF_PARAMS_END(attention_combine)
