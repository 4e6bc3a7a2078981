#version 450
//! variant scalar
//! variant vec4 -DVEC4
//! variant texel -DTEXEL
// Uniform noise, from the words that dropout.comp has. 8 bytes and some 25 integer operations an element.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "lib/flat.glsl"
#include "elementwise/noise.h"
#include "lib/philox.glsl"
VIEW(0, x)

void main()
{
    uvec2 key = uvec2(p.seed.v[0], p.seed.v[1]);
    FOR_UNITS(i) {
        // 24 bits of a word, as dropout has them, spread over [-1, 1): exact.
#if defined(VEC4) || defined(TEXEL)
        uvec4 word = tuff_philox(uvec4(i, 0u, 0u, p.stream), key);
        p.y.v[i] = GET(x, i) + p.scale * (vec4(word >> 8) * 1.1920928955078125e-7 - 1.0);
#else
        uvec4 word = tuff_philox(uvec4(i / 4u, 0u, 0u, p.stream), key);
        p.y.v[i] = GET(x, i) + p.scale * (float(word[i % 4u] >> 8) * 1.1920928955078125e-7 - 1.0);
#endif
    }
}
