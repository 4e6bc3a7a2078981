#include "lib/shared.h"
/* One chunk of the arenas. See include/tuff/optim.h for the formula. */
TUFF_PARAMS_BEGIN(adamw_step)
    TUFF_PTR(F32) value;
    TUFF_PTR(F32) grad;
    TUFF_PTR(F32) mean;
    TUFF_PTR(F32) square;
    TUFF_PTR(U32) table;      /* per 256 elements: variable << 4 | group */
    TUFF_PTR(F32) groups;     /* 16 rate factors, 16 weight decays */
    TUFF_PTR(F32) rates;      /* learning rate by applied step */
    TUFF_PTR(F32) correction; /* 1 - beta1^t, 1 - beta2^t for t = 1 .. */
    TUFF_PTR(F32) norm;
    TUFF_PTR(U32) applied;
    tuff_u32 n;
    tuff_u32 n_rates;
    tuff_u32 n_corrections;
    tuff_f32 beta1;
    tuff_f32 beta2;
    tuff_f32 eps;
    tuff_f32 clip;
TUFF_PARAMS_END(adamw_step)
