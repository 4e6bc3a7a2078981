#include "lib/shared.h"
/* Partial sums of dweight and dbias: row s of dweight and dbias is over rows s slab .. + slab of
 * dy. slab is even. units as in layer_norm. */
TUFF_PARAMS_BEGIN(layer_norm_params)
    TUFF_PTR(IN) dy;
    TUFF_PTR(IN) x;
    TUFF_PTR(F32) stats;
    TUFF_PTR(OUT) dweight;
    TUFF_PTR(OUT) dbias;
    tuff_u32 rows;
    tuff_u32 units;
    tuff_u32 slab;
    tuff_u32 slabs;
TUFF_PARAMS_END(layer_norm_params)
