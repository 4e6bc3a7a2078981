#include "lib/shared.h"
/* means[image][0][c] = the mean over c's group and the image's rows of dz weight,
 * means[image][1][c] that of dz weight xhat, from the slabs' sums. */
TUFF_PARAMS_BEGIN(norm_means)
    TUFF_PTR(F32) dweight;
    TUFF_PTR(F32) dbias;
    TUFF_PTR(F32) weight;
    TUFF_PTR(F32) means;
    tuff_u32 rows;
    tuff_u32 channels;
    tuff_u32 slabs;
    tuff_u32 images;
    tuff_u32 group;
TUFF_PARAMS_END(norm_means)
