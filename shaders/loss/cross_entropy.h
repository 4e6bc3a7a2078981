#include "lib/shared.h"
/* stats: maximum m and ln sum exp(x - m) of each row, side by side; 0: nobody needs them. */
TUFF_PARAMS_BEGIN(cross_entropy)
    TUFF_PTR(IN) logits;
    TUFF_PTR(U32) targets;
    TUFF_PTR(F32) stats;
    TUFF_PTR(F32) rows_loss;
    tuff_u32 rows;
    tuff_u32 columns;
    tuff_u32 pitch;        /* of logits, in elements */
TUFF_PARAMS_END(cross_entropy)
