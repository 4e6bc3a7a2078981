#version 450
//! variant plain
//! variant texel -DTEXEL
//! variant texel.sg4 -DTEXEL -DSG=4
//! variant texel.sg8 -DTEXEL -DSG=8
//! variant half -DHALF -DHALF_SPEC=4
//! variant merge -DMERGE
//! variant merge.half -DMERGE -DHALF -DHALF_SPEC=4
// One query row per (row, head) against a paged cache. GPUs take cached_tiled.comp.
// A group of LANES owns a (row, head, part of its keys); lane l takes keys l, l + LANES, ... with its
// own running maximum, sum and output; the lanes are merged in order at the end through shared memory,
// 8 vec4 at a time (LANES * 136 bytes); -DSG: by shuffles, where a group is one subgroup of SG.
// 8 D bytes and 4 D FLOP a key: bound by memory.
// -DMERGE, an invocation for four channels of a (row, head), adds the parts in order, RUN of them loaded
// at a time.
#extension GL_GOOGLE_include_directive : require
#include "attention/cached.glsl"
layout(local_size_x_id = 1) in;
layout(constant_id = 1) const uint LANES = 32;
layout(constant_id = 2) const bool SOFTCAP = false;
layout(constant_id = 3) const bool ALIBI = false;
const uint PART = 8u, RUN = 8u;

// -DTEXEL: for software drivers, whose only wide loads are of texels.
#ifdef TEXEL
layout(set = 0, binding = 0) uniform samplerBuffer Keys;
layout(set = 0, binding = 1) uniform samplerBuffer Values;
#define KEY(i) texelFetch(Keys, int(p.keys_at + (i)))
#define VALUE(i) texelFetch(Values, int(p.values_at + (i)))
#else
#define KEY(i) QUAD(p.keys, i)
#define VALUE(i) QUAD(p.values, i)
#endif

#ifdef MERGE
void main()
{
    uint all = p.rows * p.heads * Q4;
    for (uint n = gl_GlobalInvocationID.x; n < all; n += gl_NumWorkGroups.x * LANES) {
        uint row = n / Q4 / p.heads, h = n / Q4 % p.heads, d = n % Q4;
        float top = LOWEST, sum = 0.0;
        vec4 o = vec4(0.0);
        for (uint i0 = 0u; i0 < p.parts; i0 += RUN) {
            vec4 of[RUN], values[RUN];
            [[unroll]] for (uint i = 0u; i < RUN; i++) {
                uint at = partial_at(row, h, min(i0 + i, p.parts - 1u));
                of[i] = p.partial.v[at];
                values[i] = p.partial.v[at + 1u + d];
            }
            float higher = top;
            [[unroll]] for (uint i = 0u; i < RUN; i++)
                higher = max(higher, of[i].x);
            float shrink = exp(top - higher);
            top = higher;
            sum *= shrink;
            o *= shrink;
            [[unroll]] for (uint i = 0u; i < RUN; i++) {
                float weight = i0 + i < p.parts ? exp(of[i].x - top) : 0.0;
                sum += weight * of[i].y;
                o += weight * values[i];
            }
        }
        STORE_QUAD(p.o, (row * p.o_row + h * D) / 4u + d, sum > 0.0 ? o / sum : vec4(0.0));
    }
}
#else
#ifdef SG
#extension GL_KHR_shader_subgroup_basic : require
uint lane = gl_SubgroupInvocationID;
#include "lib/lane_sums.glsl"
#else
shared float tops[LANES], sums[LANES];
shared vec4 pool[LANES * PART];
#endif

// The lanes' maxima, sums and outputs are merged and leave.
#ifdef SG
void merge_lanes(Seen seen, float top, float sum, vec4 o[Q4])
{
    float highest = top, total;
    [[unroll]] for (uint step = 1u; step < SG; step *= 2u)
        highest = max(highest, subgroupShuffleXor(highest, step));
    float weight = exp(top - highest);
    total = sum * weight;
    [[unroll]] for (uint step = 1u; step < SG; step *= 2u)
        total += subgroupShuffleXor(total, step);
    for (uint c = 0u; c < D; c += SG) {
        float some[SG];
        [[unroll]] for (uint i = 0u; i < SG; i++)
            some[i] = c + i < D ? o[(c + i) / 4u][i % 4u] * weight : 0.0;
        float all = sums_of(some);
        if (c + lane < D)
            leave_channel(seen, c + lane, highest, total, all);
    }
}
#else
void merge_lanes(Seen seen, float top, float sum, vec4 o[Q4])
{
    uint lane = gl_LocalInvocationID.x;
    tops[lane] = top;
    sums[lane] = sum;
    barrier();
    float highest = tops[0], total = 0.0;
    for (uint l = 1u; l < LANES; l++)
        highest = max(highest, tops[l]);
    for (uint l = 0u; l < LANES; l++)
        total += sums[l] * exp(tops[l] - highest);
    float weight = exp(top - highest);
    for (uint d = 0u; d < Q4; d += PART) {
        for (uint e = 0u; e < PART && d + e < Q4; e++)
            pool[lane * PART + e] = o[d + e] * weight;
        barrier();
        for (uint e = lane; e < PART && d + e < Q4; e += LANES) {
            vec4 all = pool[e];
            for (uint l = 1u; l < LANES; l++)
                all += pool[l * PART + e];
            leave(seen, d + e, highest, total, all);
        }
        barrier();
    }
}
#endif

void attend(Seen seen, uint first_key)
{
    uint q_at = (seen.row * p.q_row + seen.h * D) / 4u;
    float scale = SOFTCAP ? p.scale / p.softcap : p.scale, slope = ALIBI ? p.slopes.v[seen.h] : 0.0;
    vec4 q[Q4], o[Q4];
#ifdef SG
    for (uint d = 0u; d < Q4; d += SG) { // each lane loads its own, not all lanes all
        vec4 mine = QUAD(p.q, q_at + min(d + lane, Q4 - 1u)) * scale;
        [[unroll]] for (uint l = 0u; l < SG; l++)
            if (d + l < Q4)
                q[d + l] = vec4(subgroupShuffle(mine.x, l), subgroupShuffle(mine.y, l),
                                subgroupShuffle(mine.z, l), subgroupShuffle(mine.w, l));
    }
#else
    for (uint d = 0u; d < Q4; d++)
        q[d] = QUAD(p.q, q_at + d) * scale;
#endif
    for (uint d = 0u; d < Q4; d++)
        o[d] = vec4(0.0);
    float top = LOWEST, sum = 0.0;
    for (uint j = seen.first + first_key; j < seen.end; j += LANES) {
        uint at = place(seen, j);
        float s = 0.0;
        for (uint d = 0u; d < Q4; d++)
            s += dot(q[d], KEY(at + d));
        if (SOFTCAP)
            s = p.softcap * tuff_tanh(s);
        if (ALIBI) // the row's own key is the last it sees
            s += slope * (float(j) - float(seen.keys - 1u));
        float higher = max(top, s), e = exp(s - higher), shrink = exp(top - higher);
        top = higher;
        sum = sum * shrink + e;
        for (uint d = 0u; d < Q4; d++)
            o[d] = o[d] * shrink + e * VALUE(at + d);
    }
    merge_lanes(seen, top, sum, o);
}

void main()
{
    // The bound is the same for all lanes of a group: every barrier is reached by all or none.
    for (uint n = gl_WorkGroupID.x; n < p.rows * p.heads * p.parts; n += gl_NumWorkGroups.x)
        attend(seen_by(n), gl_LocalInvocationID.x);
}
#endif
