#version 450
//! variant -
//! variant half -DHALF -DHALF_SPEC=7
// O = softmax(scale * Q K^T) V and LSE = ln sum exp, flash style, one pass over the keys. Class generic.
// Mapping: one invocation per (b, h, query row); consecutive invocations are consecutive rows, so a group reads the same
// keys. Q and O rows live in registers. 4 D flop and 2 D loads a (query, key) pair, shared by the group through the cache.
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
    uint row = row4(arg.shape.sq, b, i, h);
    vec4 q[D / 4], o[D / 4];
    for (uint d = 0; d < D / 4; d++) {
        q[d] = QUAD(arg.q, row + d) * query_scale();
        o[d] = vec4(0);
    }
    float top = LOWEST, sum = 0;
    Keys keys = key_range(b);
    int begin = from(int(i), keys), end = reach(int(i), keys);
    float slope_h = slope(h);
    for (int j = begin; j < end; j++) {
        uint krow = row4(arg.shape.sk, b, j, g), vrow = row4(arg.shape.sv, b, j, g);
        float s = 0;
        for (uint d = 0; d < D / 4; d++)
            s += dot(q[d], QUAD(arg.k, krow + d));
        s = unit() * cap(s) + bias(slope_h, int(i), j);
        float higher = max(top, s), p = exp(s - higher), shrink = exp(top - higher);
        top = higher;
        sum = sum * shrink + p;
        if (DROPOUT)
            p *= dropout(bh, i, j);
        for (uint d = 0; d < D / 4; d++)
            o[d] = o[d] * shrink + p * QUAD(arg.v, vrow + d);
    }
    bool none = begin >= end;
    row = row4(arg.shape.so, b, i, h);
    for (uint d = 0; d < D / 4; d++)
        STORE_QUAD(arg.o, row + d, none ? vec4(0) : o[d] / sum);
    arg.lse.v[bh * arg.T + i] = none ? infinity() : top + log(sum);
}
