#version 450
//! variant -
//! variant half -DHALF -DHALF_SPEC=7
// dV = P^T dO, dK = scale * dS^T Q with P, dS as in dq, summed over the query heads of a group. Class generic.
// Mapping: one invocation per (b, kv head, key row), which keeps its rows of K, V, dK and dV. 8 D flop a (query, key) pair.
#extension GL_GOOGLE_include_directive : require
#include "attention/attention.glsl"
layout(local_size_x = 64) in;

void main()
{
    uint b = (arg.base + gl_WorkGroupID.x) * 64u + gl_LocalInvocationID.x;
    uint j = b % arg.S;
    b /= arg.S;
    uint g = b % arg.shape.Hkv, group = arg.shape.H / arg.shape.Hkv;
    b /= arg.shape.Hkv;
    if (b >= arg.shape.B)
        return;
    uint row = row4(arg.shape.sk, b, j, g), vrow = row4(arg.shape.sv, b, j, g);
    vec4 k[D / 4], v[D / 4], dk[D / 4], dv[D / 4];
    for (uint d = 0; d < D / 4; d++) {
        k[d] = QUAD(arg.k, row + d) * query_scale();
        v[d] = QUAD(arg.v, vrow + d);
        dk[d] = dv[d] = vec4(0);
    }
    Keys keys = key_range(b);
    int first = j >= keys.begin && j < keys.end ? first_query(int(j), keys) : int(arg.T);
    int end = query_end(int(j), keys);
    for (uint h = g * group; h < g * group + group; h++) {
        float slope_h = slope(h);
        for (int i = first; i < end; i++) {
            uint bh = b * arg.shape.H + h, qrow = row4(arg.shape.sq, b, i, h), grow = row4(arg.shape.sdo, b, i, h);
            float s = 0, dp = 0;
            for (uint d = 0; d < D / 4; d++) {
                s += dot(k[d], QUAD(arg.q, qrow + d));
                dp += dot(v[d], QUAD(arg.dO, grow + d));
            }
            float y = cap(s);
            s = unit() * y + bias(slope_h, i, int(j));
            float p = exp(s - arg.lse.v[bh * arg.T + i]), keep = DROPOUT ? dropout(bh, i, j) : 1.0;
            float ds = p * (dp * keep - arg.delta.v[bh * arg.T + i]) * cap_grad(y);
            for (uint d = 0; d < D / 4; d++) {
                dv[d] += p * keep * QUAD(arg.dO, grow + d);
                dk[d] += ds * QUAD(arg.q, qrow + d);
            }
        }
    }
    row = row4(arg.shape.sdk, b, j, g);
    vrow = row4(arg.shape.sdv, b, j, g);
    for (uint d = 0; d < D / 4; d++) {
        STORE_QUAD(arg.dk, row + d, dk[d] * arg.shape.scale);
        STORE_QUAD(arg.dv, vrow + d, dv[d]);
    }
}
