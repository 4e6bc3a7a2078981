#version 450
// Rows by index. 8 bytes an element: bandwidth-bound.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "rows/gather.h"
layout(local_size_x = 64) in;

void main()
{
    for (uint i = gl_GlobalInvocationID.x; i < p.n; i += gl_NumWorkGroups.x * 64u) {
        uint n = i / p.width, row = p.index.v[n];
        p.y.v[i] = row < p.rows ? p.x.v[row * p.width + (i - n * p.width)] : 0.0;
    }
}
