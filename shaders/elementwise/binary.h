#include "lib/shared.h"
/* y[i] = a[i] op b[i] over up to 6 axes, slowest first; a stride of 0 broadcasts. y contiguous. */
TUFF_PARAMS_BEGIN(binary)
    TUFF_PTR(F32) a;
    TUFF_PTR(F32) b;
    TUFF_PTR(F32) y;
    tuff_u32 n;
    tuff_u32 dims[6];
    tuff_u32 a_strides[6];
    tuff_u32 b_strides[6];
TUFF_PARAMS_END(binary)
