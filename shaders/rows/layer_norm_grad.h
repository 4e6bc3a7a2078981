#include "lib/shared.h"
/* dx of layer_norm; units as there. */
TUFF_PARAMS_BEGIN(layer_norm_grad)
    TUFF_PTR(IN) dy;
    TUFF_PTR(IN) x;
    TUFF_PTR(PARAMS) weight;
    TUFF_PTR(IN) residual;
    TUFF_PTR(F32) stats;
    TUFF_PTR(OUT) dx;
    tuff_u32 rows;
    tuff_u32 units;
    tuff_f32 columns;
TUFF_PARAMS_END(layer_norm_grad)
