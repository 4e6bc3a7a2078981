// Tiles of attention for GPUs, what forward_tiled, dq_tiled and dkdv_tiled share.
//
// A workgroup owns BR rows of one side (queries; keys in dkdv_tiled) and streams the other side, BC
// rows at a time. Two steps, over and over, and every operand passes through shared memory:
//   dots    s[r][c] = own row r . streamed row c, four channels a vec4, CHUNK vec4s of each row at a time;
//           an invocation has rows 4 rg .. 4 rg + 3 and columns tx TC .. tx TC + TC - 1 of the tile
//   spread  acc[r] += w[r][c] x[c], for the same four rows and the vec4s tx, tx + TX, ... of a row,
//           VC rows of x at a time; the weights w (probabilities, or their gradients) pass
//           transposed, so that a vec4 of them is a column of the four rows.
// Both steps use the same memory one after the other, so 16 KiB do for every head size. In shared
// memory rows lie in the order in which neighbouring invocations read them: slot i * n + x holds
// row x * (rows of an invocation) + i; with a vec4 behind each row there is no bank conflict.
// dots reads 4 + TC vec4s for 16 TC multiply-adds, spread 1 + TD for 16 TD.
//
// A NaN in a row must not reach rows that do not see it, and 0 * NaN is NaN: where parts of a tile are
// hidden (`partly`), scores of hidden pairs are replaced, and spread passes over weights of zero.
#include "attention/attention.glsl"
layout(local_size_x = 128) in;
#ifndef ROWS
#define ROWS 64u
#endif
layout(constant_id = 2) const uint BR = ROWS; // 8, 16, 32 or 64
const uint WG = 128u, D4 = D / 4u, RG = BR / 4u, TX = WG / RG;
const uint TC = TX >= 16u ? 64u / TX : 4u, BC = TX * TC, TD = (D4 + TX - 1u) / TX;
const uint CHUNK = D4 < 8u ? D4 : 8u, ROW = CHUNK + 1u, STREAMED = BR * ROW;
const uint VC = D4 > 16u ? 8u : 16u, W_ROW = RG + 1u, VALUES = BC * W_ROW;
const uint DOTS = (BR + BC) * ROW, SPREAD = VALUES + VC * D4;

shared vec4 pool[DOTS > SPREAD ? DOTS : SPREAD];

#include "attention/own_tile.glsl"

uint t = gl_LocalInvocationID.x, tx = t % TX, rg = t / TX;

// One side: rows `pitch` vec4s apart, `first` the first one of the tile; those from `rows` on repeat
// the last.
struct Side {
    QUADS4 x;
    uint at, pitch;
    int first, rows;
};

Side side(QUADS4 x, uint stride[3], uint b, uint h, int first, uint rows)
{
    return Side(x, (b * stride[0] + h * stride[2]) / 4u, stride[1] / 4u, first, int(rows));
}

vec4 fetch(Side a, uint row, uint c)
{
    return QUAD(a.x, a.at + uint(min(a.first + int(row), a.rows - 1)) * a.pitch + c);
}

void dots(Side own, Side streamed, out float s[4][TC])
{
    [[unroll]] for (uint i = 0u; i < 4u; i++)
        [[unroll]] for (uint k = 0u; k < TC; k++)
            s[i][k] = 0.0;
    [[dont_unroll]] for (uint c0 = 0u; c0 < D4; c0 += CHUNK) {
        barrier(); // all have read what was there
        [[dont_unroll]] for (uint n = t; n < BR * CHUNK; n += WG) {
            uint slot = n / CHUNK, c = c0 + n % CHUNK;
            pool[slot * ROW + n % CHUNK] =
                D4 % CHUNK == 0u || c < D4 ? fetch(own, slot % RG * 4u + slot / RG, c) : vec4(0.0);
        }
        [[dont_unroll]] for (uint n = t; n < BC * CHUNK; n += WG) {
            uint slot = n / CHUNK, c = c0 + n % CHUNK;
            pool[STREAMED + slot * ROW + n % CHUNK] =
                D4 % CHUNK == 0u || c < D4 ? fetch(streamed, slot % TX * TC + slot / TX, c) : vec4(0.0);
        }
        barrier();
        [[dont_unroll]] for (uint c = 0u; c < CHUNK; c++) {
            vec4 o[4];
            [[unroll]] for (uint i = 0u; i < 4u; i++)
                o[i] = pool[(i * RG + rg) * ROW + c];
            [[unroll]] for (uint k = 0u; k < TC; k++) {
                vec4 x = pool[STREAMED + (k * TX + tx) * ROW + c];
                [[unroll]] for (uint l = 0u; l < 4u; l++)
                    [[unroll]] for (uint i = 0u; i < 4u; i++)
                        s[i][k] += o[i][l] * x[l];
            }
        }
    }
}

// Of the four keys that a dropout4 is for, column k of an invocation whose first column is `first`: tiles
// begin at multiples of four.
uint of_four(int first, uint k) { return TC % 4u == 0u ? k & 3u : (uint(first) + k) & 3u; }

// The weights of column k for this invocation's rows; a barrier must lie between dots and this.
void weigh(uint k, vec4 w) { pool[(k * TX + tx) * W_ROW + rg] = w; }

void spread(Side x, bool partly, inout vec4 acc[4][TD])
{
    [[dont_unroll]] for (uint c0 = 0u; c0 < BC; c0 += VC) {
        if (c0 != 0u)
            barrier();
        [[dont_unroll]] for (uint n = t; n < VC * D4; n += WG) {
            uint slot = c0 + n / D4;
            pool[VALUES + n] = fetch(x, slot % TX * TC + slot / TX, n % D4);
        }
        barrier(); // these rows and all weights are there
        if (partly)
            [[dont_unroll]] for (uint c = 0u; c < VC; c++) {
                vec4 w = pool[(c0 + c) * W_ROW + rg];
                [[unroll]] for (uint d = 0u; d < TD; d++) {
                    vec4 v = pool[VALUES + c * D4 + min(d * TX + tx, D4 - 1u)];
                    [[unroll]] for (uint i = 0u; i < 4u; i++)
                        acc[i][d] += w[i] != 0.0 ? w[i] * v : vec4(0.0);
                }
            }
        else
            [[dont_unroll]] for (uint c = 0u; c < VC; c++) {
                vec4 w = pool[(c0 + c) * W_ROW + rg];
                [[unroll]] for (uint d = 0u; d < TD; d++) {
                    vec4 v = pool[VALUES + c * D4 + min(d * TX + tx, D4 - 1u)];
                    [[unroll]] for (uint i = 0u; i < 4u; i++)
                        acc[i][d] += w[i] * v;
                }
            }
    }
}
