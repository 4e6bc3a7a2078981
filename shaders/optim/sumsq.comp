#version 450
// First level of the gradient norm: every invocation sums its own slice in a fixed order. The
// grid's size is fixed by the host, so the bits do not depend on the device's load. 4 bytes read an
// element.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "optim/sumsq.h"
layout(local_size_x = 64) in;

void main()
{
    float sum = 0.0;
    for (uint i = gl_GlobalInvocationID.x; i < p.n; i += gl_NumWorkGroups.x * 64u)
        sum += p.x.v[i] * p.x.v[i];
    p.partial.v[p.first + gl_GlobalInvocationID.x] = sum;
}
