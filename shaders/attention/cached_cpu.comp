#version 450
//! variant sg4 -DSG=4
//! variant sg8 -DSG=8
// attention/cached.comp for lavapipe: keys and values by "uniform" addresses (matmul/uniform.glsl), so that a load
// is one vector load. A group owns a (row y, head x); its subgroup s takes the KEYS keys from s KEYS on, and a
// lane channels, every SG-th. All S subgroups work, whatever the row sees: no branch may stand before a uniform
// load. What a row does not see is read from block 0, or further on in the last block, and masked.
// Scores of SG keys are added up over the lanes at once, and a key's weight goes to all of them (2 instructions).
// The subgroups' maxima, sums and outputs meet in shared memory, behind the only barrier.
// 8 D bytes and 4 D FLOP a key: bound by memory where S KEYS is what the row sees.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "attention/cached_cpu.h"
#include "lib/math.glsl"
layout(constant_id = 0) const uint D = 64u;        // head size, a multiple of SG
layout(constant_id = 1) const bool SOFTCAP = false;
layout(constant_id = 2) const bool ALIBI = false;
layout(constant_id = 3) const uint S = 1u;         // S KEYS: at least what the table can hold
layout(local_size_x_id = 4) in;                    // S * SG
layout(constant_id = 5) const uint KEYS = 64u;     // a power of two, at least SG
layout(constant_id = 6) const uint BLOCK = 16u;    // keys of a block of the cache, a power of two
layout(constant_id = 7) const uint MAX_BLOCKS = 1u;
layout(constant_id = 8) const uint SHARING = 1u;   // heads for a head of the keys
layout(constant_id = 9) const uint PITCH = 64u;    // of keys and values
layout(constant_id = 10) const uint Q_ROW = 64u;
layout(constant_id = 11) const uint O_ROW = 64u;
layout(constant_id = 12) const float SCALE = 1.0;
layout(constant_id = 13) const float CAP = 1.0;    // with SOFTCAP
layout(constant_id = 14) const uint ROW_DIGITS = 4u; // base-16 digits of a row's number
layout(constant_id = 15) const uint BLOCK_DIGITS = 4u;

#include "lib/vectors.glsl"
#include "lib/lane_sums.glsl"
#include "matmul/row.glsl"
const uint C = D / SG, V = C + 1u; // vectors of channels; behind them a vector of the maximum and the sum
#include "matmul/parts.glsl"

const float LOWEST = -1.7014117e38, LOG2E = 1.4426950408889634; // -FLT_MAX / 2
const uint OWN = KEYS < BLOCK ? KEYS : BLOCK; // keys of a block that a subgroup takes
const uint QS = (S + SG - 1u) / SG;

// Where key `first` of the row stands, an element of keys and values.
uint place(uint row, uint first, uint keys)
{
    uint number = min(first / BLOCK, MAX_BLOCKS - 1u);
    uint block = floatBitsToUint(source_at(p.table, row * MAX_BLOCKS + number).v[0]);
    block = first < keys ? min(block, p.blocks - 1u) : 0u;
    return (uniformly(block, BLOCK_DIGITS) * BLOCK + first % BLOCK) * PITCH;
}

