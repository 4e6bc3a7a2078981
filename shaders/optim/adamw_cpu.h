#include "lib/shared.h"
/* One chunk of the arenas or a part of it, as in adamw.h; n is a multiple of 256. What is written
 * is bound too. */
TUFF_PARAMS_BEGIN(adamw_cpu)
    tuff_u64 value;
    tuff_u64 grad;
    tuff_u64 mean;
    tuff_u64 square;
    tuff_u64 table;   /* as adamw.h's */
    tuff_u64 factors; /* made by optim/factors */
    tuff_u32 n;
    tuff_f32 beta1;
    tuff_f32 beta2;
    tuff_f32 eps;
    tuff_u32 t[16];   /* t[i] = i, see matmul/uniform.glsl */
TUFF_PARAMS_END(adamw_cpu)
