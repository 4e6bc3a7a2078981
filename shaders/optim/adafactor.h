#include "lib/shared.h"
/* One parameter [R, C] of Adafactor; a vector has R = 1 and a variance an element. scratch = [mean of
 * the rows' variances, sum of value^2, sum of update^2, unused, R sums of value^2 by row, R sums of
 * update^2 by row]. See include/tuff/optim.h. */
TUFF_PARAMS_BEGIN(adafactor)
    TUFF_PTR(F32) value;
    TUFF_PTR(F32) grad;
    TUFF_PTR(F32) row;     /* [R], of a vector [C] */
    TUFF_PTR(F32) col;     /* [C]; not of a vector */
    TUFF_PTR(F32) factors; /* made by optim/factors: the first two are t^beta2_decay, t^-1/2 */
    TUFF_PTR(F32) scratch;
    tuff_u32 rows;
    tuff_u32 cols;
    tuff_u32 group;
    tuff_f32 eps1;
    tuff_f32 eps2;
    tuff_f32 d;
TUFF_PARAMS_END(adafactor)
