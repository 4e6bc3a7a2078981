#version 450
//! variant -
//! variant half -DHALF -DHALF_SPEC=1
// Rotary position embedding: an invocation rotates one pair, or copies two channels beyond the
// rotated ones; HALF: two pairs, whose four channels are two words. 8 bytes an element, HALF 4; the
// table stays in the cache.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#ifdef HALF
#include "lib/half.glsl"
#define ELEMENTS U32
#endif
#include "rows/rope.h"
layout(local_size_x = 64) in;
layout(constant_id = 0) const bool INTERLEAVED = false;

// Cosine and sine of a pair; 1 and 0 beyond the rotated ones.
vec2 turn(uint row, uint pair)
{
    if (pair >= p.half_size)
        return vec2(1.0, 0.0);
    uint at = min(p.positions.v[row], p.table_rows - 1u) * 2u * p.half_size + pair;
    return vec2(p.table.v[at], p.sign * p.table.v[at + p.half_size]);
}

vec2 rotate(vec2 x, vec2 t) { return vec2(x.x * t.x - x.y * t.y, x.y * t.x + x.x * t.y); }

void main()
{
#ifdef HALF
    uint units = p.head_size / 4u, all = p.rows * p.heads * units;
    for (uint n = gl_GlobalInvocationID.x; n < all; n += gl_NumWorkGroups.x * 64u) {
        uint pair = n % units * 2u, row = n / units / p.heads, h = n / units % p.heads;
        bool side_by_side = INTERLEAVED || pair >= p.half_size;
        uint first = side_by_side ? 2u * pair : pair;
        uint second = side_by_side ? first + 2u : pair + p.half_size;
        uint from = row * p.x_row + h * p.head_size, to = (row * p.heads + h) * p.head_size;
        vec4 x = vec4(from_half2(p.x.v[(from + first) / 2u]), from_half2(p.x.v[(from + second) / 2u]));
        x = side_by_side ? x : x.xzyw;
        x = vec4(rotate(x.xy, turn(row, pair)), rotate(x.zw, turn(row, pair + 1u)));
        x = side_by_side ? x : x.xzyw;
        p.y.v[(to + first) / 2u] = to_half2(x.xy);
        p.y.v[(to + second) / 2u] = to_half2(x.zw);
    }
#else
    uint pairs = p.head_size / 2u, all = p.rows * p.heads * pairs;
    for (uint n = gl_GlobalInvocationID.x; n < all; n += gl_NumWorkGroups.x * 64u) {
        uint pair = n % pairs, row = n / pairs / p.heads, h = n / pairs % p.heads;
        bool side_by_side = INTERLEAVED || pair >= p.half_size;
        uint first = side_by_side ? 2u * pair : pair;
        uint second = side_by_side ? first + 1u : pair + p.half_size;
        uint from = row * p.x_row + h * p.head_size, to = (row * p.heads + h) * p.head_size;
        vec2 y = rotate(vec2(p.x.v[from + first], p.x.v[from + second]), turn(row, pair));
        p.y.v[to + first] = y.x;
        p.y.v[to + second] = y.y;
    }
#endif
}
