#ifndef TUFF_MATMUL_TILED_KERNELS_H
#define TUFF_MATMUL_TILED_KERNELS_H
#include "lib/shared.h"
/* The shape of a tile, and what it takes: the same words for the shader and for the host.
 *   BM x BN   of c belong to a workgroup; it walks k in steps of TUFF_TILED_K
 *   TM x TN   of these belong to an invocation, multiples of 4
 *   PAD       vec4s behind each row of a shared tile, against bank conflicts */
#define TUFF_TILED_K 16u
#define TUFF_TILED_INVOCATIONS(BM, BN, TM, TN) (((BM) / (TM)) * ((BN) / (TN)))
#define TUFF_TILED_ROW(SIDE, PAD) ((SIDE) / 4u + (PAD)) /* vec4s */
#define TUFF_TILED_SHARED(SIDE, PAD) (TUFF_TILED_K * TUFF_TILED_ROW(SIDE, PAD))

/* The product of matmul.h. Rows of a and b as they lie in memory are a_pitch and b_pitch elements
 * apart; the specialization constants say which axis runs along them. k is cut into `parts` of
 * k_part (a multiple of TUFF_TILED_K); with more than one, c is [parts, batch, m, n] of plain
 * sums. */
TUFF_PARAMS_BEGIN(matmul_tiled)
    tuff_u64 a;
    tuff_u64 b;
    TUFF_PTR(F32) c;
    TUFF_PTR(F32) bias;
    TUFF_PTR(F32) residual;
    TUFF_PTR(F32) pre;
    tuff_u32 m;
    tuff_u32 n;
    tuff_u32 k;
    tuff_u32 a_pitch;
    tuff_u32 b_pitch;
    tuff_u32 c_row;
    tuff_u32 a_batch;
    tuff_u32 b_batch;
    tuff_u32 c_batch;
    tuff_u32 batch;
    tuff_u32 parts;
    tuff_u32 k_part;
    tuff_f32 alpha;
TUFF_PARAMS_END(matmul_tiled)
#endif
