#version 450
//! variant add.sg4 -DSG=4 -DADD
//! variant add.sg8 -DSG=8 -DADD
//! variant mul.sg4 -DSG=4 -DMUL
//! variant mul.sg8 -DSG=8 -DMUL
//! variant copy.sg4 -DSG=4 -DCOPY
//! variant copy.sg8 -DSG=8 -DCOPY
//! variant scale.sg4 -DSG=4 -DSCALE
//! variant scale.sg8 -DSG=8 -DSCALE
//! variant activate.sg4 -DSG=4 -DACTIVATE
//! variant activate.sg8 -DSG=8 -DACTIVATE
//! variant activate_grad.sg4 -DSG=4 -DACTIVATE_GRAD
//! variant activate_grad.sg8 -DSG=8 -DACTIVATE_GRAD
//! variant fill.sg4 -DSG=4 -DFILL
//! variant fill.sg8 -DSG=8 -DFILL
//! variant to_f32.sg4 -DSG=4 -DTO_F32
//! variant to_f32.sg8 -DSG=8 -DTO_F32
//! variant to_u32.sg4 -DSG=4 -DTO_U32
//! variant to_u32.sg8 -DSG=8 -DTO_U32
//! variant dropout.sg4 -DSG=4 -DDROPOUT
//! variant dropout.sg8 -DSG=8 -DDROPOUT
// Elementwise kernels for lavapipe, to the same bits as the other forms (lib/flat.glsl). A subgroup
// takes VECTORS vectors of a row, a group SX x SY of those. n is a multiple of SG. 4 bytes an
// element of each operand: bandwidth-bound. Dropout treats four vectors at a time, a lane four elements
// side by side, which share a block of random words: some 10 instructions an element.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "elementwise/flat_cpu.h"
#include "lib/vectors.glsl"
#include "lib/math.glsl"
#include "lib/philox.glsl"
layout(constant_id = 0) const int ACT = 0; // enum tuff_activation
layout(local_size_x_id = 1) in;            // SX * SY * SG
layout(constant_id = 2) const uint SX = 1u; // a power of two
layout(constant_id = 3) const uint SY = 1u;
layout(constant_id = 4) const uint VECTORS = 16u;
layout(constant_id = 5) const bool WHOLE = false;  // n is a multiple of what a group takes of a row
layout(constant_id = 6) const bool A_EACH = true;  // false: one element a row, for all columns
layout(constant_id = 7) const bool B_EACH = true;
layout(constant_id = 8) const uint DIGITS = 4u; // base-16 digits of the number of a group in x, y, z
layout(constant_id = 9) const uint ROW_DIGITS = 4u;
layout(constant_id = 10) const uint PLANE_DIGITS = 4u;
const uint INNER = VECTORS < 16u ? VECTORS : 16u; // divides VECTORS; NIR unrolls 32 rounds
layout(set = 0, binding = 0, std430) writeonly buffer Y { vec4 y[]; };

#if defined(ADD)
#define TWO
#define OF(a, b) (a) + (b)
#elif defined(MUL)
#define TWO
#define OF(a, b) (a) * (b)
#elif defined(COPY)
#define OF(a, b) a
#elif defined(FILL)
#define OF(a, b) p.alpha
#elif defined(SCALE)
#define OF(a, b) p.alpha * (a) + p.beta
#elif defined(ACTIVATE)
#define OF(a, b) tuff_activate(ACT, a)
#elif defined(ACTIVATE_GRAD)
#define TWO
#define OF(a, b) (b) * tuff_activate_grad(ACT, a)
#elif defined(TO_F32)
#define OF(a, b) float(floatBitsToUint(a))
#else
#define OF(a, b) uintBitsToFloat(uint(a))
#endif

// x: lane l holds element k + 4 l + c of the source.
#define LOAD_QUADS(x, source, k, c)                                                                \
    x = source.v[(k) + c];                                                                         \
    [[unroll]] for (uint l = 1u; l < SG; l++)                                                      \
        x = mix(x, source.v[(k) + 4u * l + c], lane == l);

#ifdef DROPOUT
void drop(uint first)
{
    Source seed = source_at(p.b, 0u);
    uvec2 key = floatBitsToUint(vec2(seed.v[0], seed.v[1]));
    [[unroll]] for (uint i = 0u; i < INNER; i += 4u) {
        uint k = first + i * SG, ahead = WHOLE ? i * SG : 0u;
        uint from = WHOLE ? first : min(k, p.n - 4u * SG);
        Source source = source_at(p.a, from);
        vec4 x;
        LOAD_QUADS(x.x, source, ahead, 0u)
        LOAD_QUADS(x.y, source, ahead, 1u)
        LOAD_QUADS(x.z, source, ahead, 2u)
        LOAD_QUADS(x.w, source, ahead, 3u)
        uvec4 word = tuff_philox(uvec4((p.a_row + from + ahead) / 4u + lane, 0u, 0u, p.b_plane), key);
        x = mix(vec4(0.0), p.alpha * x, greaterThanEqual(word >> 8, uvec4(p.b_row)));
        uint place = WHOLE || k < p.n ? (p.y + k) / 4u : DROP4;
        [[unroll]] for (uint l = 0u; l < SG; l++)
            y[place + l] = vec4(subgroupShuffle(x.x, l), subgroupShuffle(x.y, l),
                                subgroupShuffle(x.z, l), subgroupShuffle(x.w, l));
    }
}
#endif

void main()
{
    uint s = SX * SY > 1u ? uniformly(gl_SubgroupID, SX * SY > 16u ? 2u : 1u) : 0u;
    uint first = (uniformly(gl_WorkGroupID.x, DIGITS) * SX + s % SX) * VECTORS * SG;
#ifdef DROPOUT
    drop(first);
#else
    uint row = ROW_DIGITS > 0u ? uniformly(gl_WorkGroupID.y, ROW_DIGITS) * SY + s / SX : 0u;
    uint plane = PLANE_DIGITS > 0u ? uniformly(gl_WorkGroupID.z, PLANE_DIGITS) : 0u;
    bool live = SY == 1u || row < p.rows;
    row = SY == 1u ? row : min(row, p.rows - 1u);
    uint at_a = plane * p.a_plane + row * p.a_row, at_b = plane * p.b_plane + row * p.b_row;
    uint to = p.y + plane * p.y_plane + row * p.y_row;
    [[unroll]] for (uint block = 0u; block < VECTORS; block += INNER)
    [[unroll]] for (uint i = 0u; i < INNER; i++) {
        uint k = first + (block + i) * SG, ahead = WHOLE ? (block + i) * SG : 0u;
        uint from = WHOLE ? first : min(k, p.n - SG);
#ifndef FILL
        LOAD_IF(a, source_at(p.a, A_EACH ? at_a + from : at_a), A_EACH ? ahead : 0u, A_EACH)
#endif
#ifdef TWO
        LOAD_IF(b, source_at(p.b, B_EACH ? at_b + from : at_b), B_EACH ? ahead : 0u, B_EACH)
#endif
        float value = OF(a, b);
        bool inside = WHOLE || k < p.n;
        uint place = live && inside ? (to + k) / 4u : DROP4;
        STORE(y, place, value)
    }
#endif
}
