#version 450
//! variant copy.vec4 -DCOPY
//! variant copy.texel -DCOPY -DTEXEL
//! variant read.vec4 -DREAD
//! variant read.texel -DREAD -DTEXEL
//! variant write.vec4 -DWRITE
// How fast memory is read, written and copied: units of 16 bytes, an invocation strides over them.
// The texel variants read as software drivers do best. Bytes: 16 n, copy 32 n.
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
    uint at = gl_GlobalInvocationID.x, step = gl_NumWorkGroups.x * 64u;
#ifdef READ
    vec4 sum[4] = vec4[4](vec4(0.0), vec4(0.0), vec4(0.0), vec4(0.0));
    for (uint i = at; i < p.n; i += 4u * step) // n is a multiple of 4 steps
        [[unroll]] for (uint k = 0u; k < 4u; k++)
            sum[k] += LOAD(i + k * step);
    p.y.v[at] = (sum[0] + sum[1]) + (sum[2] + sum[3]);
#else
    for (uint i = at; i < p.n; i += step) {
#ifdef COPY
        p.y.v[i] = LOAD(i);
#else
        p.y.v[i] = vec4(p.value);
#endif
    }
#endif
}
