#include "lib/shared.h"
/* y[row] = table[ids[row]], n elements each; zeros for an id from `height` on. y is a storage
 * buffer. */
TUFF_PARAMS_BEGIN(embedding_lookup_cpu)
    tuff_u64 table;
    tuff_u64 ids;
    tuff_u32 y; /* first element in the bound storage */
    tuff_u32 n;
    tuff_u32 rows;
    tuff_u32 height;
    tuff_u32 t[16]; /* t[i] = i, see matmul/uniform.glsl */
TUFF_PARAMS_END(embedding_lookup_cpu)
