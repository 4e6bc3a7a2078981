#version 450
//! variant sg4 -DSG=4
//! variant sg8 -DSG=8
// optim/sumsq for lavapipe: straight-line code of uniform loads (matmul/uniform.glsl says why). A
// subgroup sums 4 segments of 256, a lane every SG-th element in order, then the lanes pairwise; a
// group has S subgroups. The order depends on the subgroup's size alone. 4 bytes read an element.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "optim/sumsq_cpu.h"
#include "matmul/uniform.glsl"
layout(local_size_x_id = 0) in; // S * SG
layout(constant_id = 1) const uint S = 1u;
layout(set = 0, binding = 0, std430) writeonly buffer Partial { float partial[]; };

uint lane = gl_SubgroupInvocationID;

// The lane's share of SG * 16 elements behind `at`.
float sum_block(Source x, uint at)
{
    float sum = 0.0;
    [[unroll]] for (uint i = 0u; i < 16u; i++) {
        uint k = at + i * SG;
        float y = x.v[k];
        [[unroll]] for (int l = 1; l < SG; l++)
            y = mix(y, x.v[k + l], lane == l);
        sum += y * y;
    }
    return sum;
}

void main()
{
    uint me = uniformly(gl_WorkGroupID.x, 3u) * S + uniformly(gl_SubgroupID, 2u);
    float sum = 0.0;
    [[unroll]] for (uint i = 0u; i < 4u; i++) {
        uint at = (me * 4u + i) * 256u;
        Source x = source_at(p.x, min(at, p.n - 256u));
        float own = 0.0;
        [[unroll]] for (uint k = 0u; k < 256u; k += 16u * SG)
            own += sum_block(x, k);
        sum += at < p.n ? own : 0.0;
    }
    if (SG == 8)
        sum += subgroupShuffle(sum, lane ^ 4u);
    sum += subgroupShuffle(sum, lane ^ 2u);
    sum += subgroupShuffle(sum, lane ^ 1u);
    partial[p.first + me] = subgroupShuffle(sum, 0);
}
