#version 450
//! variant a.sg4 -DSG=4
//! variant a.sg8 -DSG=8
//! variant at.sg4 -DSG=4 -DPACKED_A
//! variant at.sg8 -DSG=8 -DPACKED_A
//! variant a.loop.sg4 -DSG=4 -DLOOP
//! variant a.loop.sg8 -DSG=8 -DLOOP
//! variant at.loop.sg4 -DSG=4 -DPACKED_A -DLOOP
//! variant at.loop.sg8 -DSG=8 -DPACKED_A -DLOOP
// Matmul for lavapipe: operands as scalars and vectors through "uniform" addresses (uniform.glsl).
// b is packed in panels of SG * NC columns; a is [M, K] where it lies, or with -DPACKED_A in panels
// of R rows.
// A group owns R rows x SG * NC columns of c and has S subgroups. Subgroup s sums KC products, from
// k = s KC on, a lane a column. The S partial tiles meet in shared memory behind the only barrier
// and are added in the order of s; subgroup s finishes the tile's vectors s, s + S, ...
// No load leaves the operands: the last tile's rows are shifted inwards, as is the last KC, and
// what others have is masked; packed panels are always whole. Needs K >= KC, and M >= R for
// unpacked a. 2 M N K FLOP; 4 M N K (1 / R + 1 / (NC SG)) bytes from the cache. A larger KC means less
// to share, and code (300 bytes a k) that comes from a second-level cache, and longer to compile.
// -DLOOP, for lavapipe 26, whose loads are uniform in a loop as well, and which puts all loads of
// straight-line code before its arithmetic, so that what they load goes to memory and back: one
// subgroup, KC = K >= INNER products, in a loop.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "lib/math.glsl"
#include "matmul/packed.h"
#include "matmul/uniform.glsl"
layout(constant_id = 0) const bool HAS_BIAS = false;
layout(constant_id = 1) const int ACT = 0; // enum tuff_activation
layout(constant_id = 2) const bool STORE_PRE = false;
layout(constant_id = 3) const bool HAS_RESIDUAL = false;
layout(constant_id = 4) const bool ACCUMULATE = false;
layout(constant_id = 5) const uint KC = 64u;     // at most 16, or a multiple of 16
layout(constant_id = 6) const bool TAIL = false; // K is no multiple of what a launch sums, S KC
layout(constant_id = 7) const uint S = 1u;
layout(local_size_x_id = 8) in;                  // S * SG
layout(constant_id = 9) const uint EDGES = 3u;   // 1: M, 2: N is no multiple of the tile
layout(constant_id = 10) const bool BATCH = false;
layout(constant_id = 11) const uint ROW_DIGITS = 3u; // base-16 digits of the tile numbers
layout(constant_id = 12) const uint COL_DIGITS = 3u;
layout(constant_id = 13) const uint A_PITCH = 1u; // constant: addresses become base + displacement
layout(constant_id = 14) const bool HAS_SUM = false; // of earlier launches, over smaller k
layout(constant_id = 15) const bool ROW_MAJOR = false; // groups that follow each other share rows
#ifdef LOOP
const uint INNER = TUFF_MATMUL_LOOP_K; // what these load stays in registers
#else
const uint INNER = KC < 16u ? KC : 16u;
#endif
layout(set = 0, binding = 0, std430) buffer C { float c[]; };
layout(set = 0, binding = 1, std430) writeonly buffer Pre { float pre[]; };
layout(set = 0, binding = 2, std430) readonly buffer Residual { float residual[]; };
layout(set = 0, binding = 3, std430) readonly buffer Bias { float bias[]; };
layout(set = 0, binding = 4, std430) readonly buffer Sum { float sum[]; };

#include "matmul/tile.glsl"

#ifdef PACKED_A
const bool A_PACKED = true;
const uint A_K = R, A_ROW = 1u; // elements from k to k + 1, from row to row
#else
const bool A_PACKED = false;
const uint A_K = 1u, A_ROW = A_PITCH;
#endif

