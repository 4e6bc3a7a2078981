#include "lib/shared.h"
/* Vectors stand side by side, l of them: column k of x is x[i l + k]. */
TUFF_PARAMS_BEGIN(optim_subspace)
    TUFF_PTR(C32) x;     /* start, orthonormal: [n, l] the result; rotate: [m, l], becomes orthogonal */
    TUFF_PTR(C32) q;     /* orthonormal: [n, l] what is read; rotate, keep: [n, l], turned along */
    TUFF_PTR(C32) basis; /* keep: [rank, n] */
    tuff_u32 n;
    tuff_u32 m;
    tuff_u32 l;
    tuff_u32 rank;
TUFF_PARAMS_END(optim_subspace)
