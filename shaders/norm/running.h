#include "lib/shared.h"
/* mean = (1 - momentum) mean + momentum m, var likewise with unbias v: m and v the mean and
 * variance of the table of norm/channels.glsl, unbias = n / (n - 1). */
TUFF_PARAMS_BEGIN(norm_running)
    TUFF_PTR(F32) table;
    TUFF_PTR(F32) mean;
    TUFF_PTR(F32) var;
    tuff_u32 channels;
    tuff_f32 momentum;
    tuff_f32 unbias;
TUFF_PARAMS_END(norm_running)
