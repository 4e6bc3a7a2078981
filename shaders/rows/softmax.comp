#version 450
//! variant group
//! variant row -DROW
//! variant texel -DCPU
//! variant quad -DQUAD=2
//! variant half.group -DHALF -DHALF_SPEC=1 -DQUAD=2
//! variant half.row -DHALF -DHALF_SPEC=1 -DROW
//! variant log.group -DLOG
//! variant log.row -DLOG -DROW
//! variant log.texel -DLOG -DCPU
//! variant log.quad -DLOG -DQUAD=2
//! variant log.half.group -DLOG -DHALF -DHALF_SPEC=1 -DQUAD=2
//! variant log.half.row -DLOG -DHALF -DHALF_SPEC=1 -DROW
// y = exp(x - m) / sum exp(x - m), m the row's maximum; LOG: y = (x - m) - ln sum exp(x - m). Maximum and sum are found in one pass: when
// a block of units raises the maximum, the sum so far is scaled down once for the whole block. Moves
// 8 bytes an element; the second pass hits the cache, or in the quad forms, where a
// row fits, registers: then maximum and sum are found one after the other, with one exp an element.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "lib/rows.glsl"
#include "rows/softmax.h"
VIEW(0, x)
layout(constant_id = 0) const uint UNROLL = 1u; // LANES * UNROLL divides units, or UNROLL is 1

#ifdef QUAD
UNIT held[HOLD];

// A row of at most LANES * HOLD units.
void held_row(uint row)
{
    uint at = row * p.units + LANE;
    float top = LOWEST;
    UNIT sum = UNIT(0.0);
    [[unroll]] for (uint k = 0u; k < HOLD; k++)
        if (LANE + k * LANES < p.units)
            held[k] = GET(x, at + k * LANES);
    [[unroll]] for (uint k = 0u; k < HOLD; k++)
        if (LANE + k * LANES < p.units)
            top = max(top, largest(held[k]));
    top = row_max(top);
    [[unroll]] for (uint k = 0u; k < HOLD; k++)
        if (LANE + k * LANES < p.units) {
            UNIT y = exp(held[k] - top);
            sum += y;
#ifndef LOG
            held[k] = y;
#endif
        }
    float all = row_sum(total(sum));
#ifdef LOG
    float log_sum = log(all);
#else
    float factor = 1.0 / all;
#endif
    [[unroll]] for (uint k = 0u; k < HOLD; k++)
        if (LANE + k * LANES < p.units) {
#ifdef LOG
            PUT(y, at + k * LANES, (held[k] - top) - log_sum);
#else
            PUT(y, at + k * LANES, held[k] * factor);
#endif
        }
}
#endif

void main()
{
    FOR_ROWS(row, p.rows) {
#ifdef QUAD
        if (p.units <= LANES * HOLD) {
            held_row(row);
            continue;
        }
#endif
        uint at = row * p.units;
        float top = LOWEST;
        UNIT sum = UNIT(0.0);
        for (uint i = LANE; i < p.units; i += LANES * UNROLL) {
            UNIT x[UNROLL];
            float higher = top;
            [[unroll]] for (uint k = 0u; k < UNROLL; k++) {
                x[k] = GET(x, at + i + k * LANES);
                higher = max(higher, largest(x[k]));
            }
            sum *= exp(top - higher);
            [[unroll]] for (uint k = 0u; k < UNROLL; k++)
                sum += exp(x[k] - higher);
            top = higher;
        }
        float highest = row_max(top);
        float all = row_sum(total(sum) * exp(top - highest));
#ifdef LOG
        float log_sum = log(all);
#define FINISH(x) ((x) - highest) - log_sum
#else
        float factor = 1.0 / all;
#define FINISH(x) exp((x) - highest) * factor
#endif
        for (uint i = LANE; i < p.units; i += LANES * UNROLL)
            [[unroll]] for (uint k = 0u; k < UNROLL; k++) {
                uint c = at + i + k * LANES;
                PUT(y, c, FINISH(GET(x, c)));
            }
    }
}
