#version 450
// Counts an applied step.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "optim/advance.h"
layout(local_size_x = 8) in;

void main()
{
    if (gl_GlobalInvocationID.x == 0u && p.norm.v[0] < 3.0e38)
        p.applied.v[0] += 1u;
}
