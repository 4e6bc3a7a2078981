#version 450
// For tests/kernel/math.c: lib/philox.glsl on many counters and keys.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "test/philox.h"
#include "lib/philox.glsl"
layout(local_size_x = 64) in;

void main()
{
    for (uint i = gl_GlobalInvocationID.x; i < p.n; i += gl_NumWorkGroups.x * 64u) {
        uint x = 6u * i;
        uvec4 word = tuff_philox(uvec4(p.x.v[x], p.x.v[x + 1u], p.x.v[x + 2u], p.x.v[x + 3u]),
                                 uvec2(p.x.v[x + 4u], p.x.v[x + 5u]));
        [[unroll]] for (uint k = 0u; k < 4u; k++)
            p.y.v[4u * i + k] = word[k];
    }
}
