#version 450
//! variant group
//! variant row -DROW
//! variant grad.group -DGRAD
//! variant grad.row -DGRAD -DROW
// Of each row -(1 - e) w[t] x[t] - e / V sum w[c] x[c], and its share of the mean's divisor, w[t];
// 0 both where the target is no class. GRAD: dx. Reads a row where smoothed (4 bytes an element,
// 8 with weights), else one number of it; GRAD writes 4 bytes an element.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "lib/rows.glsl"
#include "loss/nll.h"
layout(constant_id = 0) const bool WEIGHTED = false;
layout(constant_id = 1) const bool SMOOTHED = false;
layout(constant_id = 2) const bool COUNTS = true; // somebody takes the mean

float weight_of(uint c) { return WEIGHTED ? p.weight.v[c] : 1.0; }

void main()
{
    FOR_ROWS(row, p.rows) {
        uint target = p.targets.v[row], at = row * p.columns;
        bool counted = target < p.columns;
        float own = counted ? (1.0 - p.smoothing) * weight_of(target) : 0.0;
        float others = counted ? p.smoothing / float(p.columns) : 0.0;
#ifdef GRAD
        float dy = p.dy.v[row];
        for (uint c = LANE; c < p.columns; c += LANES)
            p.dx.v[at + c] = counted ? -dy * ((c == target ? own : 0.0) + others * weight_of(c)) : 0.0;
#else
        float sum = 0.0;
        if (SMOOTHED) {
            for (uint c = LANE; c < p.columns; c += LANES)
                sum += weight_of(c) * p.x.v[at + c];
            sum = row_sum(sum);
        }
        if (LANE == 0u) {
            p.losses.v[row] = counted ? -own * p.x.v[at + target] - others * sum : 0.0;
            if (COUNTS)
                p.counts.v[row] = counted ? weight_of(target) : 0.0;
        }
#endif
    }
}
