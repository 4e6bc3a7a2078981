#include "lib/shared.h"
/* rope of F32 for software drivers: whole heads turn, half against half. What is written is bound. */
TUFF_PARAMS_BEGIN(rope_cpu)
    tuff_u64 x;
    tuff_u64 table;
    tuff_u64 positions;
    tuff_u32 y;          /* first element in the bound storage */
    tuff_u32 rows;
    tuff_u32 x_row;      /* pitches in elements */
    tuff_u32 y_row;
    tuff_u32 table_rows;
    tuff_f32 sign;
    tuff_u32 t[16];      /* t[i] = i, see matmul/uniform.glsl */
TUFF_PARAMS_END(rope_cpu)
