#version 450
//! variant move
//! variant widen.f16.scalar -DWIDEN
//! variant widen.f16.vec4 -DWIDEN -DVEC4
//! variant widen.bf16.scalar -DWIDEN -DBF16
//! variant widen.bf16.vec4 -DWIDEN -DVEC4 -DBF16
//! variant narrow.f16.scalar -DNARROW
//! variant narrow.f16.vec4 -DNARROW -DVEC4
//! variant narrow.bf16.scalar -DNARROW -DBF16
//! variant narrow.bf16.vec4 -DNARROW -DVEC4 -DBF16
// Half precision to f32 and back, and (move) views of half precision put in order. An invocation
// makes two elements of y, which are one word where y is of half precision; vec4: four.
// 6 bytes an element, move 4: bandwidth-bound.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "lib/half.glsl"
#if defined(VEC4) && defined(WIDEN)
#define X_REF U32x2
#define Y_REF F32x4
#elif defined(VEC4)
#define X_REF F32x4
#define Y_REF U32x2
#endif
#include "elementwise/halves.h"
layout(local_size_x = 64) in;
layout(constant_id = 0) const uint RANK = 6u; // axes used

#ifdef VEC4
void main()
{
    for (uint i = gl_GlobalInvocationID.x; i < p.n; i += gl_NumWorkGroups.x * 64u)
#ifdef WIDEN
        p.y.v[i] = from_half4(p.x.v[i]);
#else
        p.y.v[i] = to_half4(p.x.v[i]);
#endif
}
#else
// The i-th element of x, as its bits.
uint element(uint i)
{
    uint left = i, at = p.x_first;
    for (uint axis = 0u; axis < RANK; axis++) {
        // What is left at the slowest axis is its index.
        uint rest = axis + 1u < RANK ? left / p.dims[axis] : 0u;
        at += (left - rest * p.dims[axis]) * p.x_strides[axis];
        left = rest;
    }
#ifdef NARROW
    return to_half(uintBitsToFloat(p.x.v[at]));
#else
    uint bits = p.x.v[at / 2u] >> 16u * (at % 2u) & 0xffffu;
#ifdef WIDEN
    bits = floatBitsToUint(from_half2(bits).x);
#endif
    return bits;
#endif
}

void main()
{
    for (uint i = gl_GlobalInvocationID.x; 2u * i < p.n; i += gl_NumWorkGroups.x * 64u) {
        uint first = element(2u * i);
        bool both = 2u * i + 1u < p.n;
        uint second = both ? element(2u * i + 1u) : 0u;
#ifdef WIDEN
        p.y.v[2u * i] = first;
        if (both)
            p.y.v[2u * i + 1u] = second;
#else
        p.y.v[i] = first | second << 16;
#endif
    }
}
#endif
