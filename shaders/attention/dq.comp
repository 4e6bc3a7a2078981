#version 450
//! variant -
//! variant half -DHALF -DHALF_SPEC=7
// dQ = scale * dS K with P = exp(scale Q K^T - LSE), dS = P * (dO V^T - delta). Class generic.
// Mapping: one invocation per (b, h, query row), which keeps its rows of Q, dO and dQ. 6 D flop a (query, key) pair.
#extension GL_GOOGLE_include_directive : require
#include "attention/attention.glsl"
layout(local_size_x = 64) in;

void main()
{
    uint bh = (arg.base + gl_WorkGroupID.x) * 64u + gl_LocalInvocationID.x;
    uint i = bh % arg.T;
    bh /= arg.T;
    if (bh >= arg.shape.B * arg.shape.H)
        return;
    uint b = bh / arg.shape.H, h = bh % arg.shape.H, g = h / (arg.shape.H / arg.shape.Hkv);
    uint row = row4(arg.shape.sq, b, i, h), grow = row4(arg.shape.sdo, b, i, h);
    vec4 q[D / 4], dO[D / 4], dq[D / 4];
    for (uint d = 0; d < D / 4; d++) {
        q[d] = QUAD(arg.q, row + d) * query_scale();
        dO[d] = QUAD(arg.dO, grow + d);
        dq[d] = vec4(0);
    }
    float lse = arg.lse.v[bh * arg.T + i], delta = arg.delta.v[bh * arg.T + i];
    Keys keys = key_range(b);
    int end = reach(int(i), keys);
    float slope_h = slope(h);
    for (int j = from(int(i), keys); j < end; j++) {
        uint krow = row4(arg.shape.sk, b, j, g), vrow = row4(arg.shape.sv, b, j, g);
        float s = 0, dp = 0;
        for (uint d = 0; d < D / 4; d++) {
            s += dot(q[d], QUAD(arg.k, krow + d));
            dp += dot(dO[d], QUAD(arg.v, vrow + d));
        }
        if (DROPOUT)
            dp *= dropout(bh, i, j);
        float y = cap(s);
        s = unit() * y + bias(slope_h, int(i), j);
        float ds = exp(s - lse) * (dp - delta) * cap_grad(y);
        for (uint d = 0; d < D / 4; d++)
            dq[d] += ds * QUAD(arg.k, krow + d);
    }
    row = row4(arg.shape.sdq, b, i, h);
    for (uint d = 0; d < D / 4; d++)
        STORE_QUAD(arg.dq, row + d, dq[d] * arg.shape.scale);
}
