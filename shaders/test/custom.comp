#version 450
//! variant forward
//! variant grad -DGRAD
// For tests/ops/custom.c: the kernels of an op that is not Tuff's.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "test/custom.h"
layout(local_size_x = 64) in;

void main()
{
    for (uint i = gl_GlobalInvocationID.x; i < p.n; i += gl_NumWorkGroups.x * 64u) {
        float below = p.alpha + abs(p.x.v[i]);
#ifdef GRAD
        p.y.v[i] = p.dy.v[i] * p.alpha / (below * below);
#else
        p.y.v[i] = p.x.v[i] / below;
#endif
    }
}
