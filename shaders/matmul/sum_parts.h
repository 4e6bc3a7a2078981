#ifndef TUFF_MATMUL_SUM_PARTS_H
#define TUFF_MATMUL_SUM_PARTS_H
#include "lib/shared.h"
/* What matmul/tiled left when k was cut: parts[part][z][row, col], rows padded to whole quads. */
TUFF_PARAMS_BEGIN(matmul_sum_parts)
    TUFF_PTR(F32x4) parts;
    TUFF_PTR(F32) c;
    TUFF_PTR(F32) bias;
    TUFF_PTR(F32) residual;
    TUFF_PTR(F32) pre;
    tuff_u32 n_parts;
    tuff_u32 m;
    tuff_u32 n;
    tuff_u32 batch;
    tuff_u32 c_row;
    tuff_u32 c_batch;
    tuff_f32 alpha;
TUFF_PARAMS_END(matmul_sum_parts)
#endif
