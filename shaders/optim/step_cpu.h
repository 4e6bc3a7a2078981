#include "lib/shared.h"
/* One chunk of the arenas or a part of it, as in step.h; n is a multiple of 256. What is written is
 * bound too. */
TUFF_PARAMS_BEGIN(optim_step_cpu)
    tuff_u64 value;
    tuff_u64 grad;
    tuff_u64 a;
    tuff_u64 b;
    tuff_u64 table;
    tuff_u64 factors;
    tuff_u32 n;
    tuff_f32 beta1;
    tuff_f32 beta2;
    tuff_f32 eps;
    tuff_u32 t[16]; /* t[i] = i, see matmul/uniform.glsl */
TUFF_PARAMS_END(optim_step_cpu)
