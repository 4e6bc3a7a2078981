#version 450
// Rotary position embedding: an invocation rotates one pair, or copies two channels beyond the
// rotated ones. 8 bytes an element; the table stays in the cache.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "rows/rope.h"
layout(local_size_x = 64) in;
layout(constant_id = 0) const bool INTERLEAVED = false;

void main()
{
    uint pairs = p.head_size / 2u, all = p.rows * p.heads * pairs;
    for (uint n = gl_GlobalInvocationID.x; n < all; n += gl_NumWorkGroups.x * 64u) {
        uint pair = n % pairs, row = n / pairs / p.heads, h = n / pairs % p.heads;
        bool rotated = pair < p.half_size;
        uint first = INTERLEAVED || !rotated ? 2u * pair : pair;
        uint second = INTERLEAVED || !rotated ? first + 1u : pair + p.half_size;
        uint from = row * p.x_row + h * p.head_size, to = (row * p.heads + h) * p.head_size;
        float a = p.x.v[from + first], b = p.x.v[from + second], c = 1.0, s = 0.0;
        if (rotated) {
            uint at = min(p.positions.v[row], p.table_rows - 1u) * 2u * p.half_size + pair;
            c = p.table.v[at];
            s = p.sign * p.table.v[at + p.half_size];
        }
        p.y.v[to + first] = a * c - b * s;
        p.y.v[to + second] = b * c + a * s;
    }
}
