#include "lib/shared.h"
#ifndef X_REF
#define X_REF U32
#define Y_REF U32
#endif
/* y = x, one or both of half precision: n elements, y in order, x over up to 6 axes, fastest first.
 * vec4: n units of four, both in order. */
TUFF_PARAMS_BEGIN(halves)
    TUFF_PTR(X_REF) x; /* of half precision: the word that has the first element */
    TUFF_PTR(Y_REF) y;
    tuff_u32 n;
    tuff_u32 x_first;  /* which element of that word it is */
    tuff_u32 dims[6];
    tuff_u32 x_strides[6];
TUFF_PARAMS_END(halves)
