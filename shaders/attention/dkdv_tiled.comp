#version 450
//! variant -
//! variant half -DHALF -DHALF_SPEC=7
// dV = P^T dO, dK = scale * dS^T Q with P, dS as in dq_tiled, summed over the query heads of a group.
// Class tiled. A workgroup owns BR keys of a (b, kv head) and walks its heads and their queries in
// order: no atomics, the same bits each time. 8 D FLOP a (query, key) pair.
#extension GL_GOOGLE_include_directive : require
#define ROWS 32u
#include "attention/tiled.glsl"

void main()
{
    Tile own = own_tile(arg.S, arg.shape.Hkv);
    uint group = arg.shape.H / arg.shape.Hkv;
    int mine = own.first + 4 * int(rg), last = min(own.first + int(BR), int(arg.S)) - 1;
    Keys keys = key_range(own.b);
    int low = max(own.first, keys.begin), high = min(last, keys.end - 1);
    int begin = first_query(low, keys), end = low <= high ? query_end(high, keys) : 0;
    Side k_side = side(arg.k, arg.shape.sk, own.b, own.h, own.first, arg.S);
    Side v_side = side(arg.v, arg.shape.sv, own.b, own.h, own.first, arg.S);
    vec4 dk[4][TD], dv[4][TD];
    [[unroll]] for (uint i = 0u; i < 4u; i++)
        [[unroll]] for (uint d = 0u; d < TD; d++)
            dk[i][d] = dv[i][d] = vec4(0.0);
    for (uint h = own.h * group; h < own.h * group + group; h++) {
        uint bh = own.b * arg.shape.H + h;
        float slope_h = slope(h);
        for (int row = begin; row < end; row += int(BC)) {
            bool partly = own.first < keys.begin || last >= keys.end ||
                          row < first_query(last, keys) || row + int(BC) > query_end(own.first, keys);
            Side q = side(arg.q, arg.shape.sq, own.b, h, row, arg.T);
            Side dO = side(arg.dO, arg.shape.sdo, own.b, h, row, arg.T);
            float s[4][TC], dp[4][TC];
            dots(k_side, q, s);
            dots(v_side, dO, dp);
            barrier();
            [[unroll]] for (int k = 0; k < TC; k++) {
                int query = row + int(tx * TC) + k;
                uint at = bh * arg.T + uint(min(query, int(arg.T) - 1));
                float lse = arg.lse.v[at], delta = arg.delta.v[at];
                vec4 keep = DROPOUT ? dropout4(bh, query, uint(mine) / 4u) : vec4(1.0), w;
                [[unroll]] for (int i = 0; i < 4; i++) {
                    int key = mine + i;
                    float y = cap(query_scale() * s[i][k]);
                    float p = exp(unit() * y + bias(slope_h, query, key) - lse);
                    w[i] = p * keep[i];
                    s[i][k] = p * (dp[i][k] * keep[i] - delta) * cap_grad(y);
                    if (partly && (outside(key, keys.begin, keys.end) ||
                                   outside(query, first_query(key, keys), query_end(key, keys))))
                        w[i] = s[i][k] = 0.0;
                }
                weigh(k, w);
            }
            spread(dO, partly, dv);
            barrier();
            [[unroll]] for (uint k = 0u; k < TC; k++)
                weigh(k, vec4(s[0][k], s[1][k], s[2][k], s[3][k]));
            spread(q, partly, dk);
        }
    }
    [[unroll]] for (int i = 0; i < 4; i++) {
        if (mine + i > last)
            continue;
        uint row = row4(arg.shape.sdk, own.b, mine + i, own.h);
        uint v_row = row4(arg.shape.sdv, own.b, mine + i, own.h);
        [[unroll]] for (uint d = 0u; d < TD; d++)
            if (d * TX + tx < D4) {
                STORE_QUAD(arg.dk, row + d * TX + tx, dk[i][d] * arg.shape.scale);
                STORE_QUAD(arg.dv, v_row + d * TX + tx, dv[i][d]);
            }
    }
}
