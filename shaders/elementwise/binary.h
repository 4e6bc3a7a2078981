#include "lib/shared.h"
/* y[i] = a[i] op b[i], n units over up to 6 axes, fastest first; a stride of 0 broadcasts; strides
 * in units. y contiguous. */
TUFF_PARAMS_BEGIN(binary)
    TUFF_PTR(REF) a;
    TUFF_PTR(REF) b;
    TUFF_PTR(REF) y;
    tuff_u32 a_at;
    tuff_u32 b_at;
    tuff_u32 n;
    tuff_u32 dims[6];
    tuff_u32 a_strides[6];
    tuff_u32 b_strides[6];
TUFF_PARAMS_END(binary)
