#version 450
//! variant forward -DFORWARD
//! variant x -DX_GRAD
//! variant weight -DWEIGHT_GRAD
// The three products of a convolution, on any device: c[M, N] = sum over k of a[m, k] b[k, n] with
// a and b read where they lie in the images (pixels outside are 0), so nothing is copied.
//     forward: M pixels of y,   N out channels,        K = taps x channels
//     x:       M pixels of x,   N channels,            K = taps x out channels
//     weight:  M out channels,  N = taps x channels,   K = pixels of y
// As matmul/generic: a group of 8 x 8 invocations owns 32 x 32 of c, an invocation 4 x 4, rows and
// columns 8 apart. 2 M N K FLOP; reads 4 M N K (1/32 + 1/32) bytes through the cache.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "conv/conv2d.h"
layout(local_size_x = 64) in;
layout(constant_id = 0) const bool HAS_BIAS = false;
layout(constant_id = 1) const bool ACCUMULATE = false;

const uint NOWHERE = 0xffffffffu;
uint taps = p.kernel_h * p.kernel_w, pixels_y = p.out_height * p.out_width;

// Pixel of x under tap `tap` of y's pixel `pixel`.
uint x_under(uint pixel, uint tap)
{
    uint b = pixel / pixels_y, i = pixel % pixels_y / p.out_width, j = pixel % p.out_width;
    uint h = i * p.stride + tap / p.kernel_w - p.padding; // below 0 wraps to far above the height
    uint w = j * p.stride + tap % p.kernel_w - p.padding;
    return h < p.height && w < p.width ? (b * p.height + h) * p.width + w : NOWHERE;
}

// Pixel of y whose tap `tap` lies on x's pixel `pixel`.
uint y_over(uint pixel, uint tap)
{
    uint size = p.height * p.width, b = pixel / size;
    uint i = pixel % size / p.width + p.padding - tap / p.kernel_w;
    uint j = pixel % p.width + p.padding - tap % p.kernel_w;
    bool hit = i < 0x80000000u && j < 0x80000000u && i % p.stride == 0u && j % p.stride == 0u &&
               i / p.stride < p.out_height && j / p.stride < p.out_width;
    return hit ? (b * p.out_height + i / p.stride) * p.out_width + j / p.stride : NOWHERE;
}

// K is cut into steps: in a step the places of a and b advance evenly.
#if defined(FORWARD)
#define A x
#define B w
#define C y
uint rows = p.batch * pixels_y, columns = p.out_channels, steps = taps, step_size = p.channels;
uint a_place(uint row, uint t) { return x_under(row, t); }
uint b_place(uint column, uint t) { return (column * taps + t) * p.channels; }
uint a_pixel = p.channels, b_next = 1u;
#elif defined(X_GRAD)
#define A y
#define B w
#define C x
uint rows = p.batch * p.height * p.width, columns = p.channels, steps = taps;
uint step_size = p.out_channels;
uint a_place(uint row, uint t) { return y_over(row, t); }
uint b_place(uint column, uint t) { return t * p.channels + column; }
uint a_pixel = p.out_channels, b_next = taps * p.channels;
#else
#define A y
#define B x
#define C w
uint rows = p.out_channels, columns = taps * p.channels, steps = p.batch * pixels_y;
uint step_size = 1u;
uint a_place(uint row, uint t) { return t * p.out_channels + row; }
uint b_place(uint column, uint t)
{
    uint pixel = x_under(t, column / p.channels);
    return pixel == NOWHERE ? NOWHERE : pixel * p.channels + column % p.channels;
}
uint a_pixel = 1u, b_next = 0u;
#endif

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
