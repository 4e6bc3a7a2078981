#version 450
//! variant generic
//! variant texel -DCPU
//! variant half -DHALF -DHALF_SPEC=2
// dweight = sum over rows of dy xhat, dbias = sum over rows of dy: the first of two levels, one
// slab of rows each; an ordered sum over slabs follows. An invocation owns one unit of columns of
// one slab and walks down its rows. 8 bytes an element.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#ifdef HALF
#include "lib/half.glsl"
#define IN U32x2
#else
#define IN F32
#endif
#if defined(CPU) || defined(HALF)
#define OUT F32x4
#define UNIT vec4
#else
#define OUT F32
#define UNIT float
#endif
#include "rows/layer_norm_params.h"
layout(constant_id = 0) const bool WEIGHT = true;
layout(constant_id = 1) const bool BIAS = true;
#ifdef CPU
layout(local_size_x = 8) in;
layout(set = 0, binding = 0) uniform samplerBuffer dy_view;
layout(set = 0, binding = 1) uniform samplerBuffer x_view;
layout(set = 0, binding = 2) uniform samplerBuffer stats_view;
#define GET(name, i) texelFetch(name##_view, int(i))
#else
layout(local_size_x = 64) in;
#ifdef HALF
#define GET(name, i) from_half4(p.name.v[i])
#else
#define GET(name, i) p.name.v[i]
#endif
#endif
#define LANES gl_WorkGroupSize.x

// Mean and rstd of an even row and of the next.
vec4 two_rows(uint row)
{
#ifdef CPU
    return GET(stats, row / 2u);
#else
    uint next = min(row + 1u, p.rows - 1u);
    return vec4(p.stats.v[2u * row], p.stats.v[2u * row + 1u], p.stats.v[2u * next],
                p.stats.v[2u * next + 1u]);
#endif
}

void main()
{
    uint blocks = (p.units + LANES - 1u) / LANES;
    for (uint item = gl_WorkGroupID.x; item < blocks * p.slabs; item += gl_NumWorkGroups.x) {
        uint c = item % blocks * LANES + gl_LocalInvocationID.x, slab = item / blocks;
        if (c >= p.units)
            continue;
        uint row = slab * p.slab, end = min(row + p.slab, p.rows);
        UNIT weight = UNIT(0.0), bias = UNIT(0.0);
        for (; row + 1u < end; row += 2u) {
            vec4 s = two_rows(row);
            UNIT g0 = GET(dy, row * p.units + c), g1 = GET(dy, (row + 1u) * p.units + c);
            if (WEIGHT) {
                weight += g0 * ((GET(x, row * p.units + c) - s.x) * s.y);
                weight += g1 * ((GET(x, (row + 1u) * p.units + c) - s.z) * s.w);
            }
            bias += g0;
            bias += g1;
        }
        if (row < end) {
            vec4 s = two_rows(row);
            UNIT g = GET(dy, row * p.units + c);
            if (WEIGHT)
                weight += g * ((GET(x, row * p.units + c) - s.x) * s.y);
            bias += g;
        }
        if (WEIGHT)
            p.dweight.v[slab * p.units + c] = weight;
        if (BIAS)
            p.dbias.v[slab * p.units + c] = bias;
    }
}
