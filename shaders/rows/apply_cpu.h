#include "lib/shared.h"
/* y = f(x, ...), rows of n elements, n a multiple of the subgroup, of which `columns` count. y is a
 * storage buffer. */
TUFF_PARAMS_BEGIN(row_apply)
    tuff_u64 x;
    tuff_u64 dy;
    tuff_u64 weight; /* [n]; cross_entropy_grad: [1] */
    tuff_u64 other;  /* norm: bias [n]; norm_grad: residual, as x; cross_entropy_grad: dloss [1] */
    tuff_u64 stats;  /* [rows, 2] */
    tuff_u64 more;   /* norm_grad: [rows, 2] of rows/sums_cpu; cross_entropy_grad: targets [rows] */
    tuff_u32 y;      /* first element in the bound storage */
    tuff_u32 n;
    tuff_u32 rows;
    tuff_u32 columns;
    tuff_u32 t[16];  /* t[i] = i, see matmul/uniform.glsl */
TUFF_PARAMS_END(row_apply)
