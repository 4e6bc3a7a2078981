#version 450
//! variant -
//! variant half -DHALF -DHALF_SPEC=7
// delta[b,h,i] = sum_d dO O: pre-pass of the backward. Class generic. One invocation per (b, h, i); reads 8 D bytes a row, HALF 4 D.
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
    uint b = bh / arg.shape.H, h = bh % arg.shape.H;
    uint o = row4(arg.shape.so, b, i, h), dO = row4(arg.shape.sdo, b, i, h);
    float sum = 0;
    for (uint d = 0; d < D / 4; d++)
        sum += dot(QUAD(arg.dO, dO + d), QUAD(arg.o, o + d));
    arg.delta.v[bh * arg.T + i] = sum;
}
