#version 450
// Matmul for GPUs: operands pass through shared memory, sums stay in registers.
//
// A workgroup owns BM x BN of c. For every 16 k it copies BM x 16 of a and 16 x BN of b to shared
// memory, k outside and rows (columns of b) inside, whatever their layout is: a 4 x 4 block is
// loaded as four vec4 along the operand's memory, turned in registers where that runs along k, and
// written as four vec4, of F32 also where memory has halves. The copy for the next 16 k is loaded into registers before the products of
// this one are taken, so memory works while the arithmetic does. An invocation owns TM x TN: quads
// of rows BM / (TM / 4) apart and quads of columns likewise, so that neighbours read neighbouring
// vec4 (no bank conflicts). Layouts, aligned and odd operands, and tiles are constants.
//
// Bounds: 2 M N K / (FLOP/s), and 4 M N K (1 / BM + 1 / BN) / (bytes/s) from the last cache that
// does not hold the operands: at 128 x 128, 32 FLOP a byte there; (M N + M K + N K) 4 / (bytes/s)
// from memory. Shared memory gives each invocation TM + TN floats for TM TN multiply-adds.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "matmul/tiled.h"
#include "matmul/epilogue4.glsl"
layout(local_size_x_id = 5) in; // TUFF_TILED_INVOCATIONS(BM, BN, TM, TN)
layout(constant_id = 6) const uint BM = 32u;
layout(constant_id = 7) const uint BN = 32u;
layout(constant_id = 8) const uint TM = 4u;
layout(constant_id = 9) const uint TN = 4u;
layout(constant_id = 10) const uint PAD = 1u;
layout(constant_id = 11) const bool A_ALONG_K = true; // memory runs along k: a of nn, nt
layout(constant_id = 12) const bool B_ALONG_K = true; // b of nt, tt
layout(constant_id = 13) const bool A_QUADS = false;  // rows in memory begin with whole quads
layout(constant_id = 14) const bool B_QUADS = false;
layout(constant_id = 15) const bool C_QUADS = false;  // and c has whole quads
layout(constant_id = 16) const bool TAIL = true;      // K is no multiple of 16
layout(constant_id = 17) const bool HALVES = false;   // a and b are of half precision
const uint BK = TUFF_TILED_K;
const uint WG = TUFF_TILED_INVOCATIONS(BM, BN, TM, TN);
const uint A_ROW = TUFF_TILED_ROW(BM, PAD), B_ROW = TUFF_TILED_ROW(BN, PAD);
const uint A_BLOCKS = BM * BK / 16u, BLOCKS = (BM + BN) * BK / 16u; // 4 x 4 blocks of a copy
const uint EACH = BLOCKS / WG; // of these an invocation has; tiles are such that it divides
const uint A_SHARED = TUFF_TILED_SHARED(BM, PAD);
const uint TX = BN / TN, TY = BM / TM;
const uint BAND = 8u; // rows of tiles walked together: they share columns of b in the cache

shared vec4 tile[A_SHARED + TUFF_TILED_SHARED(BN, PAD)]; // of a, of b

vec4 sum[TM][TN / 4u];
uint t = gl_LocalInvocationIndex;
#include "matmul/tiled_copy.glsl"

void multiply()
{
    uint x = t % TX, y = t / TX;
    [[unroll]] for (uint k = 0u; k < BK; k++) {
        vec4 a[TM / 4u], b[TN / 4u];
        [[unroll]] for (uint i = 0u; i < TM / 4u; i++)
            a[i] = tile[k * A_ROW + i * TY + y];
        [[unroll]] for (uint j = 0u; j < TN / 4u; j++)
            b[j] = tile[A_SHARED + k * B_ROW + j * TX + x];
        [[unroll]] for (uint i = 0u; i < TM; i++)
            [[unroll]] for (uint j = 0u; j < TN / 4u; j++)
                sum[i][j] += a[i / 4u][i % 4u] * b[j];
    }
}

void finish_tile(uint row0, uint col0, uint base)
{
    [[unroll]] for (uint i = 0u; i < TM; i++)
        [[unroll]] for (uint j = 0u; j < TN / 4u; j++) {
            uint row = row0 + (i / 4u * TY + t / TX) * 4u + i % 4u;
            uint col = col0 + (j * TX + t % TX) * 4u, at = base + row * p.c_row + col;
            if (row >= p.m || col >= p.n)
                continue;
            if (C_QUADS)
                finish4(at, col, sum[i][j], rest4(at));
            else
                [[unroll]] for (uint l = 0u; l < 4u; l++)
                    if (col + l < p.n)
                        finish(at + l, col + l, sum[i][j][l]);
        }
}

void main()
{
    uint row_tiles = (p.m + BM - 1u) / BM, col_tiles = (p.n + BN - 1u) / BN;
    uint tiles = row_tiles * col_tiles, all = tiles * p.batch * p.parts;
    for (uint tile = gl_WorkGroupID.x; tile < all; tile += gl_NumWorkGroups.x) {
        uint z = tile / tiles, part = z / p.batch, in_batch = tile % tiles;
        uint first = in_batch / (BAND * col_tiles) * BAND, height = min(BAND, row_tiles - first);
        uint in_band = in_batch - first * col_tiles;
        uint row0 = (first + in_band % height) * BM, col0 = in_band / height * BN;
        uint k0 = part * p.k_part, k_end = min(p.k, k0 + p.k_part);
        start_blocks(row0, col0, z % p.batch * p.a_batch, z % p.batch * p.b_batch, k0);
        if (TAIL && k0 + BK > k_end)
            cut_blocks(k0, k_end);
        load_blocks();
        [[unroll]] for (uint i = 0u; i < TM; i++)
            [[unroll]] for (uint j = 0u; j < TN / 4u; j++)
                sum[i][j] = vec4(0.0);
        for (uint k = k0; k < k_end; k += BK) {
            barrier(); // all have read the last copy
            share_blocks(k, k_end);
            barrier();
            if (k + BK < k_end) // else the last copy is loaded once more, for nobody
                advance_blocks();
            if (TAIL && k + BK < k_end && k + 2u * BK > k_end)
                cut_blocks(k + BK, k_end);
            load_blocks();
            multiply();
        }
        finish_tile(row0, col0, z * p.c_batch);
    }
}
