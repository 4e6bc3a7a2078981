#version 450
// Sum of the row losses: 64 interleaved sums, then those in order.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "loss/total.h"
layout(local_size_x = 64) in;
shared float sums[64];

void main()
{
    uint lane = gl_LocalInvocationID.x;
    float sum = 0.0;
    for (uint i = lane; i < p.n; i += 64u)
        sum += p.rows_loss.v[i];
    sums[lane] = sum;
    barrier();
    if (lane == 0u) {
        float total = 0.0;
        for (uint l = 0u; l < 64u; l++)
            total += sums[l];
        p.loss.v[0] = total * p.weight.v[0];
    }
}
