#version 450
// batch_norm's running statistics, one channel an invocation.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "norm/running.h"
layout(local_size_x = 64) in;

void main()
{
    for (uint c = gl_GlobalInvocationID.x; c < p.channels; c += gl_NumWorkGroups.x * 64u) {
        float mean = p.table.v[c], var = p.table.v[4u * p.channels + c] * p.unbias;
        p.mean.v[c] = (1.0 - p.momentum) * p.mean.v[c] + p.momentum * mean;
        p.var.v[c] = (1.0 - p.momentum) * p.var.v[c] + p.momentum * var;
    }
}
