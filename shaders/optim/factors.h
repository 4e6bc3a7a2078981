#include "lib/shared.h"
/* What all elements of an AdamW step share: factors = [norm is finite, gradient's scale,
 * 1 - beta1^t, 1 - beta2^t, 16 rates, 16 factors of weight decay]. Other members: adamw.h. */
TUFF_PARAMS_BEGIN(factors)
    TUFF_PTR(F32) factors;
    TUFF_PTR(F32) groups;
    TUFF_PTR(F32) rates;
    TUFF_PTR(F32) correction;
    TUFF_PTR(F32) norm;
    TUFF_PTR(U32) applied;
    tuff_u32 n_rates;
    tuff_u32 n_corrections;
    tuff_f32 clip;
TUFF_PARAMS_END(factors)
