#include "lib/shared.h"
/* SUMS: of each channel of each slab, dbias[part][c] the sum of dz and dweight[part][c] that of dz
 * xhat, dz = dy act'(z). Else dx = rstd (dz weight - means[0][c] - xhat means[1][c]) +
 * residual. */
TUFF_PARAMS_BEGIN(norm_grad)
    TUFF_PTR(OUT) dy;
    TUFF_PTR(OUT) x;
    TUFF_PTR(OUT) table;
    TUFF_PTR(OUT) means; /* [images, 2, C] */
    TUFF_PTR(OUT) residual;
    TUFF_PTR(OUT) dweight;
    TUFF_PTR(OUT) dbias;
    TUFF_PTR(OUT) dx;
    tuff_u32 rows;
    tuff_u32 units;
    tuff_u32 slab;
    tuff_u32 slabs;
    tuff_u32 images;
TUFF_PARAMS_END(norm_grad)
