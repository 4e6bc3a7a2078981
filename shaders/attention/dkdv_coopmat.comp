#version 450
// dV = P^T dO, dK = scale * dS^T Q with P, dS as in dq_coopmat, on matrix units, summed over the query heads
// of a group. See coopmat.glsl. A workgroup owns keys of a (b, kv head) and walks its heads and their
// queries in order: no atomics, the same bits each time. Scores have keys in rows, queries in columns.
// 8 D FLOP a (query, key) pair.
//! variant f16
//! variant bf16 -DBF16
//! needs GL_KHR_cooperative_matrix GL_EXT_bfloat16
//! full_subgroups 8
#extension GL_GOOGLE_include_directive : require
#define MATRICES 2u
#include "attention/coopmat.glsl"

shared vec2 column_stats[COLS]; // log-sum-exp in powers of two, delta
A_FRAGMENT k[RM][DK], v[RM][DK];
SUMS dk[RM][DN], dv[RM][DN];

void main()
{
    Tile own = own_tile(arg.S, arg.shape.Hkv);
    uint group = arg.shape.H / arg.shape.Hkv;
    int group_last = min(own.first + int(BR), int(arg.S)) - 1;
    int first = own.first + int(gl_SubgroupID * ROWS), last = min(first + int(ROWS) - 1, group_last);
    Keys keys = key_range(own.b);
    int low = max(own.first, keys.begin), high = min(group_last, keys.end - 1);
    int begin = first_query(low, keys), end = low <= high ? query_end(high, keys) : 0;
    int sub_begin = first_query(first, keys), sub_end = first <= last ? query_end(last, keys) : 0;
    LOAD_OWN(k, side(arg.k, arg.shape.sk, own.b, own.h, arg.S), first)
    LOAD_OWN(v, side(arg.v, arg.shape.sv, own.b, own.h, arg.S), first)
    CLEAR(dk)
    CLEAR(dv)
    for (uint h = own.h * group; h < own.h * group + group; h++) {
        uint bh = own.b * arg.shape.H + h;
        float slope_h = slope(h);
        Side q_side = side(arg.q, arg.shape.sq, own.b, h, arg.T);
        Side o_side = side(arg.dO, arg.shape.sdo, own.b, h, arg.T);
        Loaded q, dO;
        load(q, q_side, begin);
        load(dO, o_side, begin);
        for (int i = begin; i < end; i += int(COLS)) {
            bool partly = own.first < keys.begin || group_last >= keys.end ||
                          i < first_query(group_last, keys) ||
                          i + int(COLS) > query_end(own.first, keys);
            barrier(); // all have read the last tiles
            share(q, 0u);
            share(dO, TILE);
            for (uint n = t; n < COLS; n += WG) {
                uint at = bh * arg.T + uint(min(i + int(n), int(arg.T) - 1));
                column_stats[n] = vec2(LOG2E * arg.lse.v[at], arg.delta.v[at]);
            }
            barrier();
            if (partly) {
                clean(0u); // a NaN of Q is in the log-sum-exp
                barrier();
                clean(TILE);
                barrier();
            }
            load(q, q_side, i + int(COLS));
            load(dO, o_side, i + int(COLS));
            if (!APART || (i < sub_end && i + int(COLS) > sub_begin)) {
                DOTS(k, 0u, 0u)
                DOTS(v, TILE, 1u)
                subgroup_meet();
                // Four keys, as dropout has them, of a query.
                for (uint n = lane; n < ROWS / 4u * QUADS; n += SG) {
                    uint rows = n / QUADS * 4u, quad = n % QUADS;
                    vec4 s[4], dp[4], w[4];
                    [[unroll]] for (uint r = 0u; r < 4u; r++) {
                        s[r] = score4(0u, rows + r, quad);
                        dp[r] = score4(1u, rows + r, quad);
                    }
                    [[unroll]] for (uint l = 0u; l < 4u; l++) {
                        int query = i + int(4u * quad + l);
                        vec2 stats = column_stats[4u * quad + l];
                        uint four = (uint(first) + rows) / 4u;
                        vec4 keep = DROPOUT ? dropout4(bh, uint(query), four) : vec4(1.0);
                        [[unroll]] for (uint r = 0u; r < 4u; r++) {
                            int key = first + int(rows + r);
                            float grad, x = power(s[r][l], slope_h, query, key, grad);
                            float p = exp2(x - stats.x);
                            w[r][l] = p * keep[r];
                            s[r][l] = p * (dp[r][l] * keep[r] - stats.y) * grad;
                        }
                    }
                    if (partly)
                        [[unroll]] for (uint r = 0u; r < 4u; r++) {
                            int key = first + int(rows + r);
                            int low_i = first_query(key, keys), past_i = query_end(key, keys);
                            bool gone = outside(key, keys.begin, keys.end);
                            [[unroll]] for (uint l = 0u; l < 4u; l++) {
                                bool hidden = gone || outside(i + int(4u * quad + l), low_i, past_i);
                                w[r][l] = hidden ? 0.0 : w[r][l] + flags[4u * quad + l];
                                s[r][l] = hidden ? 0.0 : s[r][l];
                            }
                        }
                    [[unroll]] for (uint r = 0u; r < 4u; r++) {
                        weigh4(0u, rows + r, quad, w[r]);
                        weigh4(1u, rows + r, quad, s[r]);
                    }
                }
                subgroup_meet();
                SPREAD(0u, TILE, dv)
                SPREAD(1u, 0u, dk)
            }
        }
    }
    STORE_OWN(dk, arg.dk, arg.shape.sdk, first, arg.S, own.b, own.h, x * arg.shape.scale)
    STORE_OWN(dv, arg.dv, arg.shape.sdv, first, arg.S, own.b, own.h, x)
}
