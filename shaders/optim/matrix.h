#include "lib/shared.h"
/* n elements of a hidden matrix, or of its projection: Muon's and GaLore's passes. */
TUFF_PARAMS_BEGIN(optim_matrix)
    TUFF_PTR(F32) value;
    TUFF_PTR(F32) grad;    /* momentum, adam: as it is; apply: is zeroed */
    TUFF_PTR(F32) x;       /* normalize, apply: what is read */
    TUFF_PTR(F32) y;       /* momentum, normalize, adam: the result */
    TUFF_PTR(F32) a;       /* states */
    TUFF_PTR(F32) b;
    TUFF_PTR(F32) factors; /* made by optim/factors */
    TUFF_PTR(F32) squares; /* normalize: the sum of x^2 */
    tuff_u32 n;
    tuff_u32 group;
    tuff_u32 nesterov;
    tuff_f32 beta1;        /* momentum: its factor */
    tuff_f32 beta2;
    tuff_f32 eps;
    tuff_f32 alpha;        /* apply: factor of x besides the rate */
TUFF_PARAMS_END(optim_matrix)
