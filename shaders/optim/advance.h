#include "lib/shared.h"
/* applied += 1 when norm is finite. */
TUFF_PARAMS_BEGIN(advance)
    TUFF_PTR(F32) norm;
    TUFF_PTR(U32) applied;
TUFF_PARAMS_END(advance)
