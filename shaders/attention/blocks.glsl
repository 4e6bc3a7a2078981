// Common to the kernels of attention by blocks, for lavapipe: straight-line products at the rate of
// matmul/packed, of "uniform" scalars (matmul/uniform.glsl) and vectors whose lanes own columns.
//
// Five kernels, with memory between them that is bounded and stays in the cache:
//   pack     copies rows of q, k, v, dO: dense, finite, zero where there are none; keys also turned.
//   scores   64 keys of some queries, a product over D, and its epilogue: exp(s - m) and m, sum of
//            these rows and keys; or with the log-sum-exp known p; or from dP dS.
//   combine  the factors of each (row, band of keys): exp(m - M) / sum.
//   sums     64 terms of O, dQ, dK or dV: a product of p or dS with a band of rows, added to what the
//            bands before left.
// Bands that no pair of query and key reaches are not launched. Nothing is made twice in the
// gradient: 5 products, where kernels that keep p in registers need 7.
// A product's masked factor is 0, and its other factor is finite: rows that hold NaN or infinities
// are packed as zeroes with a flag, NaN, that meets the p of those who see them.
#extension GL_EXT_shader_explicit_arithmetic_types_int64 : require
#define DIGIT_BITS 3u
#define NUMBERS arg.t
#include "matmul/uniform.glsl"
#include "matmul/row.glsl"
// A subgroup has a tile of its own, and a group so many of them: starting one is not free.
#ifndef SUBGROUPS
#define SUBGROUPS 8u
#endif
layout(local_size_x = SG * SUBGROUPS) in;
#ifndef DIGITS_ID
#define DIGITS_ID 2
#endif
layout(constant_id = DIGITS_ID) const uint X_DIGITS = 4u; // base-8 digits of the group's numbers
layout(constant_id = DIGITS_ID + 1) const uint Y_DIGITS = 4u;
layout(constant_id = DIGITS_ID + 2) const uint Z_DIGITS = 4u;

const uint BAND = TUFF_ATTENTION_BAND;
const uint DROP_PAIR = 0x0fffffffu; // DROP, counted in pairs of floats; a little may be added
uint lane = gl_SubgroupInvocationID;

// A store is a test of its place, a branch and a move of at most 64 bits: floats go by twos.
uint64_t both(float x, float y) { return packUint2x32(floatBitsToUint(vec2(x, y))); }
// Pairs of lanes of x to `target`, an array of such pairs, from its element `at` on.
#define STORE_LANES(target, at, x) \
    [[unroll]] for (int l = 0; l < SG; l += 2) \
        target[(at) + l / 2] = both(subgroupShuffle(x, l), subgroupShuffle(x, l + 1));

float lanes_max(float x)
{
    float y = subgroupShuffle(x, 0);
    [[unroll]] for (int l = 1; l < SG; l++)
        y = max(y, subgroupShuffle(x, l));
    return y;
}

float lanes_sum(float x)
{
    float y = subgroupShuffle(x, 0);
    [[unroll]] for (int l = 1; l < SG; l++)
        y += subgroupShuffle(x, l);
    return y;
}

uint tile_number()
{
    return uniformly(gl_WorkGroupID.x, X_DIGITS) * SUBGROUPS + uniformly(gl_SubgroupID, 1u);
}

// The batch row of z; a quotient by way of floats, which all lanes of a vector can take at once.
uint batch_of(uint z, uint Hkv) { return uint((float(z) + 0.5) / float(Hkv)); }
