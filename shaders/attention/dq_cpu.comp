#version 450
//! variant sg4 -DSG=4
//! variant sg8 -DSG=8
// dQ = scale * dS K with P = exp(scale Q K^T - LSE), dS = P * (dO V^T - delta); also delta = sum_d dO O, which
// dkdv reads: run this first, the delta pre-pass is not needed. Class cpu: see tile.glsl.
// Mapping: lanes own query rows of one (b, h): Q, dO, dQ, LSE, delta; key and value rows are streamed.
// 6 D flop and 8 D / (SG * OWN) bytes (from cache) a (query, key) pair.
// lavapipe 22.3, 2 cores, B 8 H 6 T 256 D 64 causal: 8.6 ms, 70 GFLOP/s; the nt matmul reaches 97 there (Zen 5).
#extension GL_GOOGLE_include_directive : require
#include "attention/attention.glsl"
#include "attention/tile.glsl"

void main()
{
    Tile t = tile(arg.T, arg.shape.H);
    uint g = t.h / (arg.shape.H / arg.shape.Hkv), bh = t.b * arg.shape.H + t.h;
    Keys keys = key_range(t.b);
    int last = reach(t.first + SG * OWN - 1, keys), begin[OWN], end[OWN];
    int start = from(t.first, keys);
    float slope_h = slope(t.h);
    Noise random = noise();
    Rows k_rows = rows_of(arg.shape.tk, arg.shape.sk, t.b, g, arg.S), v_rows = rows_of(arg.shape.tv, arg.shape.sv, t.b, g, arg.S);
    Rows q_rows = rows_of(arg.shape.tq, arg.shape.sq, t.b, t.h, arg.T), g_rows = rows_of(arg.shape.tdo, arg.shape.sdo, t.b, t.h, arg.T),
         o_rows = rows_of(arg.shape.to, arg.shape.so, t.b, t.h, arg.T);
    vec4 q[Q4][OWN], dO[Q4][OWN], dq[Q4][OWN];
    float lse[OWN], delta[OWN];
    [[unroll]] for (int c = 0; c < OWN; c++) {
        int i = t.first + c * SG + lane, safe = min(i, int(arg.T) - 1);
        int row = texel(q_rows, i), grow = texel(g_rows, i), orow = texel(o_rows, i);
        begin[c] = from(i, keys);
        end[c] = reach(i, keys);
        delta[c] = 0;
        [[unroll]] for (int d = 0; d < Q4; d++) {
            q[d][c] = texelFetch(Q, row + texel_of(d)) * query_scale2();
            dO[d][c] = texelFetch(DO, grow + texel_of(d));
            delta[c] += dot(dO[d][c], texelFetch(O, orow + texel_of(d)));
            dq[d][c] = vec4(0);
        }
        lse[c] = arg.lse.v[bh * arg.T + safe] * LOG2E;
        if (i < arg.T)
            arg.delta.v[bh * arg.T + i] = delta[c];
    }
    for (int j = DROPOUT ? start & ~3 : start; j < last; j += RUN) {
        float p[RUN][OWN], ds[RUN][OWN];
        vec4 k[FETCHES][RUN];
        CLEAR(p);
        CLEAR(ds);
        [[unroll]] for (int f = 0; f < FETCHES; f++) {
            vec4 v[RUN];
            STREAM(v, V, v_rows, j, f);
            SCORES(ds, v, dO, f);
        }
        [[unroll]] for (int f = 0; f < FETCHES; f++) {
            STREAM(k[f], K, k_rows, j, f);
            SCORES(p, k[f], q, f);
        }
        [[unroll]] for (int c = 0; c < OWN; c++)
            [[unroll]] for (int r = 0; r < RUN; r += 4) {
                vec4 keep = vec4(1);
                if (DROPOUT)
                    keep = dropout4(random, bh, t.first + c * SG + lane, uint(j + r) / 4u);
                [[unroll]] for (int e = 0; e < 4; e++) {
                    float y = cap(p[r + e][c]), s = score2(y, slope_h, t.first + c * SG + lane, j + r + e);
                    float x = exp2(s - lse[c]) * (ds[r + e][c] * keep[e] - delta[c]) * cap_grad(y);
                    ds[r + e][c] = j + r + e >= begin[c] && j + r + e < end[c] ? x : 0.0;
                }
            }
        [[unroll]] for (int f = 0; f < FETCHES; f++) {
            [[unroll]] for (int r = 0; r < RUN; r++) { // those who see a NaN have it in ds
                float bad = 0.0;
                k[f][r] = tame(k[f][r], bad);
            }
            ACCUMULATE(dq, ds, k[f], f);
        }
    }
    [[unroll]] for (int c = 0; c < OWN; c++) {
        int i = t.first + c * SG + lane;
        uint row = row4(arg.shape.sdq, t.b, i, t.h);
        if (i < arg.T)
            [[unroll]] for (int d = 0; d < Q4; d++)
                put(arg.dq, row + texel_of(d), dq[d][c] * arg.shape.scale);
    }
}
