#version 450
// Gradient of a table by buckets: a group owns a distinct id, its invocations the columns; each sums
// the id's rows in order of position and adds the finished sum once. Work is proportional to the
// positions, whatever the size of the table; no atomics. 4 bytes read an element of dy.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "embedding/grad.h"
layout(local_size_x = 64) in;

void main()
{
    uint count = min(p.buckets.v[0], p.n), starts = 1u + p.n, positions = 2u + 2u * p.n;
    for (uint bucket = gl_WorkGroupID.x; bucket < count; bucket += gl_NumWorkGroups.x) {
        uint id = p.buckets.v[1u + bucket];
        uint begin = p.buckets.v[starts + bucket], end = min(p.buckets.v[starts + bucket + 1u], p.n);
        if (id >= p.height)
            continue;
        for (uint c = gl_LocalInvocationID.x; c < p.width; c += 64u) {
            float sum = 0.0;
            for (uint i = begin; i < end; i++) {
                uint row = p.buckets.v[positions + i];
                sum += row < p.n ? p.dy.v[row * p.width + c] : 0.0;
            }
            p.grad.v[id * p.width + c] += sum;
        }
    }
}
