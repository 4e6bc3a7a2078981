#version 450
//! variant rows.f32.sg4 -DSG=4
//! variant rows.f32.sg8 -DSG=8
//! variant columns.f32.sg4 -DSG=4 -DCOLUMNS
//! variant columns.f32.sg8 -DSG=8 -DCOLUMNS
//! variant rows.f16.sg4 -DSG=4 -DHALF
//! variant rows.f16.sg8 -DSG=8 -DHALF
//! variant columns.f16.sg4 -DSG=4 -DCOLUMNS -DHALF
//! variant columns.f16.sg8 -DSG=8 -DCOLUMNS -DHALF
//! variant rows.bf16.sg4 -DSG=4 -DHALF -DBF16
//! variant rows.bf16.sg8 -DSG=8 -DHALF -DBF16
//! variant columns.bf16.sg4 -DSG=4 -DCOLUMNS -DHALF -DBF16
//! variant columns.bf16.sg8 -DSG=8 -DCOLUMNS -DHALF -DBF16
// Packs an operand for matmul/packed. A subgroup copies 16 k of 32 x (32 / W panels), a group S such
// blocks, adjacent as the source has them; less would not pay for starting it. The source is [k, x], or with
// -DCOLUMNS [x, k]; -DHALF: of half precision, which becomes f32 here.
// Why pack: a strided operand whose pitch is a multiple of 1 KiB falls into few cache sets (half
// the speed at 1024^3), and the [x, k] operand has no adjacent x at all. Reads K X elements, writes
// as many floats.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "matmul/pack.h"
#include "matmul/uniform.glsl"
#ifdef HALF
#include "lib/half.glsl"
layout(buffer_reference, std430, buffer_reference_align = 4) readonly buffer Halves { volatile uint v[]; };
float half_at(uint i)
{
    vec2 both = from_half2(Halves(p.from).v[i / 2u]);
    return i % 2u == 0u ? both.x : both.y;
}
#define ROW_FROM(at) uint row = at
#define ELEMENT(i) half_at(row + (i))
#else
#define ROW_FROM(at) Source row = source_at(p.from, at)
#define ELEMENT(i) row.v[i]
#endif
layout(constant_id = 0) const uint W = 16u;       // panel width: 4, 8, 16 or 32
layout(constant_id = 1) const bool WHOLE_X = false; // size is a multiple of 32
layout(constant_id = 2) const uint S = 1u;        // subgroups a group, at most 8
layout(local_size_x_id = 3) in;                     // S * SG
layout(constant_id = 4) const bool WHOLE_K = false; // k is a multiple of 16
layout(set = 0, binding = 0, std430) writeonly buffer To { vec4 to[]; };

const uint K_GROUP = 16u, X_GROUP = 32u;
const uint DROP4 = 0x07ffffffu; // DROP, counted in vec4s

// x, x + 1, .. x + 3 of k, both counted from the block's beginning.
void store(uint at, uint k0, uint x0, uint k, uint x, vec4 value)
{
    if (!WHOLE_K)
        value = mix(vec4(0.0), value, bvec4(k0 + k < p.k));
    bool k_live = WHOLE_K || k0 + k < p.k_end, x_live = WHOLE_X || x0 + x / W * W < p.size;
    to[k_live && x_live ? (at + x / W * W * p.panel + k * W + x % W) / 4u : DROP4] = value;
}

void main()
{
    uint s = S > 1u ? uniformly(gl_SubgroupID, 1u) : 0u, lane = gl_SubgroupInvocationID;
#ifdef COLUMNS
    uint k0 = (uniformly(gl_WorkGroupID.x, 3u) * S + s) * K_GROUP;
    uint x0 = uniformly(gl_WorkGroupID.y, 3u) * X_GROUP;
#else
    uint k0 = uniformly(gl_WorkGroupID.y, 3u) * K_GROUP;
    uint x0 = (uniformly(gl_WorkGroupID.x, 3u) * S + s) * X_GROUP;
#endif
    uint z = uniformly(gl_WorkGroupID.z, 3u);
    uint at = p.to + z * p.to_batch + x0 * p.panel + k0 * W;
    uint from = p.from_first + z / p.per_line * p.from_line + z % p.per_line * p.from_batch;
#ifdef COLUMNS
    uint last = p.k - 1u - k0;
    [[unroll]] for (uint i = 0u; i < X_GROUP; i += 4u) {
        vec4 value[K_GROUP];
        [[unroll]] for (uint e = 0u; e < 4u; e++) {
            ROW_FROM(from + min(x0 + i + e, p.size - 1u) * p.pitch + k0);
            [[unroll]] for (uint k = 0u; k < K_GROUP; k++)
                value[k][e] = ELEMENT(WHOLE_K ? k : min(k, last));
        }
        [[unroll]] for (uint k = 0u; k < K_GROUP; k++)
            store(at, k0, x0, k, i, value[k]);
    }
#else
    // All loads before the stores: they miss the caches, and many at once here.
    uint x_safe = WHOLE_X ? x0 : min(x0, p.size - 1u), last = p.size - 1u - x_safe;
    [[unroll]] for (uint block = 0u; block < K_GROUP; block += 8u) {
        float value[8][X_GROUP / SG];
        [[unroll]] for (uint k = 0u; k < 8u; k++) {
            ROW_FROM(from + min(k0 + block + k, p.k - 1u) * p.pitch + x_safe);
            [[unroll]] for (uint v = 0u; v < X_GROUP / SG; v++) {
                float y = ELEMENT(WHOLE_X ? v * SG : min(v * SG, last));
                [[unroll]] for (uint l = 1u; l < SG; l++)
                    y = mix(y, ELEMENT(WHOLE_X ? v * SG + l : min(v * SG + l, last)), lane == l);
                value[k][v] = y;
            }
        }
        [[unroll]] for (uint k = 0u; k < 8u; k++)
            [[unroll]] for (uint x = 0u; x < X_GROUP; x += 4u) {
                float y = value[k][x / SG];
                store(at, k0, x0, block + k, x,
                      vec4(subgroupShuffle(y, x % SG), subgroupShuffle(y, x % SG + 1u),
                           subgroupShuffle(y, x % SG + 2u), subgroupShuffle(y, x % SG + 3u)));
            }
    }
#endif
}
