#include "lib/shared.h"
/* scale: the factor of the loss, and the steps since it changed. norm: before or behind unscaling. */
TUFF_PARAMS_BEGIN(loss_scale)
    TUFF_PTR(F32) norm;
    TUFF_PTR(F32) scale;
    TUFF_PTR(F32) unscaled; /* [1] */
TUFF_PARAMS_END(loss_scale)
