#include "lib/shared.h"
/* y[row] = table[ids[row]], rows of `units` texels; zeros for an id from `height` on. */
TUFF_PARAMS_BEGIN(embedding_lookup)
    TUFF_PTR(U32) ids;
    TUFF_PTR(F32x4) y;
    tuff_u32 rows;
    tuff_u32 units;
    tuff_u32 height;
TUFF_PARAMS_END(embedding_lookup)
