#version 450
//! variant generic
//! variant texel -DCPU
// Gradient of a table by buckets: a group owns a block of columns of a distinct id, its invocations
// PER units of columns each, 64 or 8 apart; each sums the id's rows in order of position and adds
// the finished sum once. Work is proportional to the positions, whatever the size of the table; no
// atomics. 4 bytes read an element of dy.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "embedding/grad.h"
#ifdef CPU
layout(local_size_x = 8) in;
layout(set = 0, binding = 0) uniform samplerBuffer dy;
#define UNIT vec4
#define GET(i) texelFetch(dy, int(i))
#define PER 4u // shares the load of a position, which costs as much as a texel
#else
layout(local_size_x = 64) in;
#define UNIT float
#define GET(i) p.dy.v[i]
#define PER 1u
#endif

void main()
{
    const uint lanes = gl_WorkGroupSize.x;
    uint count = min(p.buckets.v[0], p.n), starts = 1u + p.n, positions = 2u + 2u * p.n;
    uint blocks = (p.units + lanes * PER - 1u) / (lanes * PER);
    for (uint item = gl_WorkGroupID.x; item < count * blocks; item += gl_NumWorkGroups.x) {
        uint bucket = item / blocks, id = p.buckets.v[1u + bucket];
        uint c = item % blocks * lanes * PER + gl_LocalInvocationID.x;
        uint begin = p.buckets.v[starts + bucket], end = min(p.buckets.v[starts + bucket + 1u], p.n);
        if (id >= p.height)
            continue;
        UNIT sum[PER];
        [[unroll]] for (uint k = 0u; k < PER; k++)
            sum[k] = UNIT(0.0);
        for (uint i = begin; i < end; i++) {
            uint row = min(p.buckets.v[positions + i], p.n - 1u);
            [[unroll]] for (uint k = 0u; k < PER; k++)
                sum[k] += GET(row * p.units + min(c + k * lanes, p.units - 1u));
        }
        [[unroll]] for (uint k = 0u; k < PER; k++)
            if (c + k * lanes < p.units)
                p.grad.v[id * p.units + c + k * lanes] += sum[k];
    }
}
