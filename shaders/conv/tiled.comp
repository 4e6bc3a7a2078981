#version 450
//! variant forward -DFORWARD
//! variant x -DX_GRAD
//! variant weight -DWEIGHT_GRAD
// The three products of a convolution through shared memory, for GPUs: conv/generic's places, and
// matmul/tiled's way. A group of 128 owns 64 x 64 of c, an invocation 8 x 4, and walks k in steps of 16,
// which the first 64 invocations bring of a and the others of b, a block of 4 x 4 each; the next step's
// blocks are on their way while this one's are multiplied. k is cut into parts where tiles are few
// (gradients of weights). Channels are multiples of 4.
// 2 M N K FLOP; reads 4 M N K (1/64 + 1/64) bytes through the cache.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#extension GL_EXT_buffer_reference_uvec2 : require
#include "conv/conv2d.h"
layout(local_size_x = 128) in;
layout(constant_id = 0) const bool HAS_BIAS = false;
layout(constant_id = 1) const bool ACCUMULATE = false;
#include "conv/places.glsl"

#define QUADS(address) F32x4(uvec2(address))
const uint SIDE = 64u, BK = 16u, ROW = SIDE / 4u + 1u; // vec4s
shared vec4 tile[2u * BK * ROW];                      // 16 k of a's rows, then of b's columns

uint t = gl_LocalInvocationIndex, block = t % 64u;
bool of_a = t < 64u;
#if defined(FORWARD)
const bool A_ALONG_K = true, B_ALONG_K = true;
#elif defined(X_GRAD)
const bool A_ALONG_K = true, B_ALONG_K = false;
#else
const bool A_ALONG_K = false, B_ALONG_K = false;
#endif
bool along_k = of_a ? A_ALONG_K : B_ALONG_K;
uint side_quad = along_k ? block / 4u : block % 16u, k_quad = along_k ? block % 4u : block / 16u;
vec4 got[4];

vec4 quad_of_a(uint row, uint k)
{
#if defined(WEIGHT_GRAD)
    return QUADS(p.A).v[(k * p.out_channels + row) / 4u];
#else
    uint pixel = a_place(row, k / step_size);
    return pixel == NOWHERE ? vec4(0.0) : QUADS(p.A).v[(pixel * a_pixel + k % step_size) / 4u];
#endif
}

vec4 quad_of_b(uint column, uint k)
{
#if defined(FORWARD)
    return QUADS(p.B).v[(column * taps * p.channels + k) / 4u];
#elif defined(X_GRAD)
    return QUADS(p.B).v[(k % step_size * b_next + b_place(column, k / step_size)) / 4u];
#else
    uint place = b_place(column, k);
    return place == NOWHERE ? vec4(0.0) : QUADS(p.B).v[place / 4u];
#endif
}

// Rows and columns beyond the edge repeat the last ones and are not stored; k beyond the end is 0.
void load(uint row0, uint col0, uint k0, uint k_end)
{
    uint first = (of_a ? row0 : col0) + 4u * side_quad, last = (of_a ? rows : columns) - 1u;
    [[unroll]] for (uint i = 0u; i < 4u; i++) {
        uint k = k0 + 4u * k_quad + (along_k ? 0u : i);
        uint at = along_k ? min(first + i, last) : min(first, last / 4u * 4u);
        got[i] = k >= k_end ? vec4(0.0) : of_a ? quad_of_a(at, k) : quad_of_b(at, k);
    }
}

void share()
{
    uint to = (of_a ? 0u : BK * ROW) + 4u * k_quad * ROW + side_quad;
    [[unroll]] for (uint i = 0u; i < 4u; i++)
        tile[to + i * ROW] = along_k ? vec4(got[0][i], got[1][i], got[2][i], got[3][i]) : got[i];
}

void main()
{
    uint lane_row = t / 16u, lane_col = t % 16u, k_all = steps * step_size;
    uint col_tiles = (columns + SIDE - 1u) / SIDE, tiles = col_tiles * ((rows + SIDE - 1u) / SIDE);
    for (uint i = gl_WorkGroupID.x; i < tiles * p.parts; i += gl_NumWorkGroups.x) {
        uint part = i / tiles, row0 = i % tiles / col_tiles * SIDE, col0 = i % tiles % col_tiles * SIDE;
        uint k0 = part * p.k_part, k_end = min(k_all, k0 + p.k_part);
        vec4 sum[8];
        [[unroll]] for (uint r = 0u; r < 8u; r++)
            sum[r] = vec4(0.0);
        load(row0, col0, k0, k_end);
        for (uint k = k0; k < k_end; k += BK) {
            barrier(); // all have read the last step
            share();
            barrier();
            load(row0, col0, k + BK, k_end);
            [[unroll]] for (uint kk = 0u; kk < BK; kk++) {
                vec4 above = tile[kk * ROW + lane_row], below = tile[kk * ROW + lane_row + 8u];
                vec4 b = tile[(BK + kk) * ROW + lane_col];
                [[unroll]] for (uint r = 0u; r < 4u; r++) {
                    sum[r] += above[r] * b;
                    sum[4u + r] += below[r] * b;
                }
            }
        }
        uint col = col0 + 4u * lane_col;
        [[unroll]] for (uint r = 0u; r < 8u; r++) {
            uint row = row0 + r / 4u * 32u + 4u * lane_row + r % 4u, at = (row * columns + col) / 4u;
            if (row >= rows || col >= columns)
                continue;
            if (p.parts > 1u) {
                QUADS(p.sums).v[part * (rows * columns / 4u) + at] = sum[r];
                continue;
            }
            vec4 x = HAS_BIAS ? sum[r] + QUADS(p.bias).v[col / 4u] : sum[r];
            // A finished gradient is added, never the seed of the sum over k.
            QUADS(p.C).v[at] = ACCUMULATE ? QUADS(p.C).v[at] + x : x;
        }
    }
}
