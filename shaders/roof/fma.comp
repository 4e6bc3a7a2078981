#version 450
// How many multiply-adds a second the device can do when nothing else stands in their way: 12 chains
// an invocation, independent of each other, so that their latency hides (4 cycles, 2 pipes and 8
// chains would do on a CPU, whose 16 registers hold 12 and c; GPUs have other invocations to run).
// A link is x = x x + c with c from memory: a polynomial of a degree that doubles, which no compiler
// can shorten as it could powers of a linear map. With c = -1.5 the chains stay in [-1.9, 1.9] without
// settling. 2 FLOP a link: 12 * 32 * 2 a round; 4 bytes read and written an invocation.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "roof/fma.h"
layout(local_size_x = 64) in;

void main()
{
    float x[12], c = p.c + p.x.v[gl_GlobalInvocationID.x];
    [[unroll]] for (int i = 0; i < 12; i++)
        x[i] = float(gl_LocalInvocationID.x) * (1.0 / 128.0) + float(i) * (1.0 / 16.0);
    for (uint round = 0u; round < p.rounds; round++)
        [[unroll]] for (int link = 0; link < 32; link++)
            [[unroll]] for (int i = 0; i < 12; i++)
                x[i] = x[i] * x[i] + c;
    float sum = 0.0;
    [[unroll]] for (int i = 0; i < 12; i++)
        sum += x[i];
    p.y.v[gl_GlobalInvocationID.x] = sum;
}