void main()
{
    uint row = uniformly(gl_WorkGroupID.y, ROW_DIGITS), h = uniformly(gl_WorkGroupID.x, 2u);
    uint s = S > 1u ? uniformly(gl_SubgroupID, S > 16u ? 2u : 1u) : 0u, first = s * KEYS;
    uint keys = min(floatBitsToUint(source_at(p.visible, row).v[0]), MAX_BLOCKS * BLOCK);
    uint begin = p.window != 0u && keys > p.window ? keys - p.window : 0u;
    float slope = 0.0, q[C], weights[KEYS / SG];
    if (ALIBI)
        slope = source_at(p.slopes, h).v[0] * LOG2E;
    Source q_from = source_at(p.q, row * Q_ROW + h * D);
    [[unroll]] for (uint c = 0u; c < C; c++) {
        LOAD(x, q_from, c * SG)
        q[c] = x * (SOFTCAP ? SCALE / CAP : SCALE * LOG2E);
    }
    uint at[KEYS / OWN];
    [[unroll]] for (uint b = 0u; b < KEYS / OWN; b++)
        at[b] = place(row, first + b * OWN, keys) + h / SHARING * D;
    float top = LOWEST, sum = 0.0;
    [[unroll]] for (uint j = 0u; j < KEYS; j += SG) {
        float scores[SG];
        [[unroll]] for (uint i = 0u; i < SG; i++) {
            Source from = source_at(p.keys, at[(j + i) / OWN]);
            scores[i] = 0.0;
            [[unroll]] for (uint c = 0u; c < C; c++) {
                LOAD(x, from, (j + i) % OWN * PITCH + c * SG)
                scores[i] += x * q[c];
            }
        }
        float score = sums_of(scores);
        if (SOFTCAP)
            score = CAP * LOG2E * tuff_tanh(score);
        uint key = first + j + lane;
        if (ALIBI) // the row's own key is the last it sees
            score += slope * (float(key) - float(keys - 1u));
        weights[j / SG] = key >= begin && key < keys ? score : LOWEST;
        top = max(top, weights[j / SG]);
    }
    top = lanes_max(top);
    float o[V];
    [[unroll]] for (uint c = 0u; c < C; c++)
        o[c] = 0.0;
    [[unroll]] for (uint j = 0u; j < KEYS; j += SG) {
        uint key = first + j + lane;
        float mine = key >= begin && key < keys ? exp2(weights[j / SG] - top) : 0.0;
        sum += mine;
        [[unroll]] for (uint i = 0u; i < SG; i++) {
            float weight = subgroupShuffle(mine, i);
            Source from = source_at(p.values, at[(j + i) / OWN]);
            [[unroll]] for (uint c = 0u; c < C; c++) {
                LOAD(x, from, (j + i) % OWN * PITCH + c * SG)
                o[c] += (weight != 0.0 ? x : 0.0) * weight; // NaN that nobody sees is nobody's
            }
        }
    }
    o[C] = lane == 0u ? top : lanes_sum(sum);
    [[unroll]] for (uint v = 0u; v < V; v++)
        need(o[v]);
    uint mine_at = place_behind_need(s * V * SG, s);
    [[unroll]] for (uint v = 0u; v < V; v++)
        SHARE(mine_at + v * SG, o[v])
    barrier();

    // A lane for each subgroup's maximum and sum.
    float tops[QS], highest = LOWEST, total = 0.0;
    [[unroll]] for (uint i = 0u; i < QS; i++) {
        uint of = min(i * SG + lane, S - 1u) * V * SG + C * SG;
        tops[i] = i * SG + lane < S ? part[of] : LOWEST;
        highest = max(highest, tops[i]);
    }
    highest = lanes_max(highest);
    [[unroll]] for (uint i = 0u; i < QS; i++) {
        uint of = min(i * SG + lane, S - 1u) * V * SG + C * SG;
        tops[i] = i * SG + lane < S ? exp2(tops[i] - highest) : 0.0;
        total += tops[i] * part[of + 1u];
    }
    total = lanes_sum(total);
    [[unroll]] for (uint i = 0u; i < (C + S - 1u) / S; i++) {
        uint c = i * S + s, from = place_of(min(c, C - 1u) * SG);
        float x = 0.0;
        [[unroll]] for (uint block = 0u; block < QS; block++)
            [[unroll]] for (uint l = 0u; l < SG; l++)
                if (block * SG + l < S)
                    x += subgroupShuffle(tops[block], l) * part_of(from + (block * SG + l) * V * SG);
        if (c < C)
            p.o.v[row * O_ROW + h * D + c * SG + lane] = total > 0.0 ? x / total : 0.0;
    }
}
