#version 450
//! variant word
//! variant wide -DWIDE
// Rows into a table by index: 8 bytes an element moved; of half
// precision, two elements, which are one word here. WIDE: rows of whole vec4s, which n, width and
// x_row then count. The indices below the limit are distinct.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#ifdef WIDE
#define ELEMENT F32x4
#endif
#include "rows/scatter.h"
layout(local_size_x = 64) in;

void main()
{
    for (uint i = gl_GlobalInvocationID.x; i < p.n; i += gl_NumWorkGroups.x * 64u) {
        uint row = i / p.width, col = i % p.width, to = p.index.v[row];
        if (to < p.limit)
            p.a.v[to * p.width + col] = p.x.v[row * p.x_row + col];
    }
}
