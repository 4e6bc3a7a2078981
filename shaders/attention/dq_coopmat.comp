#version 450
// dQ = scale * dS K with P = exp(scale Q K^T - LSE), dS = P * (dO V^T - delta), on matrix units. See
// coopmat.glsl. 6 D FLOP a (query, key) pair.
//! variant f16
//! variant bf16 -DBF16
//! needs GL_KHR_cooperative_matrix GL_EXT_bfloat16
//! full_subgroups 8
#extension GL_GOOGLE_include_directive : require
#define MATRICES 2u
#include "attention/coopmat.glsl"

A_FRAGMENT q[RM][DK], dO[RM][DK];
SUMS dq[RM][DN];

void main()
{
    Tile own = own_tile(arg.T, arg.shape.H);
    uint g = own.h / (arg.shape.H / arg.shape.Hkv), bh = own.b * arg.shape.H + own.h;
    int group_last = min(own.first + int(BR), int(arg.T)) - 1;
    int first = own.first + int(gl_SubgroupID * ROWS), last = min(first + int(ROWS) - 1, group_last);
    Keys keys = key_range(own.b);
    int begin = from(own.first, keys) & ~3, end = reach(group_last, keys);
    int sub_begin = from(first, keys), sub_end = first <= last ? reach(last, keys) : 0;
    float slope_h = slope(own.h);
    Side k_side = side(arg.k, arg.shape.sk, own.b, g, arg.S);
    Side v_side = side(arg.v, arg.shape.sv, own.b, g, arg.S);
    LOAD_OWN(q, side(arg.q, arg.shape.sq, own.b, own.h, arg.T), first)
    LOAD_OWN(dO, side(arg.dO, arg.shape.sdo, own.b, own.h, arg.T), first)
    CLEAR(dq)
    for (uint row = lane; row < ROWS; row += SG) {
        uint at = bh * arg.T + uint(min(first + int(row), int(arg.T) - 1));
        row_stats[gl_SubgroupID * ROWS + row] = vec2(LOG2E * arg.lse.v[at], arg.delta.v[at]);
    }
    Loaded k, v;
    load(k, k_side, begin);
    load(v, v_side, begin);
    for (int j = begin; j < end; j += int(COLS)) {
        bool partly = j < from(group_last, keys) || j + int(COLS) > reach(own.first, keys);
        barrier(); // all have read the last tiles
        share(k, 0u);
        share(v, TILE);
        barrier();
        if (partly) {
            clean(0u);
            barrier();
        }
        load(k, k_side, j + int(COLS));
        load(v, v_side, j + int(COLS));
        if (!APART || (j < sub_end && j + int(COLS) > sub_begin)) {
            DOTS(q, 0u, 0u)
            DOTS(dO, TILE, 1u)
            subgroup_meet();
            for (uint n = lane; n < ROWS * QUADS; n += SG) {
                uint row = n / QUADS, quad = n % QUADS;
                int query = first + int(row), key = j + int(4u * quad);
                vec2 stats = row_stats[gl_SubgroupID * ROWS + row];
                vec4 s = score4(0u, row, quad), dp = score4(1u, row, quad), w;
                if (DROPOUT)
                    dp *= dropout4(bh, uint(query), uint(key) / 4u);
                [[unroll]] for (int l = 0; l < 4; l++) {
                    float grad, x = power(s[l], slope_h, query, key + l, grad);
                    w[l] = exp2(x - stats.x) * (dp[l] - stats.y) * grad;
                }
                if (partly) {
                    int low = from(query, keys), past = reach(query, keys);
                    [[unroll]] for (int l = 0; l < 4; l++)
                        w[l] = outside(key + l, low, past) ? 0.0 : w[l];
                }
                weigh4(0u, row, quad, w);
            }
            subgroup_meet();
            SPREAD(0u, 0u, dq)
        }
    }
    STORE_OWN(dq, arg.dq, arg.shape.sdq, first, arg.T, own.b, own.h, x * arg.shape.scale)
}
