#version 450
// Matmul of f16 or bf16 on matrix units (VK_KHR_cooperative_matrix), with f32 sums.
//
// A workgroup owns BM x BN of c, a subgroup of it WM x WN, in fragments of FM x FN: the shape that the
// device multiplies at once, FK deep. As in matmul/tiled, operands pass through shared memory, and the
// next copy's loads are under way while this one is multiplied. coopmat_copy.glsl puts 32 k at a time
// there with k inside, whatever the layout in memory: units of AMD want eight adjacent k of a row in a
// register quad. -DOCTS, coopmat_octs.glsl, leaves them as they are in memory: NVIDIA's units turn a
// fragment for nothing, and take lines of 16 bytes. Fragments are opaque, so finished ones pass through
// shared memory too, to the epilogue.
//
// Bounds: 2 M N K / (matrix FLOP/s), and 2 M N K (1 / BM + 1 / BN) / (bytes/s) from the last cache
// that does not hold the operands: at 128 x 128, 64 FLOP a byte there. Shared memory gives a
// subgroup WM / FM + WN / FN fragments for WM WN / (FM FN) products.
//! variant f16 -DELEMENT=float16_t
//! variant bf16 -DELEMENT=bfloat16_t -DBF16
//! variant f16.octs -DELEMENT=float16_t -DOCTS
//! variant bf16.octs -DELEMENT=bfloat16_t -DBF16 -DOCTS
//! needs GL_KHR_cooperative_matrix GL_EXT_bfloat16
//! full_subgroups 17
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#ifdef BF16
#extension GL_EXT_bfloat16 : require
#else
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#endif
#include "lib/prelude.glsl"
#include "matmul/coopmat.h"
#include "matmul/epilogue4.glsl"
layout(local_size_x_id = 5) in; // TUFF_COOPMAT_SUBGROUPS(BM, BN, WM, WN) * SG
layout(constant_id = 6) const uint BM = 32u;
layout(constant_id = 7) const uint BN = 32u;
layout(constant_id = 8) const uint WM = 16u;
layout(constant_id = 9) const uint WN = 16u;
layout(constant_id = 10) const uint PAD = 2u;
layout(constant_id = 11) const bool A_ALONG_K = true; // memory runs along k: a of nn, nt
layout(constant_id = 12) const bool B_ALONG_K = true; // b of nt, tt
layout(constant_id = 13) const bool A_QUADS = false;  // rows in memory begin at 8 bytes, in quads
layout(constant_id = 14) const bool B_QUADS = false;
layout(constant_id = 15) const bool C_QUADS = false;
layout(constant_id = 16) const bool TAIL = true; // K is no multiple of 32
layout(constant_id = 17) const uint SG = 32u;    // the subgroup's size, required
layout(constant_id = 18) const uint FM = 16u;
layout(constant_id = 19) const uint FN = 16u;
layout(constant_id = 20) const uint FK = 16u;
#ifdef OCTS
layout(constant_id = 24) const uint BK = 32u;
layout(constant_id = 25) const uint BUFFERS = 1u;
#else
const uint BK = TUFF_COOPMAT_K, BUFFERS = 1u;
#endif
const uint SUBGROUPS = TUFF_COOPMAT_SUBGROUPS(BM, BN, WM, WN), WG = SUBGROUPS * SG;
const uint BAND = 8u; // rows of tiles walked together: they share columns of b in the cache
// Finished rows of a subgroup's fragments, in quads; eight of them do not meet in a bank.
const uint STAGE_ROW = TUFF_COOPMAT_STAGE_ROW(WN), STAGE = TUFF_COOPMAT_STAGE(BM, BN, WM, WN, FM);

#ifdef OCTS
const uint A_SIZE = TUFF_COOPMAT_OCTS(BM, BK, A_ALONG_K);
const uint BUFFER = A_SIZE + TUFF_COOPMAT_OCTS(BN, BK, B_ALONG_K);
shared uvec4 tile[TUFF_COOPMAT_MAX(BUFFERS * BUFFER, STAGE)];
uint buffer_at = 0u; // of the copy in use
const uint WORDS = 1u; // of a staged quad
vec4 staged_quad(uint i) { return uintBitsToFloat(tile[i]); }
#else
// Rows of a, columns of b: quads of 32 k each.
shared uvec2 tile[TUFF_COOPMAT_MAX(TUFF_COOPMAT_SHARED(BM, BN, PAD), 2u * STAGE)];
const uint WORDS = 2u;
vec4 staged_quad(uint i) { return uintBitsToFloat(uvec4(tile[2u * i], tile[2u * i + 1u])); }
#endif

coopmat<float, gl_ScopeSubgroup, FM, FN, gl_MatrixUseAccumulator> sum[WM / FM][WN / FN];
uint t = gl_LocalInvocationIndex;
uint sub_row = gl_SubgroupID / (BN / WN) * WM, sub_col = gl_SubgroupID % (BN / WN) * WN;
uvec2 forward(uvec2 address, uint bytes)
{
    uint carry, low = uaddCarry(address.x, bytes, carry);
    return uvec2(low, address.y + carry);
}

