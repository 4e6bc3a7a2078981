#version 450
//! variant group
//! variant row -DROW
//! variant texel -DCPU
//! variant half.group -DHALF -DHALF_SPEC=4
//! variant half.row -DHALF -DHALF_SPEC=4 -DROW
// y = (x - mean) rstd weight + bias; with RMS the mean is 0. The mean square deviation is taken around the mean found
// before, in a second pass: E[x^2] - E[x]^2 would lose all digits of a row far from zero. Moves 8
// bytes an element; passes after the first hit the cache.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "lib/rows.glsl"
#include "rows/layer_norm.h"
VIEW(0, x)
VIEW(1, weight)
VIEW(2, bias)
layout(constant_id = 0) const bool HAS_BIAS = true;
layout(constant_id = 1) const bool STORE_STATS = true;
layout(constant_id = 2) const uint UNROLL = 1u; // LANES * UNROLL divides units, or UNROLL is 1
layout(constant_id = 3) const bool RMS = false;

void main()
{
    for (uint row = ROW_FIRST; row < p.rows; row += ROW_STEP) {
        uint at = row * p.units;
        UNIT sum = UNIT(0.0), squares = UNIT(0.0);
        float mean = 0.0;
        if (!RMS) {
            for (uint i = LANE; i < p.units; i += LANES * UNROLL)
                [[unroll]] for (uint k = 0u; k < UNROLL; k++)
                    sum += GET(x, at + i + k * LANES);
            mean = row_sum(total(sum)) / p.columns;
        }
        for (uint i = LANE; i < p.units; i += LANES * UNROLL)
            [[unroll]] for (uint k = 0u; k < UNROLL; k++) {
                UNIT d = GET(x, at + i + k * LANES) - mean;
                squares += d * d;
            }
        float rstd = 1.0 / sqrt(row_sum(total(squares)) / p.columns + p.eps);
        if (STORE_STATS && LANE == 0u) {
            p.stats.v[2u * row] = mean;
            p.stats.v[2u * row + 1u] = rstd;
        }
        for (uint i = LANE; i < p.units; i += LANES * UNROLL)
            [[unroll]] for (uint k = 0u; k < UNROLL; k++) {
                uint c = i + k * LANES;
                UNIT y = (GET(x, at + c) - mean) * rstd * GETP(weight, c);
                if (HAS_BIAS)
                    y += GETP(bias, c);
                PUT(y, at + c, y);
            }
    }
}
