#ifndef TUFF_MATMUL_PACK_KERNELS_H
#define TUFF_MATMUL_PACK_KERNELS_H
#include "lib/shared.h"
/* to[z][x / W][k][x % W] = the source's element (k, x) of batch entry z, 0 from k to k_end; panels
 * of W, the last one filled by repeating x = size - 1. In the source, entry z is number z %
 * per_line of line z / per_line. */
TUFF_PARAMS_BEGIN(matmul_pack)
    tuff_u64 from;
    tuff_u32 from_first; /* element */
    tuff_u32 size; /* of the axis that is cut into panels */
    tuff_u32 k;
    tuff_u32 k_end; /* at most k rounded up to 16 */
    tuff_u32 panel; /* k's of a panel: more than k where batch entries share panels */
    tuff_u32 pitch; /* elements between the source's rows */
    tuff_u32 from_batch;
    tuff_u32 per_line;
    tuff_u32 from_line;
    tuff_u32 to; /* first element in the bound storage */
    tuff_u32 to_batch;
    tuff_u32 t[16]; /* t[i] = i, see uniform.glsl */
TUFF_PARAMS_END(matmul_pack)
#endif
