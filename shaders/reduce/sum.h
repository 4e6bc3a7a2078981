#include "lib/shared.h"
/* y[slab][out] = sum of the slab's share of the `terms` elements of x that belong to `out`. Axes
 * fastest first: those kept, then those summed. Strides in elements. */
TUFF_PARAMS_BEGIN(sum)
    TUFF_PTR(F32) x;
    TUFF_PTR(F32) y;
    tuff_u32 outs;
    tuff_u32 slabs;
    tuff_u32 terms;
    tuff_u32 dims[6];
    tuff_u32 strides[6];
TUFF_PARAMS_END(sum)
