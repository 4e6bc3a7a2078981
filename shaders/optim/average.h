#include "lib/shared.h"
/* n values of a chunk of the arenas and their moving average. */
TUFF_PARAMS_BEGIN(optim_average)
    TUFF_PTR(F32) value;
    TUFF_PTR(F32) average;
    TUFF_PTR(F32) factors; /* made by optim/factors; step */
    tuff_u32 n;
    tuff_f32 weight;       /* of a new value: 1 - decay */
TUFF_PARAMS_END(optim_average)
