#version 450
// Rows of a table by id, for software drivers: an invocation copies a row, texel by texel, so that
// the id is read once (a plain load there costs as much as a texel). 8 bytes an element.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "embedding/lookup.h"
layout(local_size_x = 8) in;
layout(set = 0, binding = 0) uniform samplerBuffer table;
layout(constant_id = 0) const uint UNROLL = 1u; // divides units

void main()
{
    for (uint row = gl_GlobalInvocationID.x; row < p.rows; row += gl_NumWorkGroups.x * 8u) {
        uint id = p.ids.v[row], to = row * p.units;
        bool there = id < p.height;
        uint from = (there ? id : 0u) * p.units;
        for (uint i = 0u; i < p.units; i += UNROLL)
            [[unroll]] for (uint k = 0u; k < UNROLL; k++) {
                vec4 x = texelFetch(table, int(from + i + k));
                p.y.v[to + i + k] = there ? x : vec4(0.0);
            }
    }
}
