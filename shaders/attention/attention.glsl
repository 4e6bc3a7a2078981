// Common to the attention kernels: parameters, visibility, dropout. Parameters are attention.h's, or,
// included before, others with the members that are used here.
#include "lib/prelude.glsl"
#include "lib/philox.glsl"
#include "lib/math.glsl"
#ifndef TUFF_ATTENTION_OTHER
#include "attention/attention.h"
#endif
layout(constant_id = 0) const uint D = 64;       // head size, a multiple of 4
layout(constant_id = 1) const bool DROPOUT = false;
layout(constant_id = 4) const bool SOFTCAP = false;
layout(constant_id = 5) const bool ALIBI = false;

#ifndef TUFF_ROWS
const float LOWEST = -1.7014117e38; // -FLT_MAX / 2: the running maximum before the first key
#endif
const float LOG2E = 1.4426950408889634;
const float LN2 = 0.6931471805599453;
float infinity() { return uintBitsToFloat(0x7f800000u); }

// Key j of batch row b is visible to query i when from(i, keys.x) <= j < reach(i, keys.y), keys being
// the row's range.
ivec2 key_range(uint b)
{
    if ((arg.shape.flags & TUFF_ATTENTION_PAD) == 0u)
        return ivec2(0, arg.S);
    return ivec2(min(uvec2(arg.shape.pad.v[2u * b], arg.shape.pad.v[2u * b + 1u]), uvec2(arg.S)));
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

int from(int i, int begin) { return max(begin, place(i) - look_back()); }

int reach(int i, int end) { return min(end, place(i) + look_ahead() + 1); }

// First query that sees key j, and the end of those that do.
int first_query(int j) { return max(j - place(0) - look_ahead(), 0); }
int query_end(int j) { return min(j - place(0) + look_back() + 1, int(arg.T)); }

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

// Factors of the probabilities of keys 4 * j4 .. 4 * j4 + 3 of query i: 0 or 1 / (1 - p).
vec4 dropout4(uint bh, uint i, uint j4)
{
    vec4 u = vec4(tuff_philox(uvec4(bh, i, j4, arg.shape.stream), uvec2(arg.shape.seed.v[0], arg.shape.seed.v[1])) >> 8) * 5.9604645e-8;
    return mix(vec4(0), vec4(1.0 / (1.0 - arg.shape.drop)), greaterThanEqual(u, vec4(arg.shape.drop)));
}

float dropout(uint bh, uint i, uint j) { return dropout4(bh, i, j / 4u)[j & 3u]; }
