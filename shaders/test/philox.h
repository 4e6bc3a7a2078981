#include "lib/shared.h"
/* y[4 i ..] = Philox4x32-10 of counter x[6 i ..] and key x[6 i + 4 ..], n blocks. */
TUFF_PARAMS_BEGIN(test_philox)
    TUFF_PTR(U32) x;
    TUFF_PTR(U32) y;
    tuff_u32 n;
TUFF_PARAMS_END(test_philox)
