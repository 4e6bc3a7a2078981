#version 450
// What DoRA multiplies a linear layer's outputs with: magnitude over length of the row. An invocation a
// row; 8 rank + 16 bytes of it, nothing beside the products of the layer.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "adapter/dora_scale.h"
layout(local_size_x = 64) in;

void main()
{
    for (uint o = gl_GlobalInvocationID.x; o < p.n; o += gl_NumWorkGroups.x * 64u) {
        float sum = 0.0;
        for (uint k = 0u; k < p.rank; k++)
            sum += p.b.v[o * p.rank + k] * p.change.v[o * p.rank + k];
        // A row of zeros has no direction: it stays one.
        float length2 = p.base.v[o] + p.scale * sum;
        float inverse = length2 > 0.0 ? 1.0 / sqrt(length2) : 0.0;
        p.y.v[o] = p.magnitude.v[o] * inverse;
        if (p.has_inverse != 0u)
            p.inverse.v[o] = inverse;
    }
}
