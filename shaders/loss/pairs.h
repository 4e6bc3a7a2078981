#include "lib/shared.h"
/* y = loss(x, t), or y = dy times its derivative; n units. */
TUFF_PARAMS_BEGIN(loss_pairs)
    TUFF_PTR(REF) x;
    TUFF_PTR(REF) t;
    TUFF_PTR(REF) dy;
    TUFF_PTR(REF) y;
    tuff_u32 x_at;
    tuff_u32 t_at;
    tuff_u32 dy_at;
    tuff_u32 n;
TUFF_PARAMS_END(loss_pairs)
