#version 450
//! variant to_f32 -DTO_F32
//! variant to_u32
// y = x by value. 8 bytes an element: bandwidth-bound.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "elementwise/cast.h"
layout(local_size_x = 64) in;

void main()
{
    for (uint i = gl_GlobalInvocationID.x; i < p.n; i += gl_NumWorkGroups.x * 64u) {
#ifdef TO_F32
        p.y.v[i] = floatBitsToUint(float(p.x.v[i]));
#else
        p.y.v[i] = uint(uintBitsToFloat(p.x.v[i]));
#endif
    }
}
