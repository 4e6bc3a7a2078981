#version 450
//! variant group
//! variant row -DROW
//! variant texel -DCPU
//! variant quad -DQUAD=3
//! variant half.group -DHALF -DHALF_SPEC=2 -DQUAD=3
//! variant half.row -DHALF -DHALF_SPEC=2 -DROW
// loss = ln sum exp(x) - x[target] of a row, 0 where it is not counted; m = max(x) and
// ln sum exp(x - m) are kept apart, because their sum would lose the digits of the small one. One
// pass: when a block of units raises the maximum, the sum so far is scaled down once for the block.
// Smoothed by e the loss grows by e (x[target] - mean of x), taken of differences to the row's first
// logit: those of logits that are large together are exact. 4 bytes a logit.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "lib/rows.glsl"
#include "loss/cross_entropy.h"
VIEW(0, logits)
layout(constant_id = 0) const bool STORE_STATS = true;
layout(constant_id = 1) const float SMOOTHING = 0.0;

// One logit; a load of four, of which the compiler may keep one, where a unit is four.
float logit(uint i)
{
#ifdef HALF
    return from_half4(p.logits.v[i / 4u])[i % 4u];
#elif defined(QUAD)
    return p.logits.v[i / 4u][i % 4u];
#else
    return p.logits.v[i];
#endif
}

float top, base;
UNIT sum, above; // above: sum of x - base

void take(UNIT x)
{
    float higher = max(top, largest(x));
    sum = sum * exp(top - higher) + exp(x - higher);
    top = higher;
}

void count(UNIT x)
{
    if (SMOOTHING > 0.0)
        above += x;
}

void take4(UNIT a, UNIT b, UNIT c, UNIT d)
{
    float higher = max(top, max(max(largest(a), largest(b)), max(largest(c), largest(d))));
    sum = sum * exp(top - higher) +
          ((exp(a - higher) + exp(b - higher)) + (exp(c - higher) + exp(d - higher)));
    top = higher;
    count(((a - base) + (b - base)) + ((c - base) + (d - base)));
}

void main()
{
    FOR_ROWS(row, p.rows) {
        uint at = row * (p.pitch / WIDE), whole = p.columns / WIDE, i = LANE;
        top = LOWEST;
        sum = UNIT(0.0);
        above = UNIT(0.0);
        base = SMOOTHING > 0.0 ? logit(row * p.pitch) : 0.0;
        for (; i + 3u * LANES < whole; i += 4u * LANES)
            take4(GET(logits, at + i), GET(logits, at + i + LANES),
                  GET(logits, at + i + 2u * LANES), GET(logits, at + i + 3u * LANES));
        for (; i < whole; i += LANES) {
            UNIT x = GET(logits, at + i);
            take(x);
            count(x - base);
        }
        if (p.columns % WIDE != 0u && LANE == 0u) {
            UNIT x = GET(logits, at + whole);
            take(inside(whole, p.columns, x, LOWEST));
            count(inside(whole, p.columns, x - base, 0.0));
        }
        float highest = row_max(top);
        float log_sum = log(row_sum(total(sum) * exp(top - highest)));
        float mean = SMOOTHING > 0.0 ? row_sum(total(above)) / float(p.columns) : 0.0;
        if (LANE == 0u) {
            uint target = p.targets.v[row];
            bool counted = target < p.columns;
            // (highest - x) first: both are large where the logits are.
            float x = logit(row * p.pitch + (counted ? target : 0u));
            float loss = (highest - x) + log_sum;
            if (SMOOTHING > 0.0)
                loss += SMOOTHING * ((x - base) - mean);
            p.rows_loss.v[row] = counted ? loss : 0.0;
            if (STORE_STATS) {
                p.stats.v[2u * row] = highest;
                p.stats.v[2u * row + 1u] = log_sum;
            }
        }
    }
}
