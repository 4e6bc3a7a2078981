#include "lib/shared.h"
/* partial[i] = sum of x^2 over the i-th 1024 of n elements, n a multiple of 256; 0 behind them. */
TUFF_PARAMS_BEGIN(sumsq_cpu)
    tuff_u64 x;
    tuff_u32 n;
    tuff_u32 first; /* where this launch's partial sums begin */
    tuff_u32 t[16]; /* t[i] = i, see matmul/uniform.glsl */
TUFF_PARAMS_END(sumsq_cpu)
