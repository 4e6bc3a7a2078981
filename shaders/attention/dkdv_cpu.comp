#version 450
//! variant sg4 -DSG=4
//! variant sg8 -DSG=8
// dV = P^T dO, dK = scale * dS^T Q with P, dS as in dq, summed over the query heads of a group. Class cpu: see
// tile.glsl. Mapping: lanes own key rows of one (b, kv head): K, V, dK, dV; rows of Q and dO are streamed, with their LSE
// and delta. 8 D flop and 8 D / (SG * OWN) bytes (from cache) a (query, key) pair.
// lavapipe 22.3, 2 cores, B 8 H 6 T 256 D 64 causal: 12.7 ms, 63 GFLOP/s; the nt matmul reaches 97 there (Zen 5).
#extension GL_GOOGLE_include_directive : require
#include "attention/attention.glsl"
#include "attention/tile.glsl"

void main()
{
    Tile t = tile(arg.S, arg.shape.Hkv);
    uint heads = arg.shape.H, group = heads / arg.shape.Hkv;
    Noise random = noise();
    Keys keys = key_range(t.b);
    Rows k_rows = rows_of(arg.shape.tk, arg.shape.sk, t.b, t.h, arg.S), v_rows = rows_of(arg.shape.tv, arg.shape.sv, t.b, t.h, arg.S);
    int first[OWN], end[OWN]; // of the queries that see the key
    vec4 k[Q4][OWN], v[Q4][OWN], dk[Q4][OWN], dv[Q4][OWN];
    [[unroll]] for (int c = 0; c < OWN; c++) {
        int j = t.first + c * SG + lane;
        int krow = texel(k_rows, j), vrow = texel(v_rows, j);
        first[c] = j >= keys.begin && j < keys.end ? first_query(j, keys) : int(arg.T);
        end[c] = query_end(j, keys);
        [[unroll]] for (int d = 0; d < Q4; d++) {
            k[d][c] = texelFetch(K, krow + texel_of(d)) * query_scale2();
            v[d][c] = texelFetch(V, vrow + texel_of(d));
            dk[d][c] = dv[d][c] = vec4(0);
        }
    }
    bool idle = t.first >= keys.end || t.first + SG * OWN <= keys.begin;
    int start = idle ? int(arg.T) : first_query(t.first, keys);
    int stop = query_end(t.first + SG * OWN - 1, keys);
    Rows q_rows = rows_of(arg.shape.tq, arg.shape.sq, t.b, t.h * group, arg.T), g_rows = rows_of(arg.shape.tdo, arg.shape.sdo, t.b, t.h * group, arg.T);
    int q_head = int(arg.shape.sq[2] / 4u), g_head = int(arg.shape.sdo[2] / 4u);
    for (uint h = t.h * group; h < t.h * group + group; h++, q_rows.first += q_head, g_rows.first += g_head)
        for (int i = start; i < stop; i += RUN) {
            uint bh = t.b * heads + h, at = bh * arg.T + min(i + lane, int(arg.T) - 1);
            float lse = arg.lse.v[at] * LOG2E, delta = arg.delta.v[at], p[RUN][OWN], ds[RUN][OWN];
            float slope_h = slope(h);
            vec4 q[FETCHES][RUN], dO[FETCHES][RUN];
            CLEAR(p);
            CLEAR(ds);
            [[unroll]] for (int f = 0; f < FETCHES; f++) {
                STREAM(dO[f], DO, g_rows, i, f);
                SCORES(ds, dO[f], v, f);
            }
            [[unroll]] for (int f = 0; f < FETCHES; f++) {
                STREAM(q[f], Q, q_rows, i, f);
                SCORES(p, q[f], k, f);
            }
            [[unroll]] for (int r = 0; r < RUN; r++) {
                float row_lse = subgroupShuffle(lse, r), row_delta = subgroupShuffle(delta, r);
                [[unroll]] for (int c = 0; c < OWN; c++) {
                    bool visible = i + r >= first[c] && i + r < end[c];
                    float keep = DROPOUT ? dropout(random, bh, i + r, t.first + c * SG + lane) : 1.0;
                    float y = cap(p[r][c]), s = score2(y, slope_h, i + r, t.first + c * SG + lane);
                    float x = visible ? exp2(s - row_lse) : 0.0;
                    p[r][c] = x * keep;
                    ds[r][c] = visible ? x * (ds[r][c] * keep - row_delta) * cap_grad(y) : 0.0;
                }
            }
            [[unroll]] for (int r = 0; r < RUN; r++) { // those who see a NaN of q have it in ds
                float bad = 0.0, of_q = 0.0;
                [[unroll]] for (int f = 0; f < FETCHES; f++) {
                    dO[f][r] = tame(dO[f][r], bad);
                    q[f][r] = tame(q[f][r], of_q);
                }
                POISON(p, r, bad)
            }
            [[unroll]] for (int f = 0; f < FETCHES; f++) {
                ACCUMULATE(dv, p, dO[f], f);
                ACCUMULATE(dk, ds, q[f], f);
            }
        }
    [[unroll]] for (int c = 0; c < OWN; c++) {
        int j = t.first + c * SG + lane;
        uint krow = row4(arg.shape.sdk, t.b, j, t.h), vrow = row4(arg.shape.sdv, t.b, j, t.h);
        if (j < arg.S)
            [[unroll]] for (int d = 0; d < Q4; d++) {
                put(arg.dk, krow + texel_of(d), dk[d][c] * arg.shape.scale);
                put(arg.dv, vrow + texel_of(d), dv[d][c]);
            }
    }
}
