#version 450
//! variant f32
//! variant wide -DWIDE
//! variant half -DHALF
// Rows by index. 8 bytes an element: bandwidth-bound. WIDE: rows of whole vec4s, which n and width
// then count. HALF: of two elements a word; an invocation
// makes a word of y, whose elements may be of two rows.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#ifdef HALF
#define ELEMENT U32
#elif defined(WIDE)
#define ELEMENT F32x4
#define ZERO vec4(0.0)
#else
#define ZERO 0.0
#endif
#include "rows/gather.h"
layout(local_size_x = 64) in;

#ifdef HALF
uint element(uint i)
{
    uint n = i / p.width, row = p.index.v[n], at = row * p.width + (i - n * p.width);
    return row < p.rows ? p.x.v[at / 2u] >> 16u * (at % 2u) & 0xffffu : 0u;
}

void main()
{
    for (uint i = gl_GlobalInvocationID.x; 2u * i < p.n; i += gl_NumWorkGroups.x * 64u) {
        uint second = 2u * i + 1u < p.n ? element(2u * i + 1u) : 0u;
        p.y.v[i] = element(2u * i) | second << 16;
    }
}
#else
void main()
{
    for (uint i = gl_GlobalInvocationID.x; i < p.n; i += gl_NumWorkGroups.x * 64u) {
        uint n = i / p.width, row = p.index.v[n];
        p.y.v[i] = row < p.rows ? p.x.v[row * p.width + (i - n * p.width)] : ZERO;
    }
}
#endif
