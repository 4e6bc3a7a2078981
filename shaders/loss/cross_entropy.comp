#version 450
// lse = m + ln sum exp(x - m), m the row's maximum; loss = lse - x[target], 0 where not counted.
// A group owns a row: each of 8 invocations keeps its own running maximum and sum over its columns
// (one pass), and the 8 are merged in order. 4 bytes read a logit.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "loss/cross_entropy.h"
layout(local_size_x = 8) in;
shared float tops[8], sums[8];

void main()
{
    uint lane = gl_LocalInvocationID.x;
    // The bound is the same for all invocations of a group: every barrier is reached by all.
    for (uint row = gl_WorkGroupID.x; row < p.rows; row += gl_NumWorkGroups.x) {
        uint at = row * p.pitch;
        float top = -1.7014117e38, sum = 0.0; // -FLT_MAX / 2: differences to it stay finite
        for (uint c = lane; c < p.columns; c += 8u) {
            float x = p.logits.v[at + c];
            float higher = max(top, x);
            sum = sum * exp(top - higher) + exp(x - higher);
            top = higher;
        }
        tops[lane] = top;
        sums[lane] = sum;
        barrier();
        if (lane == 0u) {
            float highest = tops[0], total = 0.0;
            for (uint l = 1u; l < 8u; l++)
                highest = max(highest, tops[l]);
            for (uint l = 0u; l < 8u; l++)
                total += sums[l] * exp(tops[l] - highest);
            float log_total = log(total);
            uint target = p.targets.v[row];
            p.lse.v[row] = highest + log_total;
            // (highest - x) first: near large logits the sum would lose the small one.
            p.rows_loss.v[row] =
                target < p.columns ? (highest - p.logits.v[at + target]) + log_total : 0.0;
        }
        barrier();
    }
}
