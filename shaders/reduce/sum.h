#include "lib/shared.h"
#ifdef HALF
#define SUM F32x4
#else
#define SUM REF
#endif
/* y[slab][out] (+)= sum of the slab's share of the `terms` units of x that belong to `out`; n =
 * slabs x outs. Axes fastest first: those kept, then those summed. Strides in units. */
TUFF_PARAMS_BEGIN(sum)
    TUFF_PTR(REF) x;
    TUFF_PTR(SUM) y;
    tuff_u32 x_at;
    tuff_u32 n;
    tuff_u32 outs;
    tuff_u32 terms;
    tuff_u32 share;
    tuff_u32 dims[6];
    tuff_u32 strides[6];
TUFF_PARAMS_END(sum)
