// Kernels that work on the rows of a matrix are written once and compiled for three forms:
//   group:         a group of 64 invocations owns a row, a unit is one element, neighbours read
//                  neighbours; what the 64 find meets in shared memory.
//   row (-DROW):   an invocation owns a row, a unit is one element: for short rows.
//   texel (-DCPU): an invocation owns a row, a unit is four elements read as one RGBA32F texel, the
//                  only wide load that software drivers have.
//   -DHALF:        with group or row: a unit is four elements of half precision; what is declared as
//                  IN or OUT. What is declared as PARAMS, and read by GETP, is F32 in every form.
//   quad (-DQUAD=n): as group, for GPUs: a unit is four elements, a load of 16 bytes (with -DHALF, 8);
//                  the specialization constant n is the group's size, 64, 128 or 256: more lanes for
//                  longer rows. HOLD, constant n + 1, is how many units a lane may keep in registers.
// In row and texel nothing crosses invocations: no barrier, no subgroup. In each, a sum has one order
// that depends on the shape alone.
// Included before the parameters, which declare what is read and written by units as IN and OUT (a cast
// to another reference type inside a shader is more than some drivers can do).
#ifndef TUFF_ROWS
#define TUFF_ROWS

#ifdef HALF
#include "lib/half.glsl"
#define PUT(name, i, value) p.name.v[i] = to_half4(value)
#else
#define PUT(name, i, value) p.name.v[i] = (value)
#endif

const float LOWEST = -1.7014117e38; // -FLT_MAX / 2: below every logit, and its differences finite

#ifdef CPU
layout(local_size_x = 8) in;
#define UNIT vec4
#define OUT F32x4
#define VIEW(at, name) layout(set = 0, binding = at) uniform samplerBuffer name##_view;
#define GET(name, i) texelFetch(name##_view, int(i))
#define GETP GET
#define IN F32
#define PARAMS F32
#else
#ifdef QUAD
layout(local_size_x_id = QUAD) in;
layout(constant_id = QUAD + 1) const uint HOLD = 1u;
#else
layout(local_size_x = 64) in;
#endif
#define VIEW(at, name)
#define GETP(name, i) p.name.v[i]
#ifdef HALF
#define UNIT vec4
#define IN U32x2
#define OUT U32x2
#define PARAMS F32x4
#define GET(name, i) from_half4(p.name.v[i])
#elif defined(QUAD)
#define UNIT vec4
#define IN F32x4
#define OUT F32x4
#define PARAMS F32x4
#define GET(name, i) p.name.v[i]
#else
#define UNIT float
#define IN F32
#define OUT F32
#define PARAMS F32
#define GET(name, i) p.name.v[i]
#endif
#endif

#if defined(CPU) || defined(HALF) || defined(QUAD)
#define WIDE 4u // elements a unit

uvec4 columns_of(uint i) { return uvec4(4u * i) + uvec4(0u, 1u, 2u, 3u); }
// 1 at that column, else 0, of the row's unit i.
vec4 one_at(uint i, uint column) { return vec4(equal(columns_of(i), uvec4(column))); }
// x where the row has such columns, else `other`.
vec4 inside(uint i, uint columns, vec4 x, float other)
{
    return mix(vec4(other), x, lessThan(columns_of(i), uvec4(columns)));
}
float total(vec4 x) { return (x.x + x.y) + (x.z + x.w); }
float largest(vec4 x) { return max(max(x.x, x.y), max(x.z, x.w)); }
#else
#define WIDE 1u

float one_at(uint i, uint column) { return i == column ? 1.0 : 0.0; }
float inside(uint i, uint columns, float x, float other) { return i < columns ? x : other; }
float total(float x) { return x; }
float largest(float x) { return x; }

#endif

// An invocation's rows, or a group's. lavapipe 26 goes through a loop's body with no lane left, and loads what all
// lanes share even then: the row exists whatever becomes of it.
#define FOR_ROWS(row, rows) \
    for (uint row##_at = ROW_FIRST, row = 0u; row = min(row##_at, (rows) - 1u), row##_at < (rows); \
         row##_at += ROW_STEP)

#if defined(CPU) || defined(ROW)
#define LANES 1u
#define LANE 0u
#define ROW_FIRST gl_GlobalInvocationID.x
#define ROW_STEP (gl_NumWorkGroups.x * gl_WorkGroupSize.x)

float row_sum(float x) { return x; }
float row_max(float x) { return x; }

#else
#ifdef QUAD
#define LANES gl_WorkGroupSize.x
#define LANES_MOST 256u
#define FAN 16u
#else
#define LANES 64u
#define LANES_MOST 64u
#define FAN 8u
#endif
#define LANE gl_LocalInvocationID.x
#define ROW_FIRST gl_WorkGroupID.x
#define ROW_STEP gl_NumWorkGroups.x

// A value of each lane, then FAN of them: two barriers. The next call writes row_part only after all
// have passed its second barrier, and row_fan only after the next call's first.
shared float row_part[LANES_MOST], row_fan[FAN];

float row_sum(float x)
{
    row_part[LANE] = x;
    barrier();
    if (LANE < FAN) {
        float sum = 0.0;
        for (uint i = 0u; i < LANES / FAN; i++)
            sum += row_part[LANE + FAN * i];
        row_fan[LANE] = sum;
    }
    barrier();
    float sum = 0.0;
    [[unroll]] for (uint i = 0u; i < FAN; i++)
        sum += row_fan[i];
    return sum;
}

float row_max(float x)
{
    row_part[LANE] = x;
    barrier();
    if (LANE < FAN) {
        float most = row_part[LANE];
        for (uint i = 1u; i < LANES / FAN; i++)
            most = max(most, row_part[LANE + FAN * i]);
        row_fan[LANE] = most;
    }
    barrier();
    float most = row_fan[0];
    [[unroll]] for (uint i = 1u; i < FAN; i++)
        most = max(most, row_fan[i]);
    return most;
}
#endif
#endif
