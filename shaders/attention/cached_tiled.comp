#version 450
//! variant -
//! variant half -DHALF -DHALF_SPEC=4
// One query row per (row, head) against a paged cache, for GPUs. Class tiled.
// A workgroup owns a (row, head, part of its keys) and walks over KEYS keys at a time:
//   scores   invocation t has key t; rows of keys pass through shared memory, CHUNK vec4s of each at a
//            time, read by neighbours side by side; the query stays in shared memory
//   values   invocation t has the vec4 t % LANES of a row and every TEAMS-th key; rows are read straight
//            from memory, side by side again. Nobody holds more than one vec4 of the result.
// The running maximum is the same in all invocations, so the teams are simply added at the end.
// 8 D bytes and 4 D FLOP a key: bound by memory. 11 KiB of shared memory for every head size.
#extension GL_GOOGLE_include_directive : require
#include "attention/cached.glsl"
layout(local_size_x = 64) in;
layout(constant_id = 2) const bool SOFTCAP = false;
layout(constant_id = 3) const bool ALIBI = false;
const uint KEYS = 64u, CHUNK = Q4 < 8u ? Q4 : 8u, ROW = CHUNK + 1u; // a vec4 between rows: no conflicts
const uint LANES = Q4 > 32u ? 64u : Q4 > 16u ? 32u : Q4 > 8u ? 16u : Q4 > 4u ? 8u : Q4 > 2u ? 4u : Q4;
const uint TEAMS = KEYS / LANES;

shared vec4 q[Q4], rows[KEYS * ROW];
shared float scores[KEYS], weights[KEYS];
shared uint places[KEYS];

// The scaled query in shared memory . the key of this invocation.
float score(uint t)
{
    float s = 0.0;
    [[dont_unroll]] for (uint c0 = 0u; c0 < Q4; c0 += CHUNK) {
        if (c0 != 0u)
            barrier(); // all have read what was there
        [[unroll]] for (uint i = 0u; i < CHUNK; i++) {
            uint n = t + i * KEYS, c = c0 + n % CHUNK;
            rows[n / CHUNK * ROW + n % CHUNK] =
                Q4 % CHUNK == 0u || c < Q4 ? QUAD(p.keys, places[n / CHUNK] + c) : vec4(0.0);
        }
        barrier();
        [[unroll]] for (uint c = 0u; c < CHUNK; c++)
            if (Q4 % CHUNK == 0u || c0 + c < Q4)
                s += dot(q[c0 + c], rows[t * ROW + c]);
    }
    return s;
}

void attend(Seen seen, uint t)
{
    float slope = ALIBI ? p.slopes.v[seen.h] : 0.0;
    float top = LOWEST, sum = 0.0;
    vec4 o = vec4(0.0);
    uint lane = t % LANES, team = t / LANES;
    if (t < Q4)
        q[t] = QUAD(p.q, (seen.row * p.q_row + seen.h * D) / 4u + t) *
               (SOFTCAP ? p.scale / p.softcap : p.scale);
    [[dont_unroll]] for (uint j = seen.first; j < seen.end; j += KEYS) {
        uint key = min(j + t, seen.end - 1u), some = min(seen.end - j, KEYS);
        places[t] = place(seen, key);
        barrier();
        float s = score(t);
        if (SOFTCAP)
            s = p.softcap * tuff_tanh(s);
        if (ALIBI) // the row's own key is the last it sees
            s += slope * (float(key) - float(seen.keys - 1u));
        scores[t] = s; // of the last key again where there are no more: the maximum stays
        barrier();
        float higher = top;
        [[unroll]] for (uint k = 0u; k < KEYS; k++)
            higher = max(higher, scores[k]);
        float shrink = exp(top - higher);
        weights[t] = exp(s - higher);
        top = higher;
        sum *= shrink;
        o *= shrink;
        barrier();
        if (lane < Q4)
            for (uint k = team; k < some; k += TEAMS) {
                sum += weights[k];
                o += weights[k] * QUAD(p.values, places[k] + lane);
            }
        barrier();
    }
    rows[t] = o;
    scores[t] = sum;
    barrier();
    if (team != 0u || lane >= Q4)
        return;
    for (uint k = 1u; k < TEAMS; k++) {
        o += rows[k * LANES + lane];
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
