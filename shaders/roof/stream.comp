#version 450
//! variant copy.vec4 -DCOPY
//! variant copy.texel -DCOPY -DTEXEL
//! variant read.vec4 -DREAD
//! variant read.texel -DREAD -DTEXEL
//! variant write.vec4 -DWRITE
// How fast memory is read, written and copied: units of 16 bytes, side by side within a group, which
// goes through a piece of memory of its own from end to end (with a stride over all of it, each step
// would be a new page to a CPU). The texel variants read as software drivers do best. Bytes: 16 a
// unit, copied 32.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "roof/stream.h"
layout(local_size_x = 64) in;
#ifdef TEXEL
layout(set = 0, binding = 0) uniform samplerBuffer X;
#define LOAD(i) texelFetch(X, int(i))
#else
#define LOAD(i) p.x.v[i]
#endif

void main()
{
    uint at = gl_WorkGroupID.x * p.each * 64u + gl_LocalInvocationID.x;
#ifdef READ
    vec4 sum[4] = vec4[4](vec4(0.0), vec4(0.0), vec4(0.0), vec4(0.0));
    for (uint i = 0u; i < p.each; i += 4u)
        [[unroll]] for (uint k = 0u; k < 4u; k++)
            sum[k] += LOAD(at + (i + k) * 64u);
    p.y.v[gl_GlobalInvocationID.x] = (sum[0] + sum[1]) + (sum[2] + sum[3]);
#else
    for (uint i = 0u; i < p.each; i += 4u)
        [[unroll]] for (uint k = 0u; k < 4u; k++) {
            uint unit = at + (i + k) * 64u;
#ifdef COPY
            p.y.v[unit] = LOAD(unit);
#else
            p.y.v[unit] = vec4(p.value);
#endif
        }
#endif
}
