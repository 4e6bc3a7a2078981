#include "lib/shared.h"
/* loss = weight * sum of n row losses, in a fixed order. */
TUFF_PARAMS_BEGIN(loss_total)
    TUFF_PTR(F32) rows_loss;
    TUFF_PTR(F32) weight;
    TUFF_PTR(F32) loss;
    tuff_u32 n;
TUFF_PARAMS_END(loss_total)
