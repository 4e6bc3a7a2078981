#ifndef TUFF_CROSS_ENTROPY_KERNELS_H
#define TUFF_CROSS_ENTROPY_KERNELS_H
#include "lib/shared.h"
/* Rows of logits: log-sum-exp and loss of each (forward); dlogits (backward). */
TUFF_PARAMS_BEGIN(cross_entropy)
    TUFF_PTR(F32) logits;
    TUFF_PTR(U32) targets;
    TUFF_PTR(F32) lse;     /* [rows] */
    TUFF_PTR(F32) rows_loss;
    TUFF_PTR(F32) dlogits; /* rows of the same pitch */
    TUFF_PTR(F32) weight;  /* [1] */
    TUFF_PTR(F32) dloss;   /* [1] */
    tuff_u32 rows;
    tuff_u32 columns;
    tuff_u32 pitch;
TUFF_PARAMS_END(cross_entropy)
#endif
