#version 450
// One query row per (row, head) against a paged cache.
// A group of LANES owns a (row, head); lane l takes keys l, l + LANES, ... with its own running
// maximum, sum and output; the lanes are merged in order at the end through shared memory, 8 vec4 at
// a time (LANES * 136 bytes). 8 D bytes and 4 D FLOP a key: bound by memory.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "attention/cached.h"
layout(local_size_x_id = 1) in;
layout(constant_id = 0) const uint D = 64; // head size, a multiple of 4
layout(constant_id = 1) const uint LANES = 32;
const uint Q4 = D / 4u, PART = 8u;

shared float tops[LANES], sums[LANES];
shared vec4 part[LANES * PART];

void attend(uint row, uint h, uint lane)
{
    uint kv = h / (p.heads / p.kv_heads);
    uint q_at = (row * p.q_row + h * D) / 4u, o_at = (row * p.o_row + h * D) / 4u;
    uint keys = min(p.visible.v[row], p.max_visible), mask = (1u << p.block_log2) - 1u;
    vec4 q[Q4], o[Q4];
    for (uint d = 0u; d < Q4; d++) {
        q[d] = p.q.v[q_at + d] * p.scale;
        o[d] = vec4(0.0);
    }
    float top = -1.7014117e38, sum = 0.0; // -FLT_MAX / 2
    for (uint j = lane; j < keys; j += LANES) {
        uint block = p.table.v[row * p.max_blocks + (j >> p.block_log2)];
        uint at = (((block << p.block_log2) + (j & mask)) * p.kv_heads + kv) * Q4;
        float s = 0.0;
        for (uint d = 0u; d < Q4; d++)
            s += dot(q[d], p.keys.v[at + d]);
        float higher = max(top, s), e = exp(s - higher), shrink = exp(top - higher);
        top = higher;
        sum = sum * shrink + e;
        for (uint d = 0u; d < Q4; d++)
            o[d] = o[d] * shrink + e * p.values.v[at + d];
    }
    tops[lane] = top;
    sums[lane] = sum;
    barrier();
    float highest = tops[0], total = 0.0;
    for (uint l = 1u; l < LANES; l++)
        highest = max(highest, tops[l]);
    for (uint l = 0u; l < LANES; l++)
        total += sums[l] * exp(tops[l] - highest);
    float weight = total > 0.0 ? exp(top - highest) / total : 0.0;
    for (uint d = 0u; d < Q4; d += PART) {
        for (uint e = 0u; e < PART && d + e < Q4; e++)
            part[lane * PART + e] = o[d + e] * weight;
        barrier();
        for (uint e = lane; e < PART && d + e < Q4; e += LANES) {
            vec4 all = part[e];
            for (uint l = 1u; l < LANES; l++)
                all += part[l * PART + e];
            p.o.v[o_at + d + e] = all;
        }
        barrier();
    }
}

void main()
{
    // The bound is the same for all lanes of a group: every barrier is reached by all or none.
    for (uint n = gl_WorkGroupID.x; n < p.rows * p.heads; n += gl_NumWorkGroups.x)
        attend(n / p.heads, n % p.heads, gl_LocalInvocationID.x);
}
