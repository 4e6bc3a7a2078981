#version 450
//! variant nn.sg4 -DSG=4 -DNN
//! variant nn.sg8 -DSG=8 -DNN
//! variant nt.sg4 -DSG=4 -DNT
//! variant nt.sg8 -DSG=8 -DNT
//! variant tn.sg4 -DSG=4 -DTN
//! variant tn.sg8 -DSG=8 -DTN
// Matmul for software drivers: one subgroup of SG lanes owns R rows of c and SG * C (nt) or 4 SG * C
// (nn, tn) columns, accumulated in registers. Operands come through typed RGBA32F loads, which such
// drivers do as wide loads where plain ones are loops over lanes; a's elements go to all lanes by
// shuffles with literal lane numbers. No barrier, no shared memory.
//   nn: a lane owns 4 adjacent columns; a fetch of b is 4 of them, a fetch of a is 4 k of a row.
//   nt: a lane owns a column; a fetch of b is 4 k of it.
//   tn: as nn, but a fetch of a is 4 rows of one k.
// Rows and columns beyond the edge repeat the last and are not stored; k beyond the end is masked.
// 2 M N K FLOP; (M / (SG C) + N / R) K 4 bytes from the cache.
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#include "lib/prelude.glsl"
#include "matmul/matmul.h"
#include "matmul/epilogue.glsl"
layout(local_size_x = SG) in;
layout(set = 0, binding = 0) uniform samplerBuffer A;
layout(set = 0, binding = 1) uniform samplerBuffer B;
layout(constant_id = 5) const int R = 8; // rows a tile; tn: a multiple of 4
layout(constant_id = 6) const int C = 1; // column groups a tile

#ifdef TN
const int STEP = SG; // k an iteration
#else
const int STEP = 4 * SG;
#endif
#ifdef NT
const int WIDE = 1; // columns a lane owns in a group
#define ACC float
#else
const int WIDE = 4;
#define ACC vec4
#endif

int lane = int(gl_SubgroupInvocationID);
int a_row[R], b_col[C]; // texel of k = 0 (nn, nt: of a row; nt: of a column), or column texel
ACC sum[R][C];

#ifdef TN
// k0 .. k0 + SG - 1: lane l fetches 4 rows of k0 + l.
void iterate(int k0, bool tail)
{
    vec4 a[R / 4];
    int k = min(k0 + lane, int(p.k) - 1);
    [[unroll]] for (int r = 0; r < R / 4; r++) {
        a[r] = texelFetch(A, a_row[r] + k * int(p.a_col) / 4);
        if (tail)
            a[r] = k0 + lane < int(p.k) ? a[r] : vec4(0.0);
    }
    [[unroll]] for (int j = 0; j < SG; j++) {
        vec4 b[C];
        int kb = tail ? min(k0 + j, int(p.k) - 1) : k0 + j;
        [[unroll]] for (int c = 0; c < C; c++)
            b[c] = texelFetch(B, b_col[c] + kb * int(p.b_row) / 4);
        [[unroll]] for (int r = 0; r < R; r++) {
            float x = subgroupShuffle(a[r / 4][r % 4], j);
            [[unroll]] for (int c = 0; c < C; c++)
                sum[r][c] += x * b[c];
        }
    }
}
#else
// k0 .. k0 + 4 SG - 1: lane l fetches k0 + 4 l .. k0 + 4 l + 3 of each row.
void iterate(int k0, bool tail)
{
    vec4 a[R];
    int last = (int(p.k) - 1) / 4, at = tail ? min(k0 / 4 + lane, last) : k0 / 4 + lane;
    [[unroll]] for (int r = 0; r < R; r++) {
        a[r] = texelFetch(A, a_row[r] + at);
        if (tail)
            [[unroll]] for (int i = 0; i < 4; i++)
                a[r][i] = k0 + 4 * lane + i < int(p.k) ? a[r][i] : 0.0;
    }
    [[unroll]] for (int j = 0; j < SG; j++) {
#ifdef NT
        vec4 b[C];
        [[unroll]] for (int c = 0; c < C; c++) {
            b[c] = texelFetch(B, b_col[c] + (tail ? min(k0 / 4 + j, last) : k0 / 4 + j));
            if (tail)
                [[unroll]] for (int i = 0; i < 4; i++)
                    b[c][i] = k0 + 4 * j + i < int(p.k) ? b[c][i] : 0.0;
        }
        [[unroll]] for (int r = 0; r < R; r++)
            [[unroll]] for (int i = 0; i < 4; i++) {
                float x = subgroupShuffle(a[r][i], j);
                [[unroll]] for (int c = 0; c < C; c++)
                    sum[r][c] += x * b[c][i];
            }
#else
        [[unroll]] for (int i = 0; i < 4; i++) {
            int kb = tail ? min(k0 + 4 * j + i, int(p.k) - 1) : k0 + 4 * j + i;
            vec4 b[C];
            [[unroll]] for (int c = 0; c < C; c++)
                b[c] = texelFetch(B, b_col[c] + kb * int(p.b_row) / 4);
            [[unroll]] for (int r = 0; r < R; r++) {
                float x = subgroupShuffle(a[r][i], j);
                [[unroll]] for (int c = 0; c < C; c++)
                    sum[r][c] += x * b[c];
            }
        }
#endif
    }
}
#endif

void main()
{
    int z = int(gl_WorkGroupID.z);
    int row0 = int(gl_WorkGroupID.y) * R, col0 = int(gl_WorkGroupID.x) * SG * WIDE * C + lane * WIDE;
    int a_base = int(p.a_texel + uint(z) * p.a_batch / 4u), b_base = int(p.b_texel + uint(z) * p.b_batch / 4u);
#ifdef TN
    [[unroll]] for (int r = 0; r < R / 4; r++)
        a_row[r] = a_base + min(row0 + 4 * r, int(p.m) - 1) / 4;
#else
    [[unroll]] for (int r = 0; r < R; r++)
        a_row[r] = a_base + min(row0 + r, int(p.m) - 1) * int(p.a_row) / 4;
#endif
    [[unroll]] for (int c = 0; c < C; c++) {
        int col = min(col0 + c * SG * WIDE, int(p.n) - 1);
#ifdef NT
        b_col[c] = b_base + col * int(p.b_col) / 4;
#else
        b_col[c] = b_base + col / 4;
#endif
    }
    [[unroll]] for (int r = 0; r < R; r++)
        [[unroll]] for (int c = 0; c < C; c++)
            sum[r][c] = ACC(0.0);
    int whole = int(p.k) / STEP * STEP;
    for (int k = 0; k < whole; k += STEP)
        iterate(k, false);
    if (whole < int(p.k))
        iterate(whole, true);
    [[unroll]] for (int r = 0; r < R; r++)
        if (row0 + r < int(p.m))
            [[unroll]] for (int c = 0; c < C; c++) {
                uint at = uint(z) * p.c_batch + uint(row0 + r) * p.c_row;
                int col = col0 + c * SG * WIDE;
#ifdef NT
                if (col < int(p.n))
                    finish(at + uint(col), uint(col), sum[r][c]);
#else
                [[unroll]] for (int i = 0; i < 4; i++)
                    if (col + i < int(p.n))
                        finish(at + uint(col + i), uint(col + i), sum[r][c][i]);
#endif
            }
}
