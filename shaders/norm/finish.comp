#version 450
//! variant slabs
//! variant running -DRUNNING
// Combines the slabs' means and squared deviations (Chan, Golub, LeVeque 1983): with m the mean of
// all, the deviations around m are each slab's own plus n (mean - m)^2. An invocation owns a group.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
layout(local_size_x = 64) in;
layout(constant_id = 0) const bool HAS_BIAS = true;
#include "norm/finish.h"

// Mean and variance of the group of channels c0, c0 + 1, ...
vec2 distribution(uint image, uint c0)
{
#ifdef RUNNING
    return vec2(p.mean.v[c0], p.var.v[c0]);
#else
    float count = float(p.rows), size = float(p.group), mean = 0.0, squares = 0.0;
    for (uint slab = 0u; slab < p.slabs; slab++) {
        float n = float(min(p.slab, p.rows - slab * p.slab)), sum = 0.0;
        uint at = (image * p.slabs + slab) * p.channels + c0;
        for (uint c = 0u; c < p.group; c++)
            sum += p.part.v[at + c];
        mean += sum * (n / count);
    }
    mean /= size;
    for (uint slab = 0u; slab < p.slabs; slab++) {
        float n = float(min(p.slab, p.rows - slab * p.slab)), sum = 0.0;
        uint at = (image * p.slabs + slab) * p.channels + c0;
        uint own = at + p.images * p.slabs * p.channels;
        for (uint c = 0u; c < p.group; c++) {
            float d = p.part.v[at + c] - mean;
            sum += p.part.v[own + c] + n * d * d;
        }
        squares += sum;
    }
    return vec2(mean, squares / (count * size));
#endif
}

void main()
{
    uint groups = p.channels / p.group;
    for (uint i = gl_GlobalInvocationID.x; i < p.images * groups; i += gl_NumWorkGroups.x * 64u) {
        uint image = i / groups, c0 = i % groups * p.group;
        vec2 d = distribution(image, c0);
        for (uint c = c0; c < c0 + p.group; c++) {
            uint at = image * 5u * p.channels + c;
            p.table.v[at] = d.x;
            p.table.v[at + p.channels] = 1.0 / sqrt(d.y + p.eps);
            p.table.v[at + 2u * p.channels] = p.weight.v[c];
            p.table.v[at + 3u * p.channels] = HAS_BIAS ? p.bias.v[c] : 0.0;
            p.table.v[at + 4u * p.channels] = d.y;
        }
    }
}
