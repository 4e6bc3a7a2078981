#version 450
//! variant scalar
//! variant vec4 -DVEC4
//! variant texel -DTEXEL
//! variant half -DHALF -DHALF_SPEC=0
// Dropout. Four elements share a block of four random words: wide forms make it once, the scalar
// form, for sizes that do not divide by four, four times. 8 bytes and some 25 integer operations
// an element.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "lib/flat.glsl"
#include "elementwise/dropout.h"
#include "lib/philox.glsl"
VIEW(0, x)

void main()
{
    uvec2 key = uvec2(p.seed.v[0], p.seed.v[1]);
    FOR_UNITS(i) {
#if defined(VEC4) || defined(TEXEL) || defined(HALF)
        uvec4 word = tuff_philox(uvec4(i, 0u, 0u, p.stream), key);
        bvec4 keep = greaterThanEqual(word >> 8, uvec4(p.cut));
        PUT(y, i, mix(vec4(0.0), p.scale * GET(x, i), keep));
#else
        uvec4 word = tuff_philox(uvec4(i / 4u, 0u, 0u, p.stream), key);
        p.y.v[i] = word[i % 4u] >> 8 >= p.cut ? p.scale * GET(x, i) : 0.0;
#endif
    }
}
