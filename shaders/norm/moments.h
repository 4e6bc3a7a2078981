#include "lib/shared.h"
/* Of each channel of each slab: part[0][part][c] its mean, part[1][part][c] the sum of squared
 * deviations from that mean. */
TUFF_PARAMS_BEGIN(norm_moments)
    TUFF_PTR(OUT) x;
    TUFF_PTR(OUT) part;
    tuff_u32 rows; /* of an image */
    tuff_u32 units;
    tuff_u32 slab; /* rows of a slab */
    tuff_u32 slabs; /* of an image */
    tuff_u32 images;
TUFF_PARAMS_END(norm_moments)
