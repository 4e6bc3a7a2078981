#ifndef TUFF_ATTENTION_COOPMAT_KERNELS_H
#define TUFF_ATTENTION_COOPMAT_KERNELS_H
#include "lib/shared.h"
/* Attention on matrix units: sizes in shared memory, the same words for the shaders and for the host. A
 * subgroup owns ROWS rows; COLS rows of the other side are streamed at a time, two tensors of them.
 *   a tile   COLS rows of D halves, an oct of nothing behind each: eight rows do not meet in a bank
 *   scores   ROWS rows of COLS F32 values, 16 bytes behind each; the gradient has two
 *   weights  the same rounded to halves, 16 bytes behind each */
#define TUFF_ATTENTION_OCTS(D) ((D) / 8u + 1u)           /* 16 bytes */
#define TUFF_ATTENTION_SCORE_QUADS(COLS) ((COLS) / 4u + 1u)  /* 16 bytes */
#define TUFF_ATTENTION_WEIGHT_OCTS(COLS) ((COLS) / 8u + 1u)  /* 16 bytes */
/* All of it. MATRICES: of scores, and of weights; STATS: bytes of a row's numbers; FLAGS: of a column's. */
#define TUFF_ATTENTION_SHARED(D, ROWS, COLS, SUBGROUPS, MATRICES)                                  \
    (2u * (COLS) * TUFF_ATTENTION_OCTS(D) * 16u + (COLS) * 12u + (SUBGROUPS) * (ROWS) * 8u +       \
     (SUBGROUPS) * (MATRICES) * (ROWS) *                                                           \
         (TUFF_ATTENTION_SCORE_QUADS(COLS) * 16u + TUFF_ATTENTION_WEIGHT_OCTS(COLS) * 16u))
#endif
