#include "lib/shared.h"
/* grad[id, :] += sum over the id's positions of dy[position, :]. buckets: count, ids [n], starts
 * [n + 1], positions [n]. units: columns, or columns / 4 to the texel form. */
#ifdef CPU
#define OUT F32x4
#else
#define OUT F32
#endif
TUFF_PARAMS_BEGIN(embedding_grad)
    TUFF_PTR(F32) dy;
    TUFF_PTR(OUT) grad;
    TUFF_PTR(U32) buckets;
    tuff_u32 n;      /* positions in all */
    tuff_u32 units;
    tuff_u32 height; /* rows of the table */
TUFF_PARAMS_END(embedding_grad)
