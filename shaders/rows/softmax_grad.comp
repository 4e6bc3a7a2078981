#version 450
//! variant group
//! variant row -DROW
//! variant texel -DCPU
// dx = y (dy - sum(dy y)). Moves 12 bytes an element; the second pass hits the cache.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "lib/rows.glsl"
#include "rows/softmax_grad.h"
VIEW(0, dy)
VIEW(1, y)
layout(constant_id = 0) const uint UNROLL = 1u; // LANES * UNROLL divides units, or UNROLL is 1

void main()
{
    for (uint row = ROW_FIRST; row < p.rows; row += ROW_STEP) {
        uint at = row * p.units;
        UNIT sum = UNIT(0.0);
        for (uint i = LANE; i < p.units; i += LANES * UNROLL)
            [[unroll]] for (uint k = 0u; k < UNROLL; k++) {
                uint c = at + i + k * LANES;
                sum += GET(dy, c) * GET(y, c);
            }
        float all = row_sum(total(sum));
        for (uint i = LANE; i < p.units; i += LANES * UNROLL)
            [[unroll]] for (uint k = 0u; k < UNROLL; k++) {
                uint c = at + i + k * LANES;
                PUT(dx, c, GET(y, c) * (GET(dy, c) - all));
            }
    }
}
