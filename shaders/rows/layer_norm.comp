#version 450
//! variant group
//! variant row -DROW
//! variant texel -DCPU
//! variant quad -DQUAD=5
//! variant half.group -DHALF -DHALF_SPEC=4 -DQUAD=5
//! variant half.row -DHALF -DHALF_SPEC=4 -DROW
// y = (x - mean) rstd weight + bias; with RMS the mean is 0. The mean square deviation is taken around the mean found
// before, in a second pass: E[x^2] - E[x]^2 would lose all digits of a row far from zero. Moves 8
// bytes an element; passes after the first hit the cache, or in the quad
// forms, where a row fits, registers: then memory is waited for once, and with EARLY also for weight
// and bias at that time, which a lone row's time is (a load behind a store waits for it: the compiler
// must take the one for what the other reads).
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

#ifdef QUAD
layout(constant_id = QUAD + 2) const bool EARLY = false;
UNIT held[HOLD], weights[HOLD], biases[HOLD];

void load_params()
{
    [[unroll]] for (uint k = 0u; k < HOLD; k++)
        if (LANE + k * LANES < p.units) {
            weights[k] = GETP(weight, LANE + k * LANES);
            if (HAS_BIAS)
                biases[k] = GETP(bias, LANE + k * LANES);
        }
}

// A row of at most LANES * HOLD units.
void held_row(uint row)
{
    uint at = row * p.units;
    UNIT sum = UNIT(0.0), squares = UNIT(0.0);
    float mean = 0.0;
    [[unroll]] for (uint k = 0u; k < HOLD; k++)
        if (LANE + k * LANES < p.units)
            held[k] = GET(x, at + LANE + k * LANES);
    if (EARLY)
        load_params();
    if (!RMS) {
        [[unroll]] for (uint k = 0u; k < HOLD; k++)
            if (LANE + k * LANES < p.units)
                sum += held[k];
        mean = row_sum(total(sum)) / p.columns;
    }
    [[unroll]] for (uint k = 0u; k < HOLD; k++)
        if (LANE + k * LANES < p.units) {
            held[k] -= mean;
            squares += held[k] * held[k];
        }
    float rstd = 1.0 / sqrt(row_sum(total(squares)) / p.columns + p.eps);
    if (STORE_STATS && LANE == 0u) {
        p.stats.v[2u * row] = mean;
        p.stats.v[2u * row + 1u] = rstd;
    }
    if (!EARLY)
        load_params();
    [[unroll]] for (uint k = 0u; k < HOLD; k++)
        if (LANE + k * LANES < p.units) {
            UNIT y = held[k] * rstd * weights[k];
            if (HAS_BIAS)
                y += biases[k];
            PUT(y, at + LANE + k * LANES, y);
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
