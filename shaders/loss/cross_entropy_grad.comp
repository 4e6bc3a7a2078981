#version 450
//! variant group
//! variant row -DROW
//! variant texel -DCPU
//! variant half.group -DHALF -DHALF_SPEC=2
//! variant half.row -DHALF -DHALF_SPEC=2 -DROW
// dlogits = (softmax - q) weight dloss, 0 in rows that are not counted and in the padding; q is 1 at
// the target, or where smoothed by e, 1 - e + e / V there and e / V elsewhere.
// What stands in rows that are not counted, NaN included, does not get out. 8 bytes a logit.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "lib/rows.glsl"
#include "loss/cross_entropy_grad.h"
VIEW(0, logits)
layout(constant_id = 0) const uint UNROLL = 1u; // LANES * UNROLL divides the pitch's units, or 1
layout(constant_id = 1) const float SMOOTHING = 0.0;

void main()
{
    float scale = p.weight.v[0] * p.dloss.v[0];
    float others = SMOOTHING / float(p.columns);
    uint units = p.pitch / WIDE;
    FOR_ROWS(row, p.rows) {
        uint at = row * units, target = p.targets.v[row];
        float top = p.stats.v[2u * row], log_sum = p.stats.v[2u * row + 1u];
        bool counted = target < p.columns;
        for (uint i = LANE; i < units; i += LANES * UNROLL)
            [[unroll]] for (uint k = 0u; k < UNROLL; k++) {
                uint c = i + k * LANES;
                UNIT y = exp((GET(logits, at + c) - top) - log_sum);
                y = inside(c, p.columns, (y - (one_at(c, target) * (1.0 - SMOOTHING) + others)) * scale, 0.0);
                PUT(dlogits, at + c, counted ? y : UNIT(0.0));
            }
    }
}
