#version 450
// Dropout: an invocation makes one block of four random words and treats the four elements they
// belong to. 8 bytes an element and some 25 integer operations.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "elementwise/dropout.h"
#include "lib/philox.glsl"
layout(local_size_x = 64) in;

void main()
{
    uvec2 key = uvec2(p.seed.v[0], p.seed.v[1]);
    uint blocks = (p.n + 3u) / 4u;
    for (uint i = gl_GlobalInvocationID.x; i < blocks; i += gl_NumWorkGroups.x * 64u) {
        uvec4 word = tuff_philox(uvec4(i, 0u, 0u, p.stream), key);
        [[unroll]] for (uint k = 0u; k < 4u; k++) {
            uint at = 4u * i + k;
            if (at < p.n)
                p.y.v[at] = word[k] >> 8 >= p.cut ? p.scale * p.x.v[at] : 0.0;
        }
    }
}
