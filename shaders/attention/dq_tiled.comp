#version 450
//! variant -
//! variant half -DHALF -DHALF_SPEC=7
// dQ = scale * dS K with P = exp(scale Q K^T - LSE), dS = P * (dO V^T - delta). Class tiled.
// A workgroup owns BR queries of a (b, h). 6 D FLOP a (query, key) pair.
#extension GL_GOOGLE_include_directive : require
#include "attention/tiled.glsl"

void main()
{
    Tile own = own_tile(arg.T, arg.shape.H);
    uint g = own.h / (arg.shape.H / arg.shape.Hkv), bh = own.b * arg.shape.H + own.h;
    int mine = own.first + 4 * int(rg), last = min(own.first + int(BR), int(arg.T)) - 1;
    Keys keys = key_range(own.b);
    int end = reach(last, keys);
    float slope_h = slope(own.h);
    Side q = side(arg.q, arg.shape.sq, own.b, own.h, own.first, arg.T);
    Side dO = side(arg.dO, arg.shape.sdo, own.b, own.h, own.first, arg.T);
    vec4 dq[4][TD];
    [[unroll]] for (uint i = 0u; i < 4u; i++)
        [[unroll]] for (uint d = 0u; d < TD; d++)
            dq[i][d] = vec4(0.0);
    for (int j = from(own.first, keys) & ~3; j < end; j += int(BC)) {
        bool partly = j < from(last, keys) || j + int(BC) > reach(own.first, keys);
        float s[4][TC], dp[4][TC];
        Side k_side = side(arg.k, arg.shape.sk, own.b, g, j, arg.S);
        int key = j + int(tx * TC);
        dots(q, k_side, s);
        dots(dO, side(arg.v, arg.shape.sv, own.b, g, j, arg.S), dp);
        vec4 w[TC];
        [[unroll]] for (int i = 0; i < 4; i++) {
            uint at = bh * arg.T + uint(min(mine + i, last));
            float lse = arg.lse.v[at], delta = arg.delta.v[at];
            int low = from(mine + i, keys), high = reach(mine + i, keys);
            vec4 keep = DROPOUT ? dropout4(bh, mine + i, uint(key) / 4u) : vec4(1.0);
            [[unroll]] for (int k = 0; k < TC; k++) {
                float y = cap(query_scale() * s[i][k]);
                float p = exp(unit() * y + bias(slope_h, mine + i, key + k) - lse);
                if (DROPOUT)
                    dp[i][k] *= keep[of_four(key, uint(k))];
                w[k][i] = p * (dp[i][k] - delta) * cap_grad(y);
                if (partly && outside(key + k, low, high))
                    w[k][i] = 0.0;
            }
        }
        barrier();
        [[unroll]] for (uint k = 0u; k < TC; k++)
            weigh(k, w[k]);
        spread(k_side, partly, dq);
    }
    [[unroll]] for (int i = 0; i < 4; i++) {
        if (mine + i > last)
            continue;
        uint row = row4(arg.shape.sdq, own.b, mine + i, own.h);
        [[unroll]] for (uint d = 0u; d < TD; d++)
            if (d * TX + tx < D4)
                STORE_QUAD(arg.dq, row + d * TX + tx, dq[i][d] * arg.shape.scale);
    }
}
