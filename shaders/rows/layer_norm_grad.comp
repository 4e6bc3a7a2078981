#version 450
//! variant group
//! variant row -DROW
//! variant texel -DCPU
//! variant half.group -DHALF -DHALF_SPEC=3
//! variant half.row -DHALF -DHALF_SPEC=3 -DROW
// dx = rstd (g - mean(g) - xhat mean(g xhat)) + residual, g = dy weight, xhat = (x - mean) rstd.
// Moves 12 bytes an element (16 with a residual); the second pass hits the cache.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "lib/rows.glsl"
#include "rows/layer_norm_grad.h"
VIEW(0, dy)
VIEW(1, x)
VIEW(2, weight)
VIEW(3, residual)
layout(constant_id = 0) const bool HAS_RESIDUAL = false;
layout(constant_id = 1) const uint UNROLL = 1u; // LANES * UNROLL divides units, or UNROLL is 1
layout(constant_id = 2) const bool RMS = false; // the mean is 0 and mean(g) is left out

void main()
{
    FOR_ROWS(row, p.rows) {
        uint at = row * p.units;
        float mean = p.stats.v[2u * row], rstd = p.stats.v[2u * row + 1u];
        UNIT sum = UNIT(0.0), sum_hat = UNIT(0.0);
        for (uint i = LANE; i < p.units; i += LANES * UNROLL)
            [[unroll]] for (uint k = 0u; k < UNROLL; k++) {
                uint c = i + k * LANES;
                UNIT g = GET(dy, at + c) * GETP(weight, c);
                sum += g;
                sum_hat += g * (GET(x, at + c) - mean);
            }
        float g_mean = RMS ? 0.0 : row_sum(total(sum)) / p.columns;
        float g_hat = row_sum(total(sum_hat)) * rstd * rstd / p.columns;
        for (uint i = LANE; i < p.units; i += LANES * UNROLL)
            [[unroll]] for (uint k = 0u; k < UNROLL; k++) {
                uint c = i + k * LANES;
                // Rounded as in its mean: of one column their difference is 0, and rstd 316.
                precise UNIT g = GET(dy, at + c) * GETP(weight, c);
                UNIT d = rstd * (g - g_mean - (GET(x, at + c) - mean) * g_hat);
                if (HAS_RESIDUAL)
                    d += GET(residual, at + c);
                PUT(dx, at + c, d);
            }
    }
}
