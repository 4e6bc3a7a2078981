#version 450
// What a group's mean and variance give back to each of its elements. An invocation owns a group
// and adds its slabs in order.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "norm/means.h"
layout(local_size_x = 64) in;

void main()
{
    uint groups = p.channels / p.group;
    for (uint i = gl_GlobalInvocationID.x; i < p.images * groups; i += gl_NumWorkGroups.x * 64u) {
        uint image = i / groups, c0 = i % groups * p.group;
        float sum = 0.0, sum_hat = 0.0;
        for (uint slab = 0u; slab < p.slabs; slab++) {
            uint at = (image * p.slabs + slab) * p.channels;
            for (uint c = c0; c < c0 + p.group; c++) {
                sum += p.dbias.v[at + c] * p.weight.v[c];
                sum_hat += p.dweight.v[at + c] * p.weight.v[c];
            }
        }
        float n = float(p.rows) * float(p.group);
        for (uint c = c0; c < c0 + p.group; c++) {
            p.means.v[2u * image * p.channels + c] = sum / n;
            p.means.v[(2u * image + 1u) * p.channels + c] = sum_hat / n;
        }
    }
}
