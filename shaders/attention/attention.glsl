// Common to the attention kernels: parameters, visibility, dropout.
#include "lib/prelude.glsl"
#include "lib/philox.glsl"
#include "attention/attention.h"
layout(constant_id = 0) const uint D = 64;       // head size, a multiple of 4
layout(constant_id = 1) const bool DROPOUT = false;

const float LOWEST = -1.7014117e38; // -FLT_MAX / 2: the running maximum before the first key
const float LOG2E = 1.4426950408889634;
const float LN2 = 0.6931471805599453;
float infinity() { return uintBitsToFloat(0x7f800000u); }

// Key j of batch row b is visible to query i when keys.x <= j < keys.y and j < reach(i, keys.y).
ivec2 key_range(uint b)
{
    if ((arg.shape.flags & TUFF_ATTENTION_PAD) == 0u)
        return ivec2(0, arg.S);
    return ivec2(min(uvec2(arg.pad.v[2u * b], arg.pad.v[2u * b + 1u]), uvec2(arg.S)));
}

int reach(int i, int end) { return (arg.shape.flags & TUFF_ATTENTION_CAUSAL) != 0u ? min(end, i + int(arg.S) - int(arg.T) + 1) : end; }

// First query that sees key j.
int first_query(int j) { return (arg.shape.flags & TUFF_ATTENTION_CAUSAL) != 0u ? max(j - int(arg.S) + int(arg.T), 0) : 0; }

// Offset of row (b, t, h) in vec4s.
uint row4(uint stride[3], uint b, uint t, uint h) { return (b * stride[0] + t * stride[1] + h * stride[2]) / 4u; }

// Factors of the probabilities of keys 4 * j4 .. 4 * j4 + 3 of query i: 0 or 1 / (1 - p).
vec4 dropout4(uint bh, uint i, uint j4)
{
    vec4 u = vec4(tuff_philox(uvec4(bh, i, j4, arg.shape.stream), uvec2(arg.seed.v[0], arg.seed.v[1])) >> 8) * 5.9604645e-8;
    return mix(vec4(0), vec4(1.0 / (1.0 - arg.shape.drop)), greaterThanEqual(u, vec4(arg.shape.drop)));
}

float dropout(uint bh, uint i, uint j) { return dropout4(bh, i, j / 4u)[j & 3u]; }
