#ifndef TUFF_MATMUL_COOPMAT_KERNELS_H
#define TUFF_MATMUL_COOPMAT_KERNELS_H
#include "matmul/tiled.h"
/* The parameters are matmul/tiled's. The shape of a tile, and what it takes: the same words for the
 * shader and for the host.
 *   BM x BN   of c belong to a workgroup; it walks k in steps of TUFF_COOPMAT_K
 *   WM x WN   of these belong to a subgroup
 *   PAD       quads of elements (8 bytes) behind each row in shared memory, an even number: rows
 *             begin at 16 bytes, and 8 of them do not meet in a bank */
#define TUFF_COOPMAT_K 32u
/* Where lines of memory begin at 16 bytes (.octs), they lie in shared memory as in memory: octs of
 * elements of an operand, SIDE rows and K deep. K is a constant there, and BUFFERS of them follow each
 * other. */
#define TUFF_COOPMAT_OCTS(SIDE, K, ALONG_K) ((SIDE) * (K) / 8u + ((ALONG_K) ? (SIDE) : (K)))
#define TUFF_COOPMAT_SUBGROUPS(BM, BN, WM, WN) (((BM) / (WM)) * ((BN) / (WN)))
#define TUFF_COOPMAT_ROW(PAD) (TUFF_COOPMAT_K / 4u + (PAD)) /* quads */
/* Rows of a subgroup's finished fragments, FM of WN, on their way to the epilogue; in vec4s. */
#define TUFF_COOPMAT_STAGE_ROW(WN) ((WN) / 4u + 2u)
#define TUFF_COOPMAT_STAGE(BM, BN, WM, WN, FM) \
    (TUFF_COOPMAT_SUBGROUPS(BM, BN, WM, WN) * (FM) * TUFF_COOPMAT_STAGE_ROW(WN))
#define TUFF_COOPMAT_MAX(A, B) ((A) > (B) ? (A) : (B))
#define TUFF_COOPMAT_SHARED(BM, BN, PAD) (((BM) + (BN)) * TUFF_COOPMAT_ROW(PAD))
#endif
