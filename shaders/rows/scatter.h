#include "lib/shared.h"
#ifndef ELEMENT
#define ELEMENT U32
#endif
/* a[index[r], :] = x[r, :] for n = rows x width words; an index >= limit is left out. */
TUFF_PARAMS_BEGIN(scatter)
    TUFF_PTR(ELEMENT) a;
    TUFF_PTR(ELEMENT) x;
    TUFF_PTR(U32) index;
    tuff_u32 n;
    tuff_u32 width;
    tuff_u32 x_row; /* pitch of x */
    tuff_u32 limit;
TUFF_PARAMS_END(scatter)
