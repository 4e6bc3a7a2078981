#include "lib/shared.h"
/* y = act((x - mean) rstd weight + bias), by the table of norm/channels.glsl. */
TUFF_PARAMS_BEGIN(norm_apply)
    TUFF_PTR(OUT) x;
    TUFF_PTR(OUT) table;
    TUFF_PTR(OUT) y;
    tuff_u32 rows;
    tuff_u32 units;
    tuff_u32 slab;
    tuff_u32 slabs;
    tuff_u32 images;
TUFF_PARAMS_END(norm_apply)
