#include "lib/shared.h"
/* y = x / (alpha + |x|), or with GRAD the gradient of that times dy; n elements. The inputs, then the
 * result, then constants: as include/tuff/op.h says. */
#ifndef GRAD
TUFF_PARAMS_BEGIN(test_custom)
    TUFF_PTR(F32) x;
    TUFF_PTR(F32) y;
    tuff_u32 n;
    tuff_f32 alpha;
TUFF_PARAMS_END(test_custom)
#endif
#if defined GRAD || !defined GL_core_profile
TUFF_PARAMS_BEGIN(test_custom_grad)
    TUFF_PTR(F32) x;
    TUFF_PTR(F32) dy;
    TUFF_PTR(F32) y;
    tuff_u32 n;
    tuff_f32 alpha;
TUFF_PARAMS_END(test_custom_grad)
#endif
