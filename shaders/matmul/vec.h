#ifndef TUFF_MATMUL_VEC_KERNELS_H
#define TUFF_MATMUL_VEC_KERNELS_H
#include "lib/shared.h"
/* The product of matmul.h for a few rows of a, which is not transposed; no batches. */
TUFF_PARAMS_BEGIN(matmul_vec)
    tuff_u64 a;
    tuff_u64 b;
    TUFF_PTR(F32) c;
    TUFF_PTR(F32) bias;
    TUFF_PTR(F32) residual;
    TUFF_PTR(F32) pre;
    tuff_u32 n;
    tuff_u32 k;
    tuff_u32 a_pitch;
    tuff_u32 b_pitch;
    tuff_u32 c_row;
    tuff_f32 alpha;
TUFF_PARAMS_END(matmul_vec)
#endif
