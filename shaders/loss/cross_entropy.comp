#version 450
//! variant group
//! variant row -DROW
//! variant texel -DCPU
// loss = ln sum exp(x) - x[target] of a row, 0 where it is not counted; m = max(x) and
// ln sum exp(x - m) are kept apart, because their sum would lose the digits of the small one. One
// pass: when a block of units raises the maximum, the sum so far is scaled down once for the block.
// 4 bytes a logit.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "lib/rows.glsl"
#include "loss/cross_entropy.h"
VIEW(0, logits)
layout(constant_id = 0) const bool STORE_STATS = true;

float top;
UNIT sum;

void take(UNIT x)
{
    float higher = max(top, largest(x));
    sum = sum * exp(top - higher) + exp(x - higher);
    top = higher;
}

void take4(UNIT a, UNIT b, UNIT c, UNIT d)
{
    float higher = max(top, max(max(largest(a), largest(b)), max(largest(c), largest(d))));
    sum = sum * exp(top - higher) +
          ((exp(a - higher) + exp(b - higher)) + (exp(c - higher) + exp(d - higher)));
    top = higher;
}

void main()
{
    for (uint row = ROW_FIRST; row < p.rows; row += ROW_STEP) {
        uint at = row * (p.pitch / WIDE), whole = p.columns / WIDE, i = LANE;
        top = LOWEST;
        sum = UNIT(0.0);
        for (; i + 3u * LANES < whole; i += 4u * LANES)
            take4(GET(logits, at + i), GET(logits, at + i + LANES),
                  GET(logits, at + i + 2u * LANES), GET(logits, at + i + 3u * LANES));
        for (; i < whole; i += LANES)
            take(GET(logits, at + i));
        if (p.columns % WIDE != 0u && LANE == 0u)
            take(inside(whole, p.columns, GET(logits, at + whole), LOWEST));
        float highest = row_max(top);
        float log_sum = log(row_sum(total(sum) * exp(top - highest)));
        if (LANE == 0u) {
            uint target = p.targets.v[row];
            bool counted = target < p.columns;
            // (highest - x) first: both are large where the logits are.
            float x = p.logits.v[row * p.pitch + (counted ? target : 0u)];
            p.rows_loss.v[row] = counted ? (highest - x) + log_sum : 0.0;
            if (STORE_STATS) {
                p.stats.v[2u * row] = highest;
                p.stats.v[2u * row + 1u] = log_sum;
            }
        }
    }
}
