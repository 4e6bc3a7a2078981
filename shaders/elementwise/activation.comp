#version 450
//! variant forward
//! variant grad -DGRAD
// y = act(x), 8 bytes an element; GRAD: y = dy act'(x), 12 bytes an element.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "elementwise/activation.h"
#include "lib/math.glsl"
layout(local_size_x = 64) in;
layout(constant_id = 0) const int ACT = 0; // enum tuff_activation

void main()
{
    for (uint i = gl_GlobalInvocationID.x; i < p.n; i += gl_NumWorkGroups.x * 64u) {
#ifdef GRAD
        p.y.v[i] = p.dy.v[i] * tuff_activate_grad(ACT, p.x.v[i]);
#else
        p.y.v[i] = tuff_activate(ACT, p.x.v[i]);
#endif
    }
}
