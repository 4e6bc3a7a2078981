#version 450
//! variant forward.sg8 -DSG=8 -DFORWARD
//! variant known.sg8 -DSG=8 -DKNOWN
//! variant grad.sg8 -DSG=8 -DGRAD
// See blocks.glsl. A group makes 64 keys of R queries: lanes own keys, a row of sums is NC vectors.
//   forward: exp(s - m), with m the largest score of these 64 keys, and m and the sum of exponentials.
//   p:       exp(s - lse), and with soft-capping its derivative cap'.
//   ds:      scale p (dP keep - delta) cap' with dP = dO V^T.
// 128 D R FLOP and 4 (64 D + R D + 64 R) bytes, from the cache.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "attention/scores.h"
#define TUFF_ATTENTION_OTHER
#include "attention/attention.glsl"
#define DIGITS_ID 7
#include "attention/blocks.glsl"
layout(set = 0, binding = 0, std430) writeonly buffer To { uint64_t to[]; };
#ifdef FORWARD
layout(set = 0, binding = 1, std430) writeonly buffer Pair { vec2 pair[]; };
#endif

const uint PITCH = (D + 15u) / 16u * 16u;
const int NC = int(BAND) / SG;
const int R = D <= 64u ? 2 : 1; // NC R D vector products: about 1024, of 32 KiB of code

struct Place {
    int i, j; // query, and the key of lane 0, vector 0
    uint bh, to; // (b, h), and the row in the scratch, from its beginning
    int begin, end; // of the visible keys
    float slope;
};

bool sees(Place p, int v)
{
    int j = p.j + v * SG + int(lane);
    return j >= p.begin && j < p.end;
}

// exp(x) for x <= 0 or a little more; NaN stays.
float exponential(float x) { return tuff_exp(mix(x, -87.0, x < -87.0)); }

float score(Place p, int v, float y)
{
    return unit() * y + bias(p.slope, p.i, p.j + v * SG + int(lane));
}

// keep[v]: 0 or 1 / (1 - p) for the key of vector v. A call makes four keys' numbers: lanes make what
// others need.
void make_keep(Place p, out float keep[NC])
{
    vec4 made[NC / 4];
    [[unroll]] for (int n = 0; n < NC / 4; n++)
        made[n] = dropout4(p.bh, uint(p.i), uint(p.j) / 4u + uint(n * SG) + lane);
    [[unroll]] for (int v = 0; v < NC; v++)
        [[unroll]] for (int l = 0; l < SG; l++) {
            int quad = (v * SG + l) / 4;
            float x = subgroupShuffle(made[quad / SG][l % 4], quad % SG);
            keep[v] = l == 0 ? x : mix(keep[v], x, lane == l);
        }
}

