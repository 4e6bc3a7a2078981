// Common to the attention kernels: parameters, visibility, dropout. Parameters are attention.h's, or,
// included before, others with the members that are used here.
#include "lib/prelude.glsl"
#include "lib/philox.glsl"
#include "lib/math.glsl"
#include "attention/quads.glsl"
#ifndef TUFF_ATTENTION_OTHER
#include "attention/attention.h"
#endif
layout(constant_id = 0) const uint D = 64;       // head size, a multiple of 4
layout(constant_id = 1) const bool DROPOUT = false;
layout(constant_id = 4) const bool SOFTCAP = false;
layout(constant_id = 5) const bool ALIBI = false;
layout(constant_id = 6) const bool SEGMENTS = false;

#ifndef TUFF_ROWS
const float LOWEST = -1.7014117e38; // -FLT_MAX / 2: the running maximum before the first key
#endif
const float LOG2E = 1.4426950408889634;
const float LN2 = 0.6931471805599453;
float infinity() { return uintBitsToFloat(0x7f800000u); }

// The range of visible keys of batch row b. Of these, key j is visible to query i when
// from(i, keys) <= j < reach(i, keys).
struct Keys {
    uint b;
    int begin, end;
};

Keys key_range(uint b)
{
    if ((arg.shape.flags & TUFF_ATTENTION_PAD) == 0u)
        return Keys(b, 0, int(arg.S));
    return Keys(b, int(min(arg.shape.pad.v[2u * b], arg.S)), int(min(arg.shape.pad.v[2u * b + 1u], arg.S)));
}

// The segment of row t, its first row and its end: the queries and keys of one are strangers to all others.
// Neither bound goes down from row to row, so that a tile's are those of its first and last row.
ivec2 segment(uint b, int t)
{
    uint at = 2u * (b * arg.T + uint(clamp(t, 0, int(arg.T) - 1)));
    return ivec2(min(uvec2(arg.shape.segments.v[at], arg.shape.segments.v[at + 1u]), uvec2(arg.T)));
}

// How far a query sees to the right of its own place, and a key is seen to the left: window - 1, or
// not at all when causal; beyond all keys without either.
int look_ahead()
{
    if ((arg.shape.flags & TUFF_ATTENTION_CAUSAL) != 0u)
        return 0;
    return arg.shape.window != 0u ? int(arg.shape.window) - 1 : int(arg.S + arg.T);
}

int look_back() { return arg.shape.window != 0u ? int(arg.shape.window) - 1 : int(arg.S + arg.T); }

// The place of query i among the keys.
int place(int i) { return i + int(arg.S) - int(arg.T); }

int from(int i, Keys keys)
{
    int begin = max(keys.begin, place(i) - look_back());
    return SEGMENTS ? max(begin, segment(keys.b, i).x) : begin;
}

int reach(int i, Keys keys)
{
    int end = min(keys.end, place(i) + look_ahead() + 1);
    return SEGMENTS ? min(end, segment(keys.b, i).y) : end;
}

// First query that sees key j, and the end of those that do.
int first_query(int j, Keys keys)
{
    int first = max(j - place(0) - look_ahead(), 0);
    return SEGMENTS ? max(first, segment(keys.b, j).x) : first;
}

int query_end(int j, Keys keys)
{
    int end = min(j - place(0) + look_back() + 1, int(arg.T));
    return SEGMENTS ? min(end, segment(keys.b, j).y) : end;
}

// A score is unit() * cap(query_scale() q . k) + bias: c tanh(scale q . k / c) with soft-capping.
float query_scale() { return SOFTCAP ? arg.shape.scale / arg.shape.softcap : arg.shape.scale; }
float unit() { return SOFTCAP ? arg.shape.softcap : 1.0; }
float cap(float x) { return SOFTCAP ? tuff_tanh(x) : x; }
// Derivative of a score by scale q . k, from y = cap(..).
float cap_grad(float y) { return SOFTCAP ? 1.0 - y * y : 1.0; }
float slope(uint h) { return ALIBI ? arg.shape.slopes.v[h] : 0.0; }
// ALiBi: minus slope times the distance to earlier keys.
float bias(float slope_h, int i, int j) { return ALIBI ? slope_h * float(j - place(i)) : 0.0; }

// Offset of row (b, t, h) in vec4s.
uint row4(uint stride[3], uint b, uint t, uint h) { return (b * stride[0] + t * stride[1] + h * stride[2]) / 4u; }

// What dropout's numbers depend on.
struct Noise {
    uvec2 key;
    uint stream;
    float drop;
};

Noise noise()
{
    if (!DROPOUT)
        return Noise(uvec2(0u), 0u, 0.0);
    return Noise(uvec2(arg.shape.seed.v[0], arg.shape.seed.v[1]), arg.shape.stream, arg.shape.drop);
}

// Factors of the probabilities of keys 4 * j4 .. 4 * j4 + 3 of query i: 0 or 1 / (1 - p).
vec4 dropout4(Noise n, uint bh, uint i, uint j4)
{
    vec4 u = vec4(tuff_philox(uvec4(bh, i, j4, n.stream), n.key) >> 8) * 5.9604645e-8;
    return mix(vec4(0), vec4(1.0 / (1.0 - n.drop)), greaterThanEqual(u, vec4(n.drop)));
}

vec4 dropout4(uint bh, uint i, uint j4) { return dropout4(noise(), bh, i, j4); }
float dropout(Noise n, uint bh, uint i, uint j) { return dropout4(n, bh, i, j / 4u)[j & 3u]; }
float dropout(uint bh, uint i, uint j) { return dropout(noise(), bh, i, j); }
