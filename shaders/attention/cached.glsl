// What the kernels of attention_cached share: which keys a group sees, where they lie, and where its
// results go. Long contexts (split-KV): a group owns one of `parts` runs of keys and leaves its maximum,
// sum and sum of values.
#extension GL_EXT_buffer_reference_uvec2 : require
#include "lib/prelude.glsl"
#include "lib/math.glsl"
#include "attention/quads.glsl"
#include "attention/cached.h"
layout(constant_id = 0) const uint D = 64; // head size, a multiple of 4
const uint Q4 = D / 4u;
const float LOWEST = -1.7014117e38; // -FLT_MAX / 2

// Keys first .. end - 1 of the first `keys` of a row, head `kv` of theirs; part `part` of the row's.
struct Seen {
    uint row, h, kv, part, keys, first, end;
};

Seen seen_by(uint n)
{
    uint row = n / p.parts / p.heads, h = n / p.parts % p.heads, part = n % p.parts;
    uint keys = min(p.visible.v[row], p.max_visible);
    uint begin = p.window != 0u && keys > p.window ? keys - p.window : 0u;
    uint share = (keys - begin + p.parts - 1u) / p.parts;
    uint first = min(begin + part * share, keys);
    return Seen(row, h, h / (p.heads / p.kv_heads), part, keys, first, min(first + share, keys));
}

// First vec4 of key j, and of its value.
uint place(Seen seen, uint j)
{
    uint block = p.table.v[seen.row * p.max_blocks + (j >> p.block_log2)];
    uint token = (block << p.block_log2) + (j & ((1u << p.block_log2) - 1u));
    return (token * p.kv_heads + seen.kv) * Q4;
}

// Where the results of a part stand, in vec4s.
uint partial_at(uint row, uint h, uint part)
{
    return ((row * p.heads + h) * p.parts + part) * (Q4 + 1u);
}

// Channel c, as `leave` has four.
#ifndef HALF
void leave_channel(Seen seen, uint c, float top, float sum, float o)
{
    if (p.parts == 1u) {
        F32(uvec2(p.o)).v[seen.row * p.o_row + seen.h * D + c] = sum > 0.0 ? o / sum : 0.0;
        return;
    }
    uint to = partial_at(seen.row, seen.h, seen.part);
    if (c == 0u)
        p.partial.v[to] = vec4(top, sum, 0.0, 0.0);
    F32(uvec2(p.partial)).v[(to + 1u) * 4u + c] = o;
}
#endif

// vec4 d of the result: the weighted sum `o` of values and the weights' own sum, both for maximum `top`.
void leave(Seen seen, uint d, float top, float sum, vec4 o)
{
    if (p.parts == 1u) {
        STORE_QUAD(p.o, (seen.row * p.o_row + seen.h * D) / 4u + d, sum > 0.0 ? o / sum : vec4(0.0));
        return;
    }
    uint to = partial_at(seen.row, seen.h, seen.part);
    if (d == 0u)
        p.partial.v[to] = vec4(top, sum, 0.0, 0.0);
    p.partial.v[to + 1u + d] = o;
}