// acc += the product of k, element k of a and b; none if not live.
void add_product(Source a, Source b, uint k, bool live)
{
    float y[NC];
    [[unroll]] for (int j = 0; j < NC; j++) {
#define B_ELEMENT(l) b.v[k * WIDTH + j * SG + l]
        ROW(x, B_ELEMENT)
        y[j] = !TAIL || live ? x : 0.0;
    }
    [[unroll]] for (int r = 0; r < R; r++) {
        float x = a.v[k * A_K + r * A_ROW];
        if (TAIL)
            x = live ? x : 0.0;
        [[unroll]] for (int j = 0; j < NC; j++)
            acc[r][j] += x * y[j];
    }
}

// acc = the products of k in [k0, k0 + KC), which a and b point to, without those before k_mine (an
// earlier subgroup's).
#ifdef LOOP
void sum_products(uvec2 a, uvec2 b, uint k0, uint k_mine)
{
    clear_products();
    for (uint mine = 0u; mine < p.k; mine += INNER) {
        // Without a rest too: lavapipe runs a loop's body once more with all lanes masked, but no uniform load.
        uint first = min(mine, p.k - INNER);
        Source a_first = source_at(a, first * A_K), b_first = source_at(b, first * WIDTH);
        [[unroll]] for (uint i = 0u; i < INNER; i++)
            add_product(a_first, b_first, i, first + i >= mine);
    }
}
#else
void sum_products(uvec2 a, uvec2 b, uint k0, uint k_mine)
{
    clear_products();
    [[unroll]] for (uint block = 0u; block < KC; block += INNER) // NIR unrolls 32 rounds at most
        [[unroll]] for (uint i = 0u; i < INNER; i++)
            add_product(Source(a), Source(b), block + i, k0 + block + i >= k_mine);
}
#endif

// SG columns of c from element `at` on, the first being `col`: matmul/epilogue.glsl, by vectors.
void finish_vector(float x, uint at, uint sum_at, uint col, bool live)
{
    if (HAS_SUM) {
#define SUM_ELEMENT(l) sum[EDGES != 0u && !LIVE(l) ? 0u : sum_at + l]
        ROW(y, SUM_ELEMENT)
        x = y + x;
    }
    x *= p.alpha;
    if (HAS_BIAS) {
#define BIAS_ELEMENT(l) bias[COL_EDGE ? min(col + l, p.n - 1u) : col + l]
        ROW(y, BIAS_ELEMENT)
        x += y;
    }
    if (STORE_PRE) {
        STORE(pre, x)
    }
    x = tuff_activate(ACT, x);
    if (HAS_RESIDUAL) {
#define RESIDUAL_ELEMENT(l) residual[PLACE(l)]
        ROW(y, RESIDUAL_ELEMENT)
        x += y;
    }
    if (ACCUMULATE) {
#define C_ELEMENT(l) c[PLACE(l)]
        ROW(y, C_ELEMENT)
        x = y + x;
    }
    STORE(c, x)
}

void main()
{
    uint s = S > 1u ? uniformly(gl_SubgroupID, S > 16u ? 2u : 1u) : 0u;
    uint row_mine = uniformly(ROW_MAJOR ? gl_WorkGroupID.y : gl_WorkGroupID.x, ROW_DIGITS) * R;
    uint col0 = uniformly(ROW_MAJOR ? gl_WorkGroupID.x : gl_WorkGroupID.y, COL_DIGITS) * WIDTH;
    uint z = BATCH ? uniformly(gl_WorkGroupID.z, 3u) : 0u, k_mine = p.k_first + s * KC;
    uint row0 = ROW_EDGE && !A_PACKED ? min(row_mine, p.m - R) : row_mine;
    uint k0 = TAIL ? min(k_mine, p.k - KC) : k_mine;
    uint a_at = A_PACKED ? row0 * p.k + k0 * R : row0 * A_PITCH + k0;
    sum_products(address_at(p.a, z * p.a_batch + a_at),
                 address_at(p.b, z * p.b_batch + col0 * p.k + k0 * WIDTH), k0, k_mine);
    share_products(s);
    [[unroll]] for (uint i = 0u; i < VECTORS_EACH; i++) {
        uint v = vector_of(i, s);
        bool live = vector_live(i, s);
        float x = total_of(i, v);
        uint row = row0 + v / NC, col = col0 + v % NC * SG;
        live = live && ROW_LIVE(row);
        finish_vector(x, p.c + z * p.c_batch + row * p.c_row + col,
                      p.sum + (z * p.m + row) * p.n + col, col, live);
    }
}
