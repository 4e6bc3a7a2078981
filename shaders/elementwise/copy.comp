#version 450
//! variant plain.scalar
//! variant plain.vec4 -DVEC4
//! variant plain.texel -DTEXEL
//! variant add.scalar -DADD
//! variant add.vec4 -DADD -DVEC4
//! variant add.texel -DADD -DTEXEL
// y = x between two views of one shape, of any words; ADD: y += x, of floats. 8 bytes an element,
// 12 with ADD.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#define BITS
#include "lib/flat.glsl"
#include "elementwise/copy.h"
VIEW(0, x)
layout(constant_id = 0) const uint RANK = 6u; // axes used

#ifdef ADD
VIEW(1, y)
#endif

void main()
{
    FOR_UNITS(i) {
        uint left = i, ix = 0u, iy = 0u;
        for (uint axis = 0u; axis < RANK; axis++) {
            // What is left at the slowest axis is its index.
            uint rest = axis + 1u < RANK ? left / p.dims[axis] : 0u;
            uint at = left - rest * p.dims[axis];
            ix += at * p.x_strides[axis];
            iy += at * p.y_strides[axis];
            left = rest;
        }
        UNIT value = GET(x, ix);
#ifdef ADD
        value = floatBitsToUint(uintBitsToFloat(GET(y, iy)) + uintBitsToFloat(value));
#endif
        p.y.v[iy] = value;
    }
}
