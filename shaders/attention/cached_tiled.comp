#version 450
//! variant -
//! variant half -DHALF -DHALF_SPEC=4
// One query row per (row, head) against a paged cache, for GPUs. Class tiled.
// A workgroup owns a (row, head, part of its keys) and takes KEYS of them at a time, one an invocation.
// What counts is how many loads are under way, as few groups run:
//   scores   four invocations share a key: neighbours have its vec4s in turn, each those of four keys; the
//            four sums of a key meet in shared memory
//   values   invocation t has the vec4 t % LANES of a row and every TEAMS-th key; the first AHEAD values
//            are loaded before the scores are known. Nobody holds more than one vec4 of the result.
// The running maximum is the same in all invocations, so the teams are simply added at the end.
// 8 D bytes and 4 D FLOP a key: bound by memory. Up to 9 KiB of shared memory.
#extension GL_GOOGLE_include_directive : require
#include "attention/cached.glsl"
layout(local_size_x_id = 1) in;
layout(constant_id = 1) const uint KEYS = 256u; // 64 at least
layout(constant_id = 2) const bool SOFTCAP = false;
layout(constant_id = 3) const bool ALIBI = false;
const uint LANES = Q4 > 32u ? 64u : Q4 > 16u ? 32u : Q4 > 8u ? 16u : Q4 > 4u ? 8u : 4u;
const uint TEAMS = KEYS / LANES, AHEAD = LANES < 8u ? LANES : 8u, TOPS = 16u, FOURTH = KEYS / 4u;

shared vec4 q[Q4], pool[KEYS];
shared float scores[KEYS], weights[KEYS], tops[TOPS];
shared uint places[KEYS];

// A fourth of the dot products of the scaled query and keys t / 4, t / 4 + FOURTH, ... to shared memory.
void add_up(uint t)
{
    vec4 s = vec4(0.0);
    [[dont_unroll]] for (uint c0 = 0u; c0 < Q4; c0 += 16u)
        [[unroll]] for (uint i = 0u; i < 4u; i++) {
            uint c = c0 + 4u * i + t % 4u;
            if (Q4 % 16u == 0u || c < Q4)
                [[unroll]] for (uint n = 0u; n < 4u; n++)
                    s[n] += dot(q[c], QUAD(p.keys, places[t / 4u + n * FOURTH] + c));
        }
    [[unroll]] for (uint n = 0u; n < 4u; n++)
        pool[t / 4u + n * FOURTH][t % 4u] = s[n];
}

// The greatest score of all invocations, or `top`.
float highest(float s, float top, uint t)
{
    scores[t] = s;
    barrier();
    if (t < TOPS) {
        float most = s;
        [[unroll]] for (uint i = 1u; i < KEYS / TOPS; i++)
            most = max(most, scores[t + i * TOPS]);
        tops[t] = most;
    }
    barrier();
    [[unroll]] for (uint i = 0u; i < TOPS; i++)
        top = max(top, tops[i]);
    return top;
}

void attend(Seen seen, uint t)
{
    float slope = ALIBI ? p.slopes.v[seen.h] : 0.0;
    float top = LOWEST, sum = 0.0;
    vec4 o = vec4(0.0), v[AHEAD];
    uint lane = t % LANES, team = t / LANES, column = min(lane, Q4 - 1u);
    if (t < Q4)
        q[t] = QUAD(p.q, (seen.row * p.q_row + seen.h * D) / 4u + t) *
               (SOFTCAP ? p.scale / p.softcap : p.scale);
    [[dont_unroll]] for (uint j = seen.first; j < seen.end; j += KEYS) {
        // The last key again where there are no more: the maximum stays, and its weight is 0.
        uint key = min(j + t, seen.end - 1u), some = min(seen.end - j, KEYS);
        places[t] = place(seen, key);
        barrier();
        [[unroll]] for (uint i = 0u; i < AHEAD; i++)
            v[i] = QUAD(p.values, places[team + i * TEAMS] + column);
        add_up(t);
        barrier();
        float s = pool[t].x + pool[t].y + pool[t].z + pool[t].w;
        if (SOFTCAP)
            s = p.softcap * tuff_tanh(s);
        if (ALIBI) // the row's own key is the last it sees
            s += slope * (float(key) - float(seen.keys - 1u));
        float higher = highest(s, top, t), shrink = exp(top - higher);
        weights[t] = t < some ? exp(s - higher) : 0.0;
        top = higher;
        sum *= shrink;
        o *= shrink;
        barrier();
        // TEAMS keys more with every value.
        [[dont_unroll]] for (uint i0 = 0u; i0 * TEAMS < some; i0 += AHEAD) {
            if (i0 != 0u)
                [[unroll]] for (uint i = 0u; i < AHEAD; i++)
                    v[i] = QUAD(p.values, places[team + (i0 + i) * TEAMS] + column);
            [[unroll]] for (uint i = 0u; i < AHEAD; i++) {
                float weight = weights[team + (i0 + i) * TEAMS];
                sum += weight;
                o += weight * v[i];
            }
        }
        barrier();
    }
    pool[t] = o;
    scores[t] = sum;
    barrier();
    if (team != 0u || lane >= Q4)
        return;
    [[unroll]] for (uint k = 1u; k < TEAMS; k++) {
        o += pool[k * LANES + lane];
        sum += scores[k * LANES + lane];
    }
    leave(seen, lane, top, sum, o);
}

void main()
{
    uint n = gl_WorkGroupID.x;
    // The bound is the same for the whole group: every barrier is reached by all or none.
    for (; n < p.rows * p.heads * p.parts; n += gl_NumWorkGroups.x) {
        attend(seen_by(n), gl_LocalInvocationID.x);
        barrier(); // the last have read what the next writes
    }
}
