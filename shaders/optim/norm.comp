#version 450
// Second level: 8 invocations would need a barrier to meet; n is a few thousand, so one does it,
// in four interleaved sums.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "optim/norm.h"
layout(local_size_x = 8) in;

void main()
{
    if (gl_GlobalInvocationID.x != 0u)
        return;
    float sum[4] = float[4](0.0, 0.0, 0.0, 0.0);
    for (uint i = 0u; i < p.n; i += 4u) // n is a multiple of 64
        [[unroll]] for (uint k = 0u; k < 4u; k++)
            sum[k] += p.partial.v[i + k];
    p.norm.v[0] = sqrt((sum[0] + sum[1]) + (sum[2] + sum[3]));
}
