#include "lib/shared.h"
/* y[i, j, k] = f(a[i, j, k], b[i, j, k]), k < n; j < rows; strides in elements. What is written is
 * bound. dropout takes the seed's address as b, and in b_row and b_plane its threshold and stream;
 * a_row is there the number of the first element. */
TUFF_PARAMS_BEGIN(flat_cpu)
    tuff_u64 a;
    tuff_u64 b;
    tuff_u32 y; /* first element in the bound storage */
    tuff_u32 n;
    tuff_u32 rows;
    tuff_u32 a_row;
    tuff_u32 b_row;
    tuff_u32 y_row;
    tuff_u32 a_plane;
    tuff_u32 b_plane;
    tuff_u32 y_plane;
    tuff_f32 alpha;
    tuff_f32 beta;
    tuff_u32 t[16]; /* t[i] = i, see matmul/uniform.glsl */
TUFF_PARAMS_END(flat_cpu)
