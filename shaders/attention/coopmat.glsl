// Attention on matrix units (VK_KHR_cooperative_matrix), f16 or bf16 with F32 sums: what
// forward_coopmat, dq_coopmat and dkdv_coopmat share.
//
// A workgroup owns BR rows of one side (queries; keys in dkdv_coopmat), a subgroup ROWS of them, whose
// operands stay in its fragments. The other side passes through shared memory, COLS rows of two tensors at
// a time, loaded into registers while the last ones are at work. Fragments are opaque, so scores are stored
// to shared memory, where lanes know which pair a number belongs to; they come back as halves, the first
// operand of the second product:
//   DOTS    s[r][c] = own row r . streamed row c
//   SPREAD  acc[r] += w[r][c] x[c], x the streamed rows
// What subgroups pass through shared memory is their own: they do not wait for each other there.
//
// Bounds: 4 (forward), 6 and 8 D FLOP a pair over the rate of the units; a subgroup reads each streamed
// fragment from shared memory for ROWS / FM products.
//
// A NaN must not reach rows that do not see it, and 0 * NaN is NaN: where parts of a tile are hidden
// (`partly`), rows of it that hold NaN or infinities become zeroes with a flag (`clean`).
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#extension GL_KHR_shader_subgroup_vote : require
#ifdef BF16
#extension GL_EXT_bfloat16 : require
#define ELEMENT bfloat16_t
#else
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#define ELEMENT float16_t
#endif
#define HALF
#include "lib/prelude.glsl"
#include "attention/coopmat.h"
#include "attention/attention.glsl"
layout(local_size_x_id = 7) in; // SUBGROUPS * SG
layout(constant_id = 2) const uint ROWS = 16u;
layout(constant_id = 3) const uint COLS = 32u;
layout(constant_id = 7) const uint WG = 128u;
layout(constant_id = 8) const uint SG = 32u; // the subgroup's size, required
layout(constant_id = 9) const uint SUBGROUPS = 4u;
layout(constant_id = 10) const uint FM = 16u; // a product of fragments: FM x FN, FK deep
layout(constant_id = 11) const uint FN = 16u;
layout(constant_id = 12) const uint FK = 16u;
// Subgroups skip what they do not see. llvmpipe takes a subgroup's barrier for one of the workgroup, which
// all must come to.
layout(constant_id = 13) const bool APART = true;
const uint BR = SUBGROUPS * ROWS;
#include "attention/own_tile.glsl"
layout(buffer_reference, std430, buffer_reference_align = 16) buffer U32x4 { uvec4 v[]; };

const uint OCTS = D / 8u, OCT_ROW = TUFF_ATTENTION_OCTS(D), TILE = COLS * OCT_ROW;
const uint QUADS = COLS / 4u, ROW = TUFF_ATTENTION_SCORE_QUADS(COLS), SCORES = SUBGROUPS * ROWS * ROW;
const uint W_ROW = TUFF_ATTENTION_WEIGHT_OCTS(COLS), WEIGHTS = SUBGROUPS * ROWS * W_ROW;
shared uvec4 tiles[2u * TILE];
shared uvec4 scores[MATRICES * SCORES];
shared uvec4 weights[MATRICES * WEIGHTS];
shared float flags[COLS];              // 0, or NaN where `clean` found one in the row
shared vec2 row_stats[SUBGROUPS * ROWS]; // of own rows

#define MATRIX(type, rows, cols, use) coopmat<type, gl_ScopeSubgroup, rows, cols, use>
#define A_FRAGMENT MATRIX(ELEMENT, FM, FK, gl_MatrixUseA)
#define B_FRAGMENT MATRIX(ELEMENT, FK, FN, gl_MatrixUseB)
#define SUMS MATRIX(float, FM, FN, gl_MatrixUseAccumulator)
const uint RM = ROWS / FM, CN = COLS / FN, DK = D / FK, DN = D / FN;

uint t = gl_LocalInvocationIndex, lane = gl_SubgroupInvocationID;
uint own_scores = gl_SubgroupID * ROWS * ROW, own_weights = gl_SubgroupID * ROWS * W_ROW;

// A subgroup's lanes meet: what they stored to shared memory is there for all of them.
void subgroup_meet()
{
    controlBarrier(gl_ScopeSubgroup, gl_ScopeSubgroup, gl_StorageSemanticsShared,
                   gl_SemanticsAcquireRelease);
}

// Rows of a (b, h), `pitch` octs apart; those from `rows` on repeat the last.
struct Side {
    U32x4 x;
    uint at, pitch;
    int rows;
};

