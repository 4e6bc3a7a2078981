#ifndef TUFF_ATTENTION_SUMS_KERNELS_H
#define TUFF_ATTENTION_SUMS_KERNELS_H
#include "attention/blocks.h"
/* c[z, row, :] (+)= w[z, row] sum over a band of k of a(row, k) b[z, k, :]. */
TUFF_PARAMS_BEGIN(attention_sums)
    tuff_u64 a;
    tuff_u64 b;     /* rows of D, padded to a multiple of 16 */
    tuff_u64 w;     /* with WEIGHTS: [z, row, 2], the first of two */
    tuff_u64 c;
    tuff_u32 at;    /* c's first element in the bound storage */
    tuff_u32 s[3];  /* its batch, row and head strides */
    tuff_u32 Hkv;
    tuff_u32 z0;
    tuff_u32 rows;  /* that exist */
    tuff_u32 a_z;
    tuff_u32 a_band; /* of a transposed: floats between bands of rows */
    tuff_u32 b_z;
    tuff_u32 w_z;
    tuff_u32 first; /* not 0: c holds nothing yet */
    tuff_u32 t[8];
TUFF_PARAMS_END_AS(attention_sums, arg)
#endif
