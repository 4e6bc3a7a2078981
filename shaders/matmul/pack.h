#ifndef TUFF_MATMUL_PACK_KERNELS_H
#define TUFF_MATMUL_PACK_KERNELS_H
#include "lib/shared.h"
/* to[z][x / W][k][x % W] = the source's element (k, x) of batch entry z; panels of W, the last one
 * filled by repeating x = size - 1. */
TUFF_PARAMS_BEGIN(matmul_pack)
    tuff_u64 from;
    tuff_u32 size; /* of the axis that is cut into panels */
    tuff_u32 k;
    tuff_u32 pitch; /* elements between the source's rows */
    tuff_u32 from_batch;
    tuff_u32 to; /* first element in the bound storage */
    tuff_u32 to_batch;
    tuff_u32 t[16]; /* t[i] = i, see uniform.glsl */
TUFF_PARAMS_END(matmul_pack)
#endif
