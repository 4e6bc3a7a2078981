#include "lib/shared.h"
#ifndef ELEMENTS
#define ELEMENTS F32
#endif
/* Rotates pairs of the first 2 `half` of a head's channels by the angle of the row's position; the
 * others are copied. Pitches in elements. */
TUFF_PARAMS_BEGIN(rope)
    TUFF_PTR(ELEMENTS) x;
    TUFF_PTR(ELEMENTS) y;
    TUFF_PTR(F32) table;     /* [P, 2 half]: cosines, then sines */
    TUFF_PTR(U32) positions; /* [rows] */
    tuff_u32 rows;
    tuff_u32 heads;
    tuff_u32 head_size;
    tuff_u32 half_size;
    tuff_u32 x_row;
    tuff_u32 table_rows;
    tuff_f32 sign;           /* of the angle: -1 for the gradient */
TUFF_PARAMS_END(rope)
