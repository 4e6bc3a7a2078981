#version 450
//! variant norm.sg4 -DSG=4 -DNORM
//! variant norm.sg8 -DSG=8 -DNORM
//! variant norm_grad.sg4 -DSG=4 -DNORM_GRAD
//! variant norm_grad.sg8 -DSG=8 -DNORM_GRAD
//! variant softmax.sg4 -DSG=4 -DSOFTMAX
//! variant softmax.sg8 -DSG=8 -DSOFTMAX
//! variant softmax_grad.sg4 -DSG=4 -DSOFTMAX_GRAD
//! variant softmax_grad.sg8 -DSG=8 -DSOFTMAX_GRAD
//! variant cross_entropy_grad.sg4 -DSG=4
//! variant cross_entropy_grad.sg8 -DSG=8
// The second of two kernels for rows on lavapipe: each element, by what rows/sums_cpu (or
// loss/cross_entropy) found of its row; or the only one of norm, with BLOCKS, where rows are few and a
// launch costs more than sums that every subgroup makes anew. A subgroup takes VECTORS vectors of a row, a
// group those of S rows. Formulas as in rows/layer_norm, layer_norm_grad, softmax, softmax_grad and
// loss/cross_entropy_grad. Moves 8 to 16 bytes an element: bandwidth-bound.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "rows/apply_cpu.h"
#include "lib/vectors.glsl"
layout(constant_id = 0) const uint S = 1u; // rows a group
layout(local_size_x_id = 1) in;            // S * SG
layout(constant_id = 2) const uint VECTORS = 16u; // at most 32
layout(constant_id = 3) const uint DIGITS = 4u;   // base-16 digits of a group's numbers
layout(constant_id = 4) const uint ROW_DIGITS = 4u;
layout(constant_id = 5) const bool WHOLE = false; // n is a multiple of VECTORS vectors
layout(constant_id = 6) const bool HAS_OTHER = false;
#ifdef NORM
layout(constant_id = 7) const float EPS = 0.0; // with BLOCKS
#else
layout(constant_id = 7) const float SMOOTHING = 0.0; // of cross_entropy_grad
#endif
layout(constant_id = 8) const uint BLOCKS = 0u; // a row is BLOCKS * EACH vectors
layout(constant_id = 9) const uint EACH = 1u;
layout(constant_id = 10) const bool RMS = false;
// Vectors that are loaded before the first of them is worked on: an exponential between two loads
// is longer than what a core looks ahead.
#if defined(NORM) || defined(NORM_GRAD) || defined(SOFTMAX) || defined(SOFTMAX_GRAD)
const uint AT_ONCE = 1u;
#else
const uint AT_ONCE = 8u;
#endif
layout(set = 0, binding = 0, std430) writeonly buffer Y { vec4 y[]; };

#ifdef NORM
#include "rows/norm_sums.glsl"
#endif

void main()
{
    uint first = DIGITS > 0u ? uniformly(gl_WorkGroupID.x, DIGITS) * VECTORS * SG : 0u;
    uint mine = uniformly(gl_WorkGroupID.y, ROW_DIGITS) * S + uniformly(gl_SubgroupID, 2u);
    bool live = mine < p.rows;
    uint row = min(mine, p.rows - 1u), to = p.y + mine * p.n;
    float s0 = 0.0, s1 = 0.0;
    if (BLOCKS == 0u) {
        Source stats = source_at(p.stats, 2u * row);
        s0 = stats.v[0];
        s1 = stats.v[1];
    }
#ifdef NORM
    if (BLOCKS > 0u) {
        vec2 sums = norm_sums(source_at(p.x, row * p.n), float(p.n), EPS);
        s0 = sums.x;
        s1 = sums.y;
    }
#endif
#if defined(NORM_GRAD)
    Source more = source_at(p.more, 2u * row);
    float m0 = more.v[0], m1 = more.v[1];
#elif !defined(NORM) && !defined(SOFTMAX) && !defined(SOFTMAX_GRAD)
    float scale = source_at(p.weight, 0u).v[0] * source_at(p.other, 0u).v[0];
    uint target = floatBitsToUint(source_at(p.more, row).v[0]);
    bool counted = target < p.columns;
#endif
    [[unroll]] for (uint block = 0u; block < VECTORS; block += AT_ONCE) {
        float loaded[AT_ONCE];
        [[unroll]] for (uint i = 0u; i < AT_ONCE; i++) { // loops of a constant length: others stay loops
            uint at = WHOLE ? first : min(first + (block + i) * SG, p.n - SG), ahead = WHOLE ? (block + i) * SG : 0u;
            if (block + i < VECTORS) {
                LOAD(x, source_at(p.x, row * p.n + at), ahead)
                loaded[i] = x;
            }
        }
        [[unroll]] for (uint i = 0u; i < AT_ONCE; i++) {
            uint k = first + (block + i) * SG, at = WHOLE ? first : min(k, p.n - SG), ahead = WHOLE ? (block + i) * SG : 0u;
            float x = loaded[i];
#if defined(NORM_GRAD)
            LOAD(dy, source_at(p.dy, row * p.n + at), ahead)
            LOAD(w, source_at(p.weight, at), ahead)
            float value = s1 * (dy * w - m0 - (x - s0) * m1);
            if (HAS_OTHER) {
                LOAD(r, source_at(p.other, row * p.n + at), ahead)
                value += r;
            }
#elif defined(NORM)
            LOAD(w, source_at(p.weight, at), ahead)
            float value = (x - s0) * s1 * w;
            if (HAS_OTHER) {
                LOAD(b, source_at(p.other, at), ahead)
                value += b;
            }
#elif defined(SOFTMAX)
            float value = exp(x - s0) * s1;
#elif defined(SOFTMAX_GRAD)
            LOAD(dy, source_at(p.dy, row * p.n + at), ahead)
            float value = x * (dy - s0);
#else
            uint column = at + ahead + lane;
            float wanted = SMOOTHING / float(p.columns) + (column == target ? 1.0 - SMOOTHING : 0.0);
            float value = (exp((x - s0) - s1) - wanted) * scale;
            bool real = column < p.columns;
            value = counted && real ? value : 0.0;
#endif
            bool inside = WHOLE || k < p.n;
            uint place = live && inside ? (to + k) / 4u : DROP4;
            if (block + i < VECTORS) {
                STORE(y, place, value)
            }
        }
    }
}
