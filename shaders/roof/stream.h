#include "lib/shared.h"
/* Units of 16 bytes, `each` an invocation: of x to y (copy), of x to a sum an invocation, which is an
 * element of y (read), or y = value (write). */
TUFF_PARAMS_BEGIN(roof_stream)
    TUFF_PTR(F32x4) x;
    TUFF_PTR(F32x4) y;
    tuff_u32 each; /* a multiple of 4 */
    tuff_f32 value;
TUFF_PARAMS_END(roof_stream)
