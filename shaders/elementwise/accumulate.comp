#version 450
//! variant scalar
//! variant vec4 -DVEC4
//! variant texel -DTEXEL
// a += x. 12 bytes an element: bandwidth-bound.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "lib/flat.glsl"
#include "elementwise/accumulate.h"
VIEW(0, a)
VIEW(1, x)

void main()
{
    FOR_UNITS(i)
        p.a.v[i] = GET(a, i) + GET(x, i);
}
