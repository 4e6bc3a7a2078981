#version 450
// y = alpha x + beta. One invocation strides over elements; 8 bytes an element: bandwidth-bound.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "elementwise/scale.h"
layout(local_size_x = 64) in;

void main()
{
    for (uint i = gl_GlobalInvocationID.x; i < p.n; i += gl_NumWorkGroups.x * 64u)
        p.y.v[i] = p.alpha * p.x.v[i] + p.beta;
}
