#include "lib/shared.h"
/* dx of softmax; units as there. */
TUFF_PARAMS_BEGIN(softmax_grad)
    TUFF_PTR(IN) dy;
    TUFF_PTR(IN) y;
    TUFF_PTR(OUT) dx;
    tuff_u32 rows;
    tuff_u32 units;
TUFF_PARAMS_END(softmax_grad)
