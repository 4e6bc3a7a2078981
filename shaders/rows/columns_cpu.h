#include "lib/shared.h"
/* Sums down the columns of x [rows, n], over slabs of rows: sums[slab, n] for each. sums and, with
 * -DNORM, others are storage buffers. */
TUFF_PARAMS_BEGIN(row_columns)
    tuff_u64 x;
    tuff_u64 dy;
    tuff_u64 stats;  /* [rows, 2] */
    tuff_u32 sums;   /* first element in the bound storage */
    tuff_u32 others;
    tuff_u32 n;
    tuff_u32 rows;
    tuff_u32 pitch;  /* of x and dy */
    tuff_u32 t[16];  /* t[i] = i, see matmul/uniform.glsl */
TUFF_PARAMS_END(row_columns)
