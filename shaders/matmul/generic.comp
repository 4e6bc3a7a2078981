#version 450
//! variant f32
//! variant f16 -DHALF
//! variant bf16 -DHALF -DBF16
// Matmul that runs anywhere: no shared memory, no subgroups, any strides.
// A group of 8 x 8 invocations owns 32 x 32 of c; an invocation owns 4 x 4, rows and columns 8
// apart so that neighbours read neighbouring columns. 2 M N K FLOP; reads (M/32 N K + N/32 M K) 4
// bytes through the cache (2 of half precision).
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#ifdef HALF
#include "lib/half.glsl"
#define OPERAND U32
#endif
#include "matmul/matmul.h"
#include "matmul/epilogue.glsl"
layout(local_size_x = 64) in;

#ifdef HALF
layout(constant_id = 5) const bool HALF_A = true; // else f32
layout(constant_id = 6) const bool HALF_B = true;
#define A(i) (HALF_A ? half_of(p.a, i) : uintBitsToFloat(p.a.v[i]))
#define B(i) (HALF_B ? half_of(p.b, i) : uintBitsToFloat(p.b.v[i]))
#else
#define A(i) p.a.v[i]
#define B(i) p.b.v[i]
#endif

void main()
{
    uint lane_col = gl_LocalInvocationID.x % 8u, lane_row = gl_LocalInvocationID.x / 8u;
    uint col_tiles = (p.n + 31u) / 32u, row_tiles = (p.m + 31u) / 32u;
    uint tiles = col_tiles * row_tiles * p.batch;
    for (uint tile = gl_WorkGroupID.x; tile < tiles; tile += gl_NumWorkGroups.x) {
        uint z = tile / (col_tiles * row_tiles), in_batch = tile % (col_tiles * row_tiles);
        uint row0 = in_batch / col_tiles * 32u + lane_row, col0 = in_batch % col_tiles * 32u + lane_col;
        uint a_at[4], b_at[4];
        float sum[4][4];
        [[unroll]] for (uint i = 0u; i < 4u; i++) {
            // Rows and columns beyond the edge repeat the last one and are not stored.
            a_at[i] = z * p.a_batch + min(row0 + 8u * i, p.m - 1u) * p.a_row;
            b_at[i] = z * p.b_batch + min(col0 + 8u * i, p.n - 1u) * p.b_col;
            [[unroll]] for (uint j = 0u; j < 4u; j++)
                sum[i][j] = 0.0;
        }
        for (uint k = 0u; k < p.k; k++) {
            float a[4], b[4];
            [[unroll]] for (uint i = 0u; i < 4u; i++) {
                a[i] = A(a_at[i] + k * p.a_col);
                b[i] = B(b_at[i] + k * p.b_row);
            }
            [[unroll]] for (uint i = 0u; i < 4u; i++)
                [[unroll]] for (uint j = 0u; j < 4u; j++)
                    sum[i][j] += a[i] * b[j];
        }
        [[unroll]] for (uint i = 0u; i < 4u; i++)
            [[unroll]] for (uint j = 0u; j < 4u; j++) {
                uint row = row0 + 8u * i, col = col0 + 8u * j;
                if (row < p.m && col < p.n)
                    finish(z * p.c_batch + row * p.c_row + col, col, sum[i][j]);
            }
    }
}
