#include "lib/shared.h"
/* One chunk of the arenas. See include/tuff/optim.h for the formulas. */
TUFF_PARAMS_BEGIN(optim_step)
    TUFF_PTR(F32x4) value;
    TUFF_PTR(F32x4) grad;
    TUFF_PTR(F32x4) a;     /* the rule's first state, if it has one */
    TUFF_PTR(F32x4) b;     /* its second */
    TUFF_PTR(U32) table;   /* per 256 elements: variable << 4 | group */
    TUFF_PTR(F32) factors; /* made by optim/factors */
    tuff_u32 n;            /* a multiple of 256 */
    tuff_f32 beta1;        /* what these three are depends on the rule, see rules.glsl */
    tuff_f32 beta2;
    tuff_f32 eps;
TUFF_PARAMS_END(optim_step)
