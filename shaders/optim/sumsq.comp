#version 450
// First level of the gradient norm: a group sums its blocks of 2048 elements, an invocation 16 of a
// block in as many sums, which the group then adds up as a tree. The grid follows from n alone, so
// the bits do not depend on the device's load. 4 bytes read an element: bandwidth-bound, and so four
// loads of 16 bytes are under way in each of up to 262,144 invocations: 16 MiB, where 3 TB/s at a
// latency of a microsecond need 3.
// Error: of 124 million elements 30 meet in a sum; then trees of 16, 16 and 8 sums here, and of 2048
// in optim/norm. All terms are positive, so the relative error is below 60 roundings: 4e-6.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "lib/group_sum.glsl"
#include "optim/sumsq.h"

void main()
{
    const uint LOADS = 4u;
    uint units = p.n / 4u, step = gl_NumWorkGroups.x * LOADS * GROUP_LANES;
    uint i = gl_WorkGroupID.x * LOADS * GROUP_LANES + gl_LocalInvocationID.x;
    vec4 sum[LOADS];
    [[unroll]] for (uint k = 0u; k < LOADS; k++)
        sum[k] = vec4(0.0);
    for (; i + (LOADS - 1u) * GROUP_LANES < units; i += step) {
        vec4 x[LOADS];
        [[unroll]] for (uint k = 0u; k < LOADS; k++)
            x[k] = p.x.v[i + k * GROUP_LANES];
        [[unroll]] for (uint k = 0u; k < LOADS; k++)
            sum[k] += x[k] * x[k];
    }
    [[unroll]] for (uint k = 0u; k < LOADS; k++) // the last block, which n may cut
        if (i + k * GROUP_LANES < units) {
            vec4 x = p.x.v[i + k * GROUP_LANES];
            sum[k] += x * x;
        }
    vec4 own = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    float all = group_sum((own.x + own.y) + (own.z + own.w));
    if (gl_LocalInvocationID.x == 0u)
        p.partial.v[p.first + gl_WorkGroupID.x] = all;
}
