#include "lib/shared.h"
#ifndef ELEMENT
#define ELEMENT F32
#endif
/* y[i] = x[index[i / width]][i mod width], n elements; zero where the index is not below rows. */
TUFF_PARAMS_BEGIN(gather)
    TUFF_PTR(ELEMENT) x;
    TUFF_PTR(U32) index;
    TUFF_PTR(ELEMENT) y;
    tuff_u32 n;
    tuff_u32 rows;
    tuff_u32 width;
TUFF_PARAMS_END(gather)
