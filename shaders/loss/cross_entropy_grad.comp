#version 450
// dlogits = (softmax - onehot) weight dloss, 0 in rows that are not counted and in the padding.
// One invocation an element, 8 bytes an element.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "loss/cross_entropy.h"
layout(local_size_x = 64) in;

void main()
{
    float scale = p.weight.v[0] * p.dloss.v[0];
    uint n = p.rows * p.pitch;
    for (uint i = gl_GlobalInvocationID.x; i < n; i += gl_NumWorkGroups.x * 64u) {
        uint row = i / p.pitch, column = i % p.pitch, target = p.targets.v[row];
        float d = 0.0;
        if (column < p.columns && target < p.columns)
            d = (exp(p.logits.v[i] - p.lse.v[row]) - (column == target ? 1.0 : 0.0)) * scale;
        p.dlogits.v[i] = d;
    }
}
