#version 450
// Adds the parts of a product whose k was cut, always in the order of k, and finishes the sums: the
// same bits every time. An invocation takes four columns of a row.
// (parts + 1) M N 4 bytes: bound by memory.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "matmul/sum_parts.h"
#include "matmul/epilogue4.glsl"
layout(local_size_x = 128) in;
layout(constant_id = 5) const bool C_QUADS = false;

void main()
{
    uint quads = (p.n + 3u) / 4u, of_part = p.batch * p.m * quads;
    for (uint i = gl_GlobalInvocationID.x; i < of_part; i += gl_NumWorkGroups.x * 128u) {
        uint row = i / quads % p.m, col = i % quads * 4u;
        uint at = i / quads / p.m * p.c_batch + row * p.c_row + col;
        vec4 sum = p.parts.v[i];
        for (uint part = 1u; part < p.n_parts; part++)
            sum += p.parts.v[part * of_part + i];
        if (C_QUADS)
            finish4(at, col, sum, rest4(at));
        else
            [[unroll]] for (uint l = 0u; l < 4u; l++)
                if (col + l < p.n)
                    finish(at + l, col + l, sum[l]);
    }
}
