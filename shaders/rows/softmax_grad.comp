#version 450
//! variant group
//! variant row -DROW
//! variant texel -DCPU
//! variant half.group -DHALF -DHALF_SPEC=1
//! variant half.row -DHALF -DHALF_SPEC=1 -DROW
//! variant log.group -DLOG
//! variant log.row -DLOG -DROW
//! variant log.texel -DLOG -DCPU
//! variant log.half.group -DLOG -DHALF -DHALF_SPEC=1
//! variant log.half.row -DLOG -DHALF -DHALF_SPEC=1 -DROW
// dx = y (dy - sum(dy y)); LOG: dx = dy - exp(y) sum(dy). Moves 12 bytes an element; the second pass hits the cache.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "lib/rows.glsl"
#include "rows/softmax_grad.h"
VIEW(0, dy)
VIEW(1, y)
#ifdef LOG
#define SHARE(dy, y) (dy)
#define FINISH(dy, y) (dy) - exp(y) * all
#else
#define SHARE(dy, y) (dy) * (y)
#define FINISH(dy, y) (y) * ((dy) - all)
#endif
layout(constant_id = 0) const uint UNROLL = 1u; // LANES * UNROLL divides units, or UNROLL is 1

void main()
{
    FOR_ROWS(row, p.rows) {
        uint at = row * p.units;
        UNIT sum = UNIT(0.0);
        for (uint i = LANE; i < p.units; i += LANES * UNROLL)
            [[unroll]] for (uint k = 0u; k < UNROLL; k++) {
                uint c = at + i + k * LANES;
                sum += SHARE(GET(dy, c), GET(y, c));
            }
        float all = row_sum(total(sum));
        for (uint i = LANE; i < p.units; i += LANES * UNROLL)
            [[unroll]] for (uint k = 0u; k < UNROLL; k++) {
                uint c = at + i + k * LANES;
                PUT(dx, c, FINISH(GET(dy, c), GET(y, c)));
            }
    }
}
