#include "lib/shared.h"
/* stats: mean and rstd of each row, side by side. units: columns, or columns / 4 to the CPU kernel. */
TUFF_PARAMS_BEGIN(layer_norm)
    TUFF_PTR(F32) x;
    TUFF_PTR(F32) weight;
    TUFF_PTR(F32) bias;
    TUFF_PTR(OUT) y;
    TUFF_PTR(F32) stats;
    tuff_u32 rows;
    tuff_u32 units;
    tuff_f32 columns;
    tuff_f32 eps;
TUFF_PARAMS_END(layer_norm)
