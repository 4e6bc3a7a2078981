// Common to the cpu attention kernels (software drivers, SG lanes a subgroup). A workgroup is one subgroup and owns a tile
// of SG * OWN rows of one side: lane l owns rows first + c * SG + l, c < OWN, wholly, so the softmax needs no reduction
// across lanes. The other side is streamed RUN rows at a time: one typed fetch brings 4 elements to each lane, and a
// subgroupShuffle hands each lane another one's, where they meet OWN registers. Everything is unrolled: no barrier, no
// shared memory, no indexed register array. A shuffle (1 instruction, 2 in what fetches leave over) feeds OWN multiply-adds
// (2 each).
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#ifndef SG
#define SG 8
#endif
layout(local_size_x = SG) in;
layout(constant_id = 2) const int OWN = 2;
layout(constant_id = 3) const int RUN = 4;      // a multiple of 4, at most SG
layout(set = 0, binding = 0) uniform samplerBuffer Q; // RGBA32F views
layout(set = 0, binding = 1) uniform samplerBuffer K;
layout(set = 0, binding = 2) uniform samplerBuffer V;
layout(set = 0, binding = 3) uniform samplerBuffer DO;
layout(set = 0, binding = 4) uniform samplerBuffer O;

const int Q4 = int(D) / 4;                // texels a row
const int FETCHES = (Q4 + SG - 1) / SG;   // fetches of a streamed row by a whole subgroup
int lane = int(gl_SubgroupInvocationID);

// A whole fetch goes around by turning, one instruction on lavapipe where a broadcast is two: in turn l, lane i has the
// texel of lane (i + l) % SG, so its own row keeps that texel in slot l. What whole fetches leave over is broadcast.
bool whole(int f) { return f * SG + SG <= Q4; }
int giver(int f, int l) { return whole(f) ? lane + l & SG - 1 : l; }
// The texel of a row that slot d of an own row holds.
int texel_of(int d) { return d / SG * SG + giver(d / SG, d % SG); }

// These kernels work with scores times log2 e and exp2; unsoftened, the factor goes into q or k.
float query_scale2() { return SOFTCAP ? query_scale() : query_scale() * LOG2E; }
float score2(float y, float slope_h, int i, int j)
{
    return (SOFTCAP ? y * (unit() * LOG2E) : y) + bias(slope_h * LOG2E, i, j);
}

// Texel `at` of a result. lavapipe stores lane by lane, 32 or 64 bits at a time.
#if SG == 8 // SwiftShader has no such integers
#extension GL_EXT_shader_explicit_arithmetic_types_int64 : require
layout(buffer_reference, std430, buffer_reference_align = 16) writeonly buffer Pairs { u64vec2 v[]; };
void put(F32x4 to, uint at, vec4 x)
{
    Pairs(to).v[at] = u64vec2(packUint2x32(floatBitsToUint(x.xy)), packUint2x32(floatBitsToUint(x.zw)));
}
#else
void put(F32x4 to, uint at, vec4 x) { to.v[at] = x; }
#endif

struct Tile {
    int first; // row of lane 0
    uint b, h;
};

// Tiles run over the row blocks first, in the order 0, n-1, 1, n-2, ...: causal tiles have unequal work, and lavapipe gives
// each thread a contiguous half of the grid.
Tile tile(uint rows, uint heads)
{
    uint blocks = (rows + SG * OWN - 1u) / (SG * OWN), n = arg.base + gl_WorkGroupID.x, block = n % blocks;
    n /= blocks;
    block = (block & 1u) != 0u ? blocks - 1u - block / 2u : block / 2u;
    return Tile(int(block * SG * OWN), n / heads, n % heads);
}

// The rows of one (b, h) as texels. Found before the loops: inside one, lavapipe reads each parameter
// behind an address lane by lane, a hundred instructions.
struct Rows {
    int first, pitch, last; // last: number of the last row
};
Rows rows_of(uint base, uint stride[3], uint b, uint h, uint rows)
{
    return Rows(int(base + row4(stride, b, 0, h)), int(stride[1] / 4u), int(rows) - 1);
}
// Rows past the end repeat the last one.
int texel(Rows rows, int t) { return rows.first + min(t, rows.last) * rows.pitch; }

// x[r] = this lane's texel of fetch f of row t + r.
#define STREAM(x, tensor, rows, t, f)                                                                                  \
    [[unroll]] for (int r = 0; r < RUN; r++)                                                                           \
        x[r] = texelFetch(tensor, texel(rows, (t) + r) + min((f) * SG + lane, Q4 - 1));

#define CLEAR(s)                                                                                                       \
    [[unroll]] for (int r = 0; r < RUN; r++)                                                                           \
        [[unroll]] for (int c = 0; c < OWN; c++)                                                                       \
            s[r][c] = 0.0;

// s[r][c] += the part of dot(streamed row r, own row c) that fetch f of x holds.
#define SCORES(s, x, own, f)                                                                                           \
    [[unroll]] for (int l = 0; l < SG; l++)                                                                            \
        if (f * SG + l < Q4)                                                                                           \
            [[unroll]] for (int e = 0; e < 4; e++)                                                                     \
                [[unroll]] for (int r = 0; r < RUN; r++) {                                                             \
                    float given = subgroupShuffle(x[r][e], giver(f, l));                                                    \
                    [[unroll]] for (int c = 0; c < OWN; c++)                                                           \
                        s[r][c] += given * own[f * SG + l][c][e];                                                  \
                }

// sum[.][c] += sum over r of p[r][c] * streamed row r, for the elements that fetch f of x holds.
#define ACCUMULATE(sum, p, x, f)                                                                                       \
    [[unroll]] for (int l = 0; l < SG; l++)                                                                            \
        if (f * SG + l < Q4)                                                                                           \
            [[unroll]] for (int e = 0; e < 4; e++)                                                                     \
                [[unroll]] for (int r = 0; r < RUN; r++) {                                                             \
                    float given = subgroupShuffle(x[r][e], giver(f, l));                                                    \
                    [[unroll]] for (int c = 0; c < OWN; c++)                                                           \
                        sum[f * SG + l][c][e] += given * p[r][c];                                                  \
                }

const float MOST = 3.40282347e38; // FLT_MAX

// Keys that a row does not see must not reach it, NaN included, but 0 NaN is NaN: the streamed factor
// of a masked product is made finite. bad becomes other than 0 where a lane had to.
vec4 tame(vec4 x, inout float bad)
{
    vec4 finite = min(max(x, vec4(-MOST)), vec4(MOST)), lost = x - finite;
    bad += lost.x + lost.y + (lost.z + lost.w);
    return finite;
}

// NaN if bad is other than 0 in any lane: what those who see the row get.
float spread(float bad)
{
    if (SG > 4)
        bad += subgroupShuffle(bad, lane + 4 & SG - 1);
    bad += subgroupShuffle(bad, lane + 2 & SG - 1);
    bad += subgroupShuffle(bad, lane + 1 & SG - 1);
    return bad != 0.0 ? uintBitsToFloat(0x7fc00000u) : 0.0;
}

#define POISON(p, r, bad)                                                                                              \
    {                                                                                                                  \
        float poison = spread(bad);                                                                                    \
        [[unroll]] for (int c = 0; c < OWN; c++)                                                                       \
            p[r][c] += p[r][c] != 0.0 ? poison : 0.0;                                                                  \
    }
