#ifndef TUFF_MATMUL_KERNELS_H
#define TUFF_MATMUL_KERNELS_H
#include "lib/shared.h"
#ifndef OPERAND
#define OPERAND F32
#endif
/* c[z][m, n] = act(alpha sum_k a[z][m, k] b[z][k, n] + bias[n]) + residual[z][m, n]; any strides,
 * in elements. c's rows are contiguous; residual has c's layout. */
TUFF_PARAMS_BEGIN(matmul)
    TUFF_PTR(OPERAND) a;
    TUFF_PTR(OPERAND) b;
    TUFF_PTR(F32) c;
    TUFF_PTR(F32) bias;
    TUFF_PTR(F32) residual;
    TUFF_PTR(F32) pre;
    tuff_u32 m;
    tuff_u32 n;
    tuff_u32 k;
    tuff_u32 a_row;
    tuff_u32 a_col;
    tuff_u32 b_row;
    tuff_u32 b_col;
    tuff_u32 c_row;
    tuff_u32 a_batch;
    tuff_u32 b_batch;
    tuff_u32 c_batch;
    tuff_u32 batch;
    tuff_u32 a_texel; /* cpu kernels: first texel of a and b in their views */
    tuff_u32 b_texel;
    tuff_f32 alpha;
TUFF_PARAMS_END(matmul)
#endif
