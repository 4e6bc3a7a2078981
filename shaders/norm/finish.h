#include "lib/shared.h"
/* The table of norm/channels.glsl: from norm/moments' parts, each of an image's groups of `group`
 * channels being of one distribution; RUNNING: of channels whose mean and variance are given. */
TUFF_PARAMS_BEGIN(norm_finish)
    TUFF_PTR(F32) part; /* RUNNING: not read */
    TUFF_PTR(F32) mean; /* RUNNING only */
    TUFF_PTR(F32) var;
    TUFF_PTR(F32) weight;
    TUFF_PTR(F32) bias; /* may be null */
    TUFF_PTR(F32) table;
    tuff_u32 rows;
    tuff_u32 channels;
    tuff_u32 slab;
    tuff_u32 slabs;
    tuff_u32 images;
    tuff_u32 group;
    tuff_f32 eps;
TUFF_PARAMS_END(norm_finish)
