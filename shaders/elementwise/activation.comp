#version 450
//! variant forward.scalar
//! variant forward.vec4 -DVEC4
//! variant forward.texel -DTEXEL
//! variant forward.half -DHALF -DHALF_SPEC=1
//! variant grad.scalar -DGRAD
//! variant grad.vec4 -DGRAD -DVEC4
//! variant grad.texel -DGRAD -DTEXEL
//! variant grad.half -DGRAD -DHALF -DHALF_SPEC=1
// y = act(x), 8 bytes an element; GRAD: y = dy act'(x), 12 bytes an element; halves: half of that.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "lib/flat.glsl"
#include "elementwise/activation.h"
#include "lib/math.glsl"
VIEW(0, x)
layout(constant_id = 0) const int ACT = 0; // enum tuff_activation

#ifdef GRAD
VIEW(1, dy)
#define ACTIVATE(x) tuff_activate_grad(ACT, x)
#else
#define ACTIVATE(x) tuff_activate(ACT, x)
#endif

void main()
{
    FOR_UNITS(i) {
        UNIT x = GET(x, i);
#ifdef GRAD
        PUT(y, i, GET(dy, i) * EACH(ACTIVATE, x));
#else
        PUT(y, i, EACH(ACTIVATE, x));
#endif
    }
}
