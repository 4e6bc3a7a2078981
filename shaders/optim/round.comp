#version 450
//! variant f16
//! variant bf16 -DBF16
// Values to the nearest number of half precision, and back. 8 bytes an element: bandwidth-bound.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "lib/half.glsl"
#include "optim/round.h"
layout(local_size_x = 64) in;

void main()
{
    for (uint i = gl_GlobalInvocationID.x * 2u; i < p.n; i += gl_NumWorkGroups.x * 128u) {
        vec2 x = from_half2(to_half2(vec2(p.value.v[i], p.value.v[i + 1u])));
        p.value.v[i] = x.x;
        p.value.v[i + 1u] = x.y;
    }
}