Side side(U32x2 x, uint stride[3], uint b, uint h, uint rows)
{
    return Side(U32x4(x), (b * stride[0] + h * stride[2]) / 8u, stride[1] / 8u, int(rows));
}

uvec4 fetch(Side a, int row, uint oct)
{
    return a.x.v[a.at + uint(min(row, a.rows - 1)) * a.pitch + oct];
}

// ---- streamed rows: from memory to registers, and on to shared memory ----

const uint ALL = COLS * OCTS, EACH = (ALL + WG - 1u) / WG;
struct Loaded {
    uvec4 x[EACH];
};

uint number(uint i) { return ALL % WG == 0u ? i * WG + t : min(i * WG + t, ALL - 1u); }

void load(out Loaded a, Side from_, int first)
{
    [[unroll]] for (uint i = 0u; i < EACH; i++)
        a.x[i] = fetch(from_, first + int(number(i) / OCTS), number(i) % OCTS);
}

void share(Loaded a, uint tile)
{
    [[unroll]] for (uint i = 0u; i < EACH; i++)
        tiles[tile + number(i) / OCTS * OCT_ROW + number(i) % OCTS] = a.x[i];
}

void clean(uint tile)
{
#ifdef BF16
    const uint special = 0x7f80u;
#else
    const uint special = 0x7c00u;
#endif
    [[dont_unroll]] for (uint row = t; row < COLS; row += WG) {
        bool bad = false;
        [[dont_unroll]] for (uint i = 0u; i < OCTS; i++) {
            uvec4 x = tiles[tile + row * OCT_ROW + i];
            bad = bad || any(equal(x & special, uvec4(special))) ||
                  any(equal(x >> 16 & special, uvec4(special)));
        }
        flags[row] = bad ? uintBitsToFloat(0x7fc00000u) : 0.0;
        if (bad)
            [[dont_unroll]] for (uint i = 0u; i < OCTS; i++)
                tiles[tile + row * OCT_ROW + i] = uvec4(0u);
    }
}

// ---- products ----

// Own rows to fragments, by way of the scores' memory, CHUNK channels at a time. Fragments are indexed by
// constants only, in loops without others inside: what drivers do not unroll they put into memory.
const uint CHUNK = 2u * COLS, CHUNKS = (D + CHUNK - 1u) / CHUNK, OUT_CHUNKS = (D + COLS - 1u) / COLS;
#define LOAD_OWN(own, from_, first)                                                                \
    [[dont_unroll]] for (uint c_ = 0u; c_ < CHUNKS; c_++) {                                        \
        uint octs_ = min(CHUNK, D - c_ * CHUNK) / 8u;                                              \
        subgroup_meet();                                                                           \
        [[dont_unroll]] for (uint n_ = lane; n_ < ROWS * octs_; n_ += SG)                          \
            scores[own_scores + n_ / octs_ * ROW + n_ % octs_] =                                   \
                fetch(from_, first + int(n_ / octs_), c_ * CHUNK / 8u + n_ % octs_);               \
        subgroup_meet();                                                                           \
        [[unroll]] for (uint k_ = 0u; k_ < DK; k_++)                                               \
            if (k_ * FK / CHUNK == c_)                                                             \
                [[unroll]] for (uint r_ = 0u; r_ < RM; r_++)                                       \
                    coopMatLoad(own[r_][k_], scores,                                               \
                                own_scores + r_ * FM * ROW + k_ * FK % CHUNK / 8u, ROW,            \
                                gl_CooperativeMatrixLayoutRowMajor);                               \
    }                                                                                              \
    subgroup_meet();

#define DOTS(own, tile, matrix)                                                                    \
    [[unroll]] for (uint c_ = 0u; c_ < CN; c_++) {                                                 \
        SUMS s_[RM];                                                                               \
        [[unroll]] for (uint r_ = 0u; r_ < RM; r_++)                                               \
            s_[r_] = SUMS(0.0);                                                                    \
        [[unroll]] for (uint k_ = 0u; k_ < DK; k_++) {                                             \
            B_FRAGMENT b_;                                                                         \
            coopMatLoad(b_, tiles, (tile) + c_ * FN * OCT_ROW + k_ * FK / 8u, OCT_ROW,             \
                        gl_CooperativeMatrixLayoutColumnMajor);                                    \
            [[unroll]] for (uint r_ = 0u; r_ < RM; r_++)                                           \
                s_[r_] = coopMatMulAdd(own[r_][k_], b_, s_[r_]);                                   \
        }                                                                                          \
        [[unroll]] for (uint r_ = 0u; r_ < RM; r_++)                                               \
            coopMatStore(s_[r_], scores,                                                           \
                         (matrix) * SCORES + own_scores + r_ * FM * ROW + c_ * FN / 4u, ROW,       \
                         gl_CooperativeMatrixLayoutRowMajor);                                      \
    }

