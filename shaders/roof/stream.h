#include "lib/shared.h"
/* n units of 16 bytes: of x to y (copy), of x to the sum of each invocation's (read: y has an
 * element an invocation), or y = value (write). */
TUFF_PARAMS_BEGIN(roof_stream)
    TUFF_PTR(F32x4) x;
    TUFF_PTR(F32x4) y;
    tuff_u32 n;
    tuff_f32 value;
TUFF_PARAMS_END(roof_stream)