#ifdef FORWARD
void finish(Place p, uint z, float s[NC])
{
    Source flags = source_at(arg.x, z * arg.x_z + uint(p.j) - arg.key0);
    float top = LOWEST, sum = 0.0, keep[NC], bad[NC];
    uint at = (arg.to + p.to) / 2u;
    [[unroll]] for (int v = 0; v < NC; v++) {
#define FLAG_ELEMENT(l) flags.v[v * SG + l]
        ROW(flag, FLAG_ELEMENT)
        bad[v] = flag;
        s[v] = score(p, v, cap(s[v]));
        top = max(top, mix(LOWEST, s[v], sees(p, v)));
    }
    top = lanes_max(top);
    if (DROPOUT)
        make_keep(p, keep);
    [[unroll]] for (int v = 0; v < NC; v++) {
        float x = mix(0.0, exponential(s[v] - top) + bad[v], sees(p, v));
        sum += x;
        if (DROPOUT)
            x *= keep[v];
        STORE_LANES(to, at + v * SG / 2, x)
    }
    pair[(arg.other + p.to / (BAND / 2u)) / 2u] = vec2(top, lanes_sum(sum));
}
#endif
#ifdef KNOWN
void finish(Place p, uint z, float s[NC])
{
    float lse = source_at(arg.x, z * arg.x_z + min(uint(p.i), arg.T - 1u)).v[0];
    float bad = source_at(arg.y, z * arg.y_z + uint(p.i)).v[0];
    uint at = (arg.to + p.to) / 2u, other = (arg.other + p.to) / 2u;
    [[unroll]] for (int v = 0; v < NC; v++) {
        float y = cap(s[v]);
        float x = mix(0.0, exponential(score(p, v, y) - lse) + bad, sees(p, v));
        STORE_LANES(to, at + v * SG / 2, x)
        if (SOFTCAP) {
            float g = cap_grad(y);
            STORE_LANES(to, other + v * SG / 2, g)
        }
    }
}
#endif
#ifdef GRAD
// What p does not know: rows that see nothing of these keys have p = 0, and dP may be NaN there.
void finish(Place p, uint z, float dp[NC])
{
    float delta = source_at(arg.y, z * arg.y_z + uint(p.i)).v[0], keep[NC], x[NC], g[NC];
    uint at = (arg.to + p.to) / 2u, other = (arg.other + p.to) / 2u;
    Source all = source_at(arg.x, p.to), grads = source_at(arg.x, arg.to - arg.other + p.to);
    [[unroll]] for (int v = 0; v < NC; v++) {
#define P_ELEMENT(l) all.v[v * SG + l]
        ROW(y, P_ELEMENT)
        x[v] = y;
        g[v] = arg.shape.scale;
        if (SOFTCAP) {
#define GRAD_ELEMENT(l) grads.v[v * SG + l]
            ROW(cap_grad_, GRAD_ELEMENT)
            g[v] *= cap_grad_;
        }
    }
    if (DROPOUT)
        make_keep(p, keep);
    [[unroll]] for (int v = 0; v < NC; v++) {
        float part = DROPOUT ? dp[v] * keep[v] : dp[v];
        float ds = mix(0.0, x[v] * (part - delta) * g[v], x[v] != 0.0);
        STORE_LANES(to, at + v * SG / 2, ds)
        if (DROPOUT) {
            float kept = x[v] * keep[v];
            STORE_LANES(to, other + v * SG / 2, kept)
        }
    }
}
#endif

void main()
{
    uint row = tile_number() * R, band = uniformly(gl_WorkGroupID.y, Y_DIGITS);
    uint z = uniformly(gl_WorkGroupID.z, Z_DIGITS);
    Source a = source_at(arg.a, z * arg.a_z + row * PITCH);
    Source b = source_at(arg.b, z * arg.b_z + band * D * BAND);
    float acc[R][NC];
    [[unroll]] for (int r = 0; r < R; r++)
        [[unroll]] for (int v = 0; v < NC; v++)
            acc[r][v] = 0.0;
    [[unroll]] for (uint block = 0u; block < D; block += 4u) // NIR unrolls 32 rounds at most
        [[unroll]] for (uint e = 0u; e < 4u; e++) {
            uint k = block + e;
            float x[R];
            [[unroll]] for (int r = 0; r < R; r++)
                x[r] = a.v[r * PITCH + k];
            [[unroll]] for (int v = 0; v < NC; v++) {
#define B_ELEMENT(l) b.v[k * BAND + v * SG + l]
                ROW(y, B_ELEMENT)
                [[unroll]] for (int r = 0; r < R; r++)
                    acc[r][v] += x[r] * y;
            }
        }
    [[unroll]] for (int r = 0; r < R; r++)
        [[unroll]] for (int v = 0; v < NC; v++)
            need(acc[r][v]);
    acc[0][0] = first_stored(acc[0][0]);
    uint h = arg.head, group = arg.shape.H / arg.shape.Hkv, zg = arg.z0 + z;
    uint b_ = batch_of(zg, arg.shape.Hkv);
    Keys keys = key_range(b_);
    [[unroll]] for (int r = 0; r < R; r++) {
        Place p;
        p.i = int(arg.row0 + row) + r;
        p.j = int(arg.key0 + band * BAND);
        p.bh = zg * group + h;
        p.to = z * arg.to_z + band * arg.to_band + (row + r) * BAND;
        p.begin = from(p.i, keys);
        p.end = p.i < int(arg.T) ? reach(p.i, keys) : 0;
        p.slope = ALIBI ? arg.shape.slopes.v[p.bh - b_ * arg.shape.H] : 0.0;
#ifndef GRAD
        [[unroll]] for (int v = 0; v < NC; v++)
            acc[r][v] *= query_scale();
#endif
        finish(p, z, acc[r]);
    }
}
