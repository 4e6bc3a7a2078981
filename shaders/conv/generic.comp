#version 450
//! variant forward -DFORWARD
//! variant x -DX_GRAD
//! variant weight -DWEIGHT_GRAD
// The three products of a convolution, on any device: c[M, N] = sum over k of a[m, k] b[k, n] with
// a and b read where they lie in the images (pixels outside are 0), so nothing is copied (places.glsl).
// As matmul/generic: a group of 8 x 8 invocations owns 32 x 32 of c, an invocation 4 x 4, rows and
// columns 8 apart. 2 M N K FLOP; reads 4 M N K (1/32 + 1/32) bytes through the cache.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "conv/conv2d.h"
layout(local_size_x = 64) in;
layout(constant_id = 0) const bool HAS_BIAS = false;
layout(constant_id = 1) const bool ACCUMULATE = false;

#include "conv/places.glsl"

void main()
{
    uint lane_col = gl_LocalInvocationID.x % 8u, lane_row = gl_LocalInvocationID.x / 8u;
    uint col_tiles = (columns + 31u) / 32u, tiles = col_tiles * ((rows + 31u) / 32u);
    for (uint tile = gl_WorkGroupID.x; tile < tiles; tile += gl_NumWorkGroups.x) {
        uint row0 = tile / col_tiles * 32u + lane_row, col0 = tile % col_tiles * 32u + lane_col;
        float sum[4][4];
        [[unroll]] for (uint i = 0u; i < 4u; i++)
            [[unroll]] for (uint j = 0u; j < 4u; j++)
                sum[i][j] = 0.0;
        for (uint t = 0u; t < steps; t++) {
            uint a_at[4], b_at[4];
            bool a_in[4], b_in[4];
            [[unroll]] for (uint i = 0u; i < 4u; i++) {
                // Rows and columns beyond the edge repeat the last one and are not stored.
                a_at[i] = a_place(min(row0 + 8u * i, rows - 1u), t);
                b_at[i] = b_place(min(col0 + 8u * i, columns - 1u), t);
                a_in[i] = a_at[i] != NOWHERE;
                b_in[i] = b_at[i] != NOWHERE;
                a_at[i] = a_in[i] ? a_at[i] * a_pixel : 0u;
                b_at[i] = b_in[i] ? b_at[i] : 0u;
            }
            for (uint k = 0u; k < step_size; k++) {
                float a[4], b[4];
                [[unroll]] for (uint i = 0u; i < 4u; i++) {
                    a[i] = p.A.v[a_at[i] + k];
                    b[i] = p.B.v[b_at[i] + k * b_next];
                    a[i] = a_in[i] ? a[i] : 0.0;
                    b[i] = b_in[i] ? b[i] : 0.0;
                }
                [[unroll]] for (uint i = 0u; i < 4u; i++)
                    [[unroll]] for (uint j = 0u; j < 4u; j++)
                        sum[i][j] += a[i] * b[j];
            }
        }
        [[unroll]] for (uint i = 0u; i < 4u; i++)
            [[unroll]] for (uint j = 0u; j < 4u; j++) {
                uint row = row0 + 8u * i, col = col0 + 8u * j;
                if (row < rows && col < columns) {
                    float x = HAS_BIAS ? sum[i][j] + p.bias.v[col] : sum[i][j];
                    uint at = row * columns + col;
                    // A finished gradient is added, never the seed of the sum over k.
                    p.C.v[at] = ACCUMULATE ? p.C.v[at] + x : x;
                }
            }
    }
}
