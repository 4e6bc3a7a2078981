#version 450
//! variant sg4 -DSG=4
//! variant sg8 -DSG=8
// O = softmax(scale * Q K^T) V and LSE = ln sum exp, flash style. Class cpu: see tile.glsl.
// Mapping: lanes own query rows of one (b, h): Q, O, running maximum and sum; key and value rows are streamed.
// 4 D flop and 8 D / (SG * OWN) bytes (from cache) a (query, key) pair.
// lavapipe 22.3, 2 cores, B 8 H 6 T 256 D 64 causal: 5.7 ms, 70 GFLOP/s (useful half); the nt matmul reaches 97 there (Zen 5).
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
    Rows queries = rows_of(arg.shape.tq, arg.shape.sq, t.b, t.h, arg.T), k_rows = rows_of(arg.shape.tk, arg.shape.sk, t.b, g, arg.S),
         v_rows = rows_of(arg.shape.tv, arg.shape.sv, t.b, g, arg.S);
    vec4 q[Q4][OWN], o[Q4][OWN];
    float top[OWN], sum[OWN];
    [[unroll]] for (int c = 0; c < OWN; c++) {
        int i = t.first + c * SG + lane, row = texel(queries, i);
        begin[c] = from(i, keys);
        end[c] = reach(i, keys);
        top[c] = LOWEST;
        sum[c] = 0;
        [[unroll]] for (int d = 0; d < Q4; d++) {
            q[d][c] = texelFetch(Q, row + texel_of(d)) * query_scale2();
            o[d][c] = vec4(0);
        }
    }
    for (int j = DROPOUT ? start & ~3 : start; j < last; j += RUN) {
        float p[RUN][OWN], shrinks[OWN];
        CLEAR(p);
        [[unroll]] for (int f = 0; f < FETCHES; f++) {
            vec4 k[RUN];
            STREAM(k, K, k_rows, j, f);
            SCORES(p, k, q, f);
        }
        [[unroll]] for (int c = 0; c < OWN; c++) {
            float higher = top[c];
            [[unroll]] for (int r = 0; r < RUN; r++) {
                p[r][c] = score2(cap(p[r][c]), slope_h, t.first + c * SG + lane, j + r);
                p[r][c] = j + r >= begin[c] && j + r < end[c] ? p[r][c] : LOWEST;
                higher = max(higher, p[r][c]);
            }
            float shrink = exp2(top[c] - higher);
            top[c] = higher;
            sum[c] *= shrink;
            [[unroll]] for (int r = 0; r < RUN; r++) {
                p[r][c] = j + r >= begin[c] && j + r < end[c] ? exp2(p[r][c] - higher) : 0.0;
                sum[c] += p[r][c];
            }
            if (DROPOUT)
                [[unroll]] for (int r = 0; r < RUN; r += 4) {
                    vec4 keep = dropout4(random, bh, t.first + c * SG + lane, uint(j + r) / 4u);
                    [[unroll]] for (int e = 0; e < 4; e++)
                        p[r + e][c] *= keep[e];
                }
            shrinks[c] = shrink;
        }
        vec4 v[FETCHES][RUN];
        float bad[RUN];
        [[unroll]] for (int r = 0; r < RUN; r++)
            bad[r] = 0.0;
        [[unroll]] for (int f = 0; f < FETCHES; f++) {
            STREAM(v[f], V, v_rows, j, f);
            [[unroll]] for (int r = 0; r < RUN; r++)
                v[f][r] = tame(v[f][r], bad[r]);
        }
        [[unroll]] for (int r = 0; r < RUN; r++)
            POISON(p, r, bad[r])
        [[unroll]] for (int f = 0; f < FETCHES; f++) {
            [[unroll]] for (int l = 0; l < SG; l++)
                if (f * SG + l < Q4)
                    [[unroll]] for (int c = 0; c < OWN; c++)
                        o[f * SG + l][c] *= shrinks[c];
            ACCUMULATE(o, p, v[f], f);
        }
    }
    [[unroll]] for (int c = 0; c < OWN; c++) {
        int i = t.first + c * SG + lane;
        bool none = begin[c] >= end[c];
        float over = none ? 0.0 : 1.0 / sum[c];
        uint row = row4(arg.shape.so, t.b, i, t.h);
        if (i < arg.T) {
            [[unroll]] for (int d = 0; d < Q4; d++)
                arg.o.v[row + texel_of(d)] = o[d][c] * over;
            arg.lse.v[bh * arg.T + i] = none ? infinity() : (top[c] + log2(sum[c])) * LN2;
        }
    }
}