uvec2 element(uvec2 address, uint i)
{
    return forward(uvec2(address.x, address.y + (i >> 31)), i << 1);
}

#ifdef OCTS
#include "matmul/coopmat_octs.glsl"
#else
#include "matmul/coopmat_copy.glsl"
#endif

// A subgroup's lanes meet: what they stored to shared memory is there for all of them.
void subgroup_meet()
{
    controlBarrier(gl_ScopeSubgroup, gl_ScopeSubgroup, gl_StorageSemanticsShared,
                   gl_SemanticsAcquireRelease);
}

// Staged rows of which these are the first row and column; neighbours in a subgroup follow memory. What is
// added to several quads is loaded before the first one is finished.
void finish_rows(uint row0, uint col0, uint base, uint staged)
{
    const uint QUADS_OF_ROW = WN / 4u, ALL = FM * QUADS_OF_ROW;
    const uint AT_ONCE = SG < 16u ? 1u : 4u; // software would compile the epilogue as often
    for (uint first = gl_SubgroupInvocationID; first < ALL; first += AT_ONCE * SG) {
        Rest rest[AT_ONCE];
        [[unroll]] for (uint q = 0u; q < AT_ONCE; q++) {
            uint i = first + q * SG, row = row0 + i / QUADS_OF_ROW, col = col0 + i % QUADS_OF_ROW * 4u;
            if (C_QUADS)
                rest[q] = rest4(i < ALL && row < p.m && col < p.n ? base + row * p.c_row + col : 0u);
        }
        [[unroll]] for (uint q = 0u; q < AT_ONCE; q++) {
            uint i = first + q * SG, row = row0 + i / QUADS_OF_ROW, col = col0 + i % QUADS_OF_ROW * 4u;
            uint at = base + row * p.c_row + col;
            if (i >= ALL || row >= p.m || col >= p.n)
                continue;
            vec4 x = staged_quad(staged + i / QUADS_OF_ROW * STAGE_ROW + i % QUADS_OF_ROW);
            if (C_QUADS)
                finish4(at, col, x, rest[q]);
            else
                [[unroll]] for (uint l = 0u; l < 4u; l++)
                    if (col + l < p.n)
                        finish(at + l, col + l, x[l]);
        }
    }
}

void finish_tile(uint row0, uint col0, uint base)
{
    uint staged = gl_SubgroupID * FM * STAGE_ROW;
    barrier(); // all have read the last copy, whose place this is
    // The epilogue's code once, and not for every fragment: what is indexed must be constant.
    [[dont_unroll]] for (uint f = 0u; f < WM / FM; f++) {
        subgroup_meet(); // all have read the last rows
        [[unroll]] for (uint i = 0u; i < WM / FM; i++)
            [[unroll]] for (uint j = 0u; j < WN / FN; j++)
                if (f == i)
                    coopMatStore(sum[i][j], tile, (staged + j * FN / 4u) * WORDS, STAGE_ROW * WORDS,
                                 gl_CooperativeMatrixLayoutRowMajor);
        subgroup_meet();
        finish_rows(row0 + sub_row + f * FM, col0 + sub_col, base, staged);
    }
    if (BUFFERS == 2u)
        barrier(); // the next tile's first copy comes before a barrier
}

void main()
{
    uint row_tiles = (p.m + BM - 1u) / BM, col_tiles = (p.n + BN - 1u) / BN;
    uint tiles = row_tiles * col_tiles, all = tiles * p.batch * p.parts;
    for (uint i = gl_WorkGroupID.x; i < all; i += gl_NumWorkGroups.x) {
        uint z = i / tiles, part = z / p.batch, in_batch = i % tiles;
        uint first = in_batch / (BAND * col_tiles) * BAND, height = min(BAND, row_tiles - first);
        uint in_band = in_batch - first * col_tiles;
        uint row0 = (first + in_band % height) * BM, col0 = in_band / height * BN;
        uint k0 = part * p.k_part, k_end = min(p.k, k0 + p.k_part);
        start_blocks(row0, col0, z % p.batch * p.a_batch, z % p.batch * p.b_batch, k0);
        load_blocks(k0, k_end);
        [[unroll]] for (uint y = 0u; y < WM / FM; y++)
            [[unroll]] for (uint x = 0u; x < WN / FN; x++)
                sum[y][x] = coopmat<float, gl_ScopeSubgroup, FM, FN, gl_MatrixUseAccumulator>(0.0);
        for (uint k = k0; k < k_end; k += BK) {
            if (BUFFERS == 1u)
                barrier(); // all have read the last copy
            share_blocks(k, k_end);
            barrier(); // with two buffers, all have read the last but one, too
            if (k + BK < k_end) // else the last copy is loaded once more, for nobody
                advance_blocks();
            multiply_and_load(k + BK < k_end ? k + BK : k, k_end);
#ifdef OCTS
            if (BUFFERS == 2u)
                buffer_at = BUFFER - buffer_at;
#endif
        }
        finish_tile(row0, col0, z * p.c_batch);
    }
}
