#version 450
//! variant scalar
//! variant vec4 -DVEC4
// y = x between two views of one shape, of any words, where x runs along one axis (R, the second of
// p's) and y along another (C, the first): an invocation turns a block of 4 x 4, a group 8 x 8 of these, so
// that both sides are moved in runs of 128 bytes, without shared memory. 8 bytes an element.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#define BITS
#include "lib/flat.glsl"
#include "elementwise/copy.h"
layout(constant_id = 0) const uint RANK = 6u; // axes used

void main()
{
    const uint tile = 32u;
    uint across = (p.dims[0] + tile - 1u) / tile, down = (p.dims[1] + tile - 1u) / tile;
    uint t = gl_LocalInvocationID.x;
    for (uint n = gl_WorkGroupID.x; n < p.n; n += gl_NumWorkGroups.x) {
        uint c = n % across * tile + t % 8u * 4u, r = n / across % down * tile + t / 8u * 4u;
        uint left = n / across / down, ix = c * p.x_strides[0] + r, iy = c + r * p.y_strides[1];
        for (uint axis = 2u; axis < RANK; axis++) {
            uint rest = left / p.dims[axis], at = left - rest * p.dims[axis];
            ix += at * p.x_strides[axis];
            iy += at * p.y_strides[axis];
            left = rest;
        }
        if (c >= p.dims[0] || r >= p.dims[1])
            continue;
#ifdef VEC4
        uvec4 x[4];
        [[unroll]] for (uint k = 0u; k < 4u; k++)
            x[k] = p.x.v[(ix + k * p.x_strides[0]) / 4u];
        [[unroll]] for (uint k = 0u; k < 4u; k++)
            p.y.v[(iy + k * p.y_strides[1]) / 4u] = uvec4(x[0][k], x[1][k], x[2][k], x[3][k]);
#else
        uint some_c = min(p.dims[0] - c, 4u), some_r = min(p.dims[1] - r, 4u);
        for (uint i = 0u; i < some_r; i++)
            for (uint k = 0u; k < some_c; k++)
                p.y.v[iy + i * p.y_strides[1] + k] = p.x.v[ix + k * p.x_strides[0] + i];
#endif
    }
}
