#version 450
//! variant word
//! variant wide -DWIDE
// Rows into one or two tables by index: 8 bytes an element moved; of half precision, two elements, which
// are one word here. WIDE: rows of whole vec4s, which width and x_row then count. A group takes columns (x)
// of a row (y) of a table (z): no index is taken apart. The indices below the limit are distinct.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#ifdef WIDE
#define ELEMENT F32x4
#endif
#include "rows/scatter.h"
layout(local_size_x = 64) in;

void main()
{
    for (uint row = gl_WorkGroupID.y; row < p.rows; row += gl_NumWorkGroups.y) {
        uint to = p.index.v[row];
        if (to >= p.limit)
            continue;
        for (uint i = gl_GlobalInvocationID.x; i < p.width; i += gl_NumWorkGroups.x * 64u)
            if (gl_WorkGroupID.z == 0u)
                p.a.v[to * p.width + i] = p.x.v[row * p.x_row + i];
            else
                p.a2.v[to * p.width + i] = p.x2.v[row * p.x2_row + i];
    }
}
