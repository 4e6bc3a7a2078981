#ifndef TUFF_MATMUL_PACKED_KERNELS_H
#define TUFF_MATMUL_PACKED_KERNELS_H
#include "lib/shared.h"
#define TUFF_MATMUL_LOOP_K 8u /* k a round of the kernels with a loop, which need as many */
/* The product of matmul.h with b, and for -DPACKED_A a, in panels made by matmul/pack. c, bias,
 * residual and pre are storage buffers; residual and pre have c's layout and place in theirs. */
TUFF_PARAMS_BEGIN(matmul_packed)
    tuff_u64 a;
    tuff_u64 b;
    tuff_u32 m;
    tuff_u32 n;
    tuff_u32 k;
    tuff_u32 k_first; /* of this launch: a larger K is summed by several */
    tuff_u32 sum;     /* of the launches before, [batch, m, n]: first element in its storage */
    tuff_u32 c;       /* first element in the bound storage */
    tuff_u32 c_row;
    tuff_u32 a_batch;
    tuff_u32 b_batch;
    tuff_u32 c_batch;
    tuff_f32 alpha;
    tuff_u32 t[16]; /* t[i] = i, see uniform.glsl */
TUFF_PARAMS_END(matmul_packed)
#endif
