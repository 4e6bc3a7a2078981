#include "lib/shared.h"
/* What all elements of an optimizer's step share: factors = [norm is finite, gradient's scale,
 * 1 - beta1^t, 1 - beta2^t, first step, 3 unused, 16 rates, 16 factors of decoupled decay, 16
 * coupled decays]; t, the step, is counted from 1. */
TUFF_PARAMS_BEGIN(factors)
    TUFF_PTR(F32) factors;
    TUFF_PTR(F32) groups;     /* 16 rate factors, 16 decoupled decays, 16 coupled ones */
    TUFF_PTR(F32) rates;      /* learning rate by applied step */
    TUFF_PTR(F32) correction; /* 1 - beta1^t, 1 - beta2^t for t = 1 .. */
    TUFF_PTR(F32) norm;
    TUFF_PTR(U32) applied;
    TUFF_PTR(F32) loss_scale; /* what gradients still are multiplied with */
    tuff_u32 n_rates;
    tuff_u32 n_corrections;
    tuff_f32 clip;
TUFF_PARAMS_END(factors)
