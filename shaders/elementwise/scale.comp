#version 450
//! variant scalar
//! variant vec4 -DVEC4
//! variant texel -DTEXEL
//! variant half -DHALF -DHALF_SPEC=0
// y = alpha x + beta. 8 bytes an element: bandwidth-bound.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "lib/flat.glsl"
#include "elementwise/scale.h"
VIEW(0, x)

void main()
{
    FOR_UNITS(i)
        PUT(y, i, p.alpha * GET(x, i) + p.beta);
}
