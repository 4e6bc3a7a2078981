#include "lib/shared.h"
/* losses and counts: a number a row; dx rows of `columns`. */
TUFF_PARAMS_BEGIN(nll)
    TUFF_PTR(F32) x;
    TUFF_PTR(U32) targets;
    TUFF_PTR(F32) weight;  /* [columns] */
    TUFF_PTR(F32) dy;      /* one a row: of losses */
    TUFF_PTR(F32) losses;
    TUFF_PTR(F32) counts;
    TUFF_PTR(F32) dx;
    tuff_u32 rows;
    tuff_u32 columns;
    tuff_f32 smoothing;
TUFF_PARAMS_END(nll)
