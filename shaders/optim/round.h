#include "lib/shared.h"
/* n values, a multiple of 256. */
TUFF_PARAMS_BEGIN(optim_round)
    TUFF_PTR(F32) value;
    tuff_u32 n;
TUFF_PARAMS_END(optim_round)
