#version 450
// y = x between two views of one shape; ADD: y += x as floats. The last RANK axes are real, the
// others have size 1. 8 bytes an element.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "elementwise/copy.h"
layout(local_size_x = 64) in;
layout(constant_id = 0) const uint RANK = 6u;
layout(constant_id = 1) const bool ADD = false;

void main()
{
    for (uint i = gl_GlobalInvocationID.x; i < p.n; i += gl_NumWorkGroups.x * 64u) {
        uint left = i, ix = 0u, iy = 0u;
        [[unroll]] for (uint axis = 5u; axis + 1u > 6u - RANK; axis--) {
            // What is left at the slowest of the real axes is its index.
            uint rest = axis > 6u - RANK ? left / p.dims[axis] : 0u;
            uint at = left - rest * p.dims[axis];
            ix += at * p.x_strides[axis];
            iy += at * p.y_strides[axis];
            left = rest;
        }
        uint value = p.x.v[ix];
        p.y.v[iy] = ADD ? floatBitsToUint(uintBitsToFloat(p.y.v[iy]) + uintBitsToFloat(value)) : value;
    }
}
