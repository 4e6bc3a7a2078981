#include "lib/shared.h"
/* dlogits, in rows of the logits' pitch. stats as in cross_entropy. */
TUFF_PARAMS_BEGIN(cross_entropy_grad)
    TUFF_PTR(IN) logits;
    TUFF_PTR(U32) targets;
    TUFF_PTR(F32) stats;
    TUFF_PTR(F32) weight;  /* [1] */
    TUFF_PTR(F32) dloss;   /* [1] */
    TUFF_PTR(OUT) dlogits;
    tuff_u32 rows;
    tuff_u32 columns;
    tuff_u32 pitch;
TUFF_PARAMS_END(cross_entropy_grad)
