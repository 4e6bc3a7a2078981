#include "lib/shared.h"
/* As cross_entropy_grad; the pitch is a multiple of four, and logits and dlogits begin at one. */
#define TUFF_QUADS_GROUP 128u /* invocations of a group */
#define TUFF_QUADS_EACH 4u    /* quads of a row that one takes */
TUFF_PARAMS_BEGIN(cross_entropy_grad_quads)
    TUFF_PTR(IN) logits;
    TUFF_PTR(U32) targets;
    TUFF_PTR(F32) stats;
    TUFF_PTR(F32) weight;  /* [1] */
    TUFF_PTR(F32) dloss;   /* [1] */
    TUFF_PTR(OUT) dlogits;
    tuff_u32 rows;
    tuff_u32 columns;
    tuff_u32 pitch;
TUFF_PARAMS_END(cross_entropy_grad_quads)
