#include "lib/shared.h"
#ifndef ELEMENT
#define ELEMENT U32
#endif
/* a[index[r], :] = x[r, :] for rows of `width` words, and a2 and x2 likewise; an index >= limit is left
 * out. */
TUFF_PARAMS_BEGIN(scatter)
    TUFF_PTR(ELEMENT) a;
    TUFF_PTR(ELEMENT) x;
    TUFF_PTR(ELEMENT) a2;
    TUFF_PTR(ELEMENT) x2;
    TUFF_PTR(U32) index;
    tuff_u32 rows;
    tuff_u32 width;
    tuff_u32 x_row; /* pitch of x */
    tuff_u32 x2_row;
    tuff_u32 limit;
TUFF_PARAMS_END(scatter)
