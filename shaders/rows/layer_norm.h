#include "lib/shared.h"
/* stats: mean and rstd of each row, side by side. units: columns, or columns / 4 to the texel, quad and half
 * forms. */
TUFF_PARAMS_BEGIN(layer_norm)
    TUFF_PTR(IN) x;
    TUFF_PTR(PARAMS) weight;
    TUFF_PTR(PARAMS) bias;
    TUFF_PTR(OUT) y;
    TUFF_PTR(F32) stats;
    tuff_u32 rows;
    tuff_u32 units;
    tuff_f32 columns;
    tuff_f32 eps;
TUFF_PARAMS_END(layer_norm)
