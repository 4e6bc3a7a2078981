#version 450
//! variant add.scalar -DADD
//! variant add.vec4 -DADD -DVEC4
//! variant add.texel -DADD -DTEXEL
//! variant add.half -DADD -DHALF -DHALF_SPEC=1
//! variant mul.scalar
//! variant mul.vec4 -DVEC4
//! variant mul.texel -DTEXEL
//! variant mul.half -DHALF -DHALF_SPEC=1
// y = a op b with broadcasting. 12 bytes an element: bandwidth-bound.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "lib/flat.glsl"
#include "elementwise/binary.h"
VIEW(0, a)
VIEW(1, b)
#ifdef ADD
#define OP(a, b) ((a) + (b))
#else
#define OP(a, b) ((a) * (b))
#endif
layout(constant_id = 0) const uint RANK = 6u; // axes used

void main()
{
    FOR_UNITS(i) {
        uint left = i, ia = 0u, ib = 0u;
        for (uint axis = 0u; axis < RANK; axis++) {
            // What is left at the slowest axis is its index.
            uint rest = axis + 1u < RANK ? left / p.dims[axis] : 0u;
            uint at = left - rest * p.dims[axis];
            ia += at * p.a_strides[axis];
            ib += at * p.b_strides[axis];
            left = rest;
        }
        PUT(y, i, OP(GET(a, ia), GET(b, ib)));
    }
}
