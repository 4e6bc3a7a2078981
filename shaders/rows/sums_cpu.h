#include "lib/shared.h"
/* Two numbers a row of x [rows, n], side by side: see the shader. result is a storage buffer. */
TUFF_PARAMS_BEGIN(row_sums)
    tuff_u64 x;
    tuff_u64 dy;
    tuff_u64 weight; /* [n] */
    tuff_u64 stats;  /* [rows, 2] */
    tuff_u32 result; /* first element in the bound storage */
    tuff_u32 n;
    tuff_u32 rows;
    tuff_f32 eps;
    tuff_u32 t[16];  /* t[i] = i, see matmul/uniform.glsl */
TUFF_PARAMS_END(row_sums)
