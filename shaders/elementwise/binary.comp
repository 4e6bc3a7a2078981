#version 450
//! variant add -DADD
//! variant mul -DMUL
// y = a op b with broadcasting. FLAT: both operands have y's shape and are contiguous; otherwise the
// index is taken apart axis by axis. 12 bytes an element: bandwidth-bound.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "elementwise/binary.h"
layout(local_size_x = 64) in;
#ifdef ADD
#define OP(a, b) ((a) + (b))
#else
#define OP(a, b) ((a) * (b))
#endif
layout(constant_id = 0) const bool FLAT = false;

void main()
{
    for (uint i = gl_GlobalInvocationID.x; i < p.n; i += gl_NumWorkGroups.x * 64u) {
        uint ia = i, ib = i;
        if (!FLAT) {
            uint left = i;
            ia = 0u;
            ib = 0u;
            [[unroll]] for (int axis = 5; axis >= 0; axis--) {
                uint at = left % p.dims[axis];
                left /= p.dims[axis];
                ia += at * p.a_strides[axis];
                ib += at * p.b_strides[axis];
            }
        }
        p.y.v[i] = OP(p.a.v[ia], p.b.v[ib]);
    }
}
