#ifndef TUFF_MATMUL_VEC_UNIFORM_KERNELS_H
#define TUFF_MATMUL_VEC_UNIFORM_KERNELS_H
#include "lib/shared.h"
/* The product of matmul.h for a few rows of a, none transposed; pitches are constants of the
 * pipeline. */
TUFF_PARAMS_BEGIN(matmul_vec_uniform)
    tuff_u64 a;
    tuff_u64 b;
    TUFF_PTR(F32) c;
    TUFF_PTR(F32) bias;
    TUFF_PTR(F32) residual;
    TUFF_PTR(F32) pre;
    tuff_u32 n;
    tuff_u32 k;
    tuff_u32 c_row;
    tuff_f32 alpha;
    tuff_u32 t[16]; /* t[i] = i, see uniform.glsl */
TUFF_PARAMS_END(matmul_vec_uniform)
#endif
