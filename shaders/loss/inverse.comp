#version 450
// One number: what a mean multiplies with.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "loss/inverse.h"
layout(local_size_x = 8) in;

void main()
{
    float x = p.x.v[0];
    if (gl_GlobalInvocationID.x == 0u)
        p.y.v[0] = x != 0.0 ? 1.0 / x : 0.0;
}
