#version 450
// Second level: one group adds up a few thousand partial sums. An invocation takes every 128th, four
// loads at a time, since they are its only latency.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "lib/group_sum.glsl"
#include "optim/norm.h"

void main()
{
    const uint LOADS = 4u;
    float sum[LOADS] = float[LOADS](0.0, 0.0, 0.0, 0.0);
    for (uint i = gl_LocalInvocationID.x; i < p.n; i += LOADS * GROUP_LANES)
        [[unroll]] for (uint k = 0u; k < LOADS; k++) {
            uint at = i + k * GROUP_LANES;
            sum[k] += at < p.n ? p.partial.v[at] : 0.0;
        }
    float all = group_sum((sum[0] + sum[1]) + (sum[2] + sum[3]));
    if (gl_LocalInvocationID.x == 0u)
        p.norm.v[0] = sqrt(all);
}