#define SPREAD(matrix, tile, acc)                                                                  \
    [[unroll]] for (uint k_ = 0u; k_ < COLS / FK; k_++) {                                          \
        A_FRAGMENT a_[RM];                                                                         \
        [[unroll]] for (uint r_ = 0u; r_ < RM; r_++)                                               \
            coopMatLoad(a_[r_], weights,                                                           \
                        (matrix) * WEIGHTS + own_weights + r_ * FM * W_ROW + k_ * FK / 8u, W_ROW,  \
                        gl_CooperativeMatrixLayoutRowMajor);                                       \
        [[unroll]] for (uint d_ = 0u; d_ < DN; d_++) {                                             \
            B_FRAGMENT b_;                                                                         \
            coopMatLoad(b_, tiles, (tile) + k_ * FK * OCT_ROW + d_ * FN / 8u, OCT_ROW,             \
                        gl_CooperativeMatrixLayoutRowMajor);                                       \
            [[unroll]] for (uint r_ = 0u; r_ < RM; r_++)                                           \
                acc[r_][d_] = coopMatMulAdd(a_[r_], b_, acc[r_][d_]);                              \
        }                                                                                          \
    }

#define CLEAR(acc)                                                                                 \
    [[unroll]] for (uint r_ = 0u; r_ < RM; r_++)                                                   \
        [[unroll]] for (uint d_ = 0u; d_ < DN; d_++)                                               \
            acc[r_][d_] = SUMS(0.0);

// Read once: barriers would have them read again.
float capped = query_scale(), powers = LOG2E * (SOFTCAP ? unit() : arg.shape.scale);

// q . k as a power of two, of query i and key j; grad: its derivative but for the scale, with soft-capping.
float power(float s, float slope_h, int i, int j, out float grad)
{
    float y = SOFTCAP ? cap(capped * s) : s;
    grad = cap_grad(y);
    return powers * y + (ALIBI ? LOG2E * bias(slope_h, i, j) : 0.0);
}

vec4 score4(uint matrix, uint row, uint quad)
{
    return uintBitsToFloat(scores[matrix * SCORES + own_scores + row * ROW + quad]);
}

// A quad of a row of weights. In memory they are octs: units take rows of 16 aligned bytes faster by far.
void weigh4(uint matrix, uint row, uint quad, vec4 w)
{
    uint at = matrix * WEIGHTS + own_weights + row * W_ROW + quad / 2u, half_ = quad % 2u * 2u;
#ifdef BF16
    uvec2 x = to_half4(w);
#else
    uvec2 x = uvec2(packFloat2x16(f16vec2(w.xy)), packFloat2x16(f16vec2(w.zw)));
#endif
    weights[at][half_] = x.x;
    weights[at][half_ + 1u] = x.y;
}

// Finished rows to memory by way of the scores' memory, COLS channels at a time; `value` is made of x, four
// channels of row `row`.
#define STORE_OWN(acc, to, stride, first, rows, b, h, value)                                       \
    [[dont_unroll]] for (uint c_ = 0u; c_ < OUT_CHUNKS; c_++) {                                    \
        uint quads_ = min(COLS, D - c_ * COLS) / 4u;                                               \
        subgroup_meet();                                                                           \
        [[unroll]] for (uint d_ = 0u; d_ < DN; d_++)                                               \
            if (d_ * FN / COLS == c_)                                                              \
                [[unroll]] for (uint r_ = 0u; r_ < RM; r_++)                                       \
                    coopMatStore(acc[r_][d_], scores,                                              \
                                 own_scores + r_ * FM * ROW + d_ * FN % COLS / 4u, ROW,            \
                                 gl_CooperativeMatrixLayoutRowMajor);                              \
        subgroup_meet();                                                                           \
        [[dont_unroll]] for (uint n_ = lane; n_ < ROWS * quads_; n_ += SG) {                       \
            uint row = n_ / quads_;                                                                \
            vec4 x = score4(0u, row, n_ % quads_);                                                 \
            if ((first) + int(row) < int(rows))                                                    \
                STORE_QUAD(to, row4(stride, b, uint(first) + row, h) + c_ * COLS / 4u + n_ % quads_,\
                           value);                                                                 \
        }                                                                                          \
    }
