#include "lib/shared.h"
/* units: columns, or columns / 4 to the texel, quad and half forms. */
TUFF_PARAMS_BEGIN(softmax)
    TUFF_PTR(IN) x;
    TUFF_PTR(OUT) y;
    tuff_u32 rows;
    tuff_u32 units;
TUFF_PARAMS_END(softmax)
