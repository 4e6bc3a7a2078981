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
// Packs an operand for matmul/packed. A group copies 16 k of 32 x (32 / W panels); less would not
// pay for starting it. The source is [k, x], or with -DCOLUMNS [x, k]; -DHALF: of half precision,
// which becomes f32 here.
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
layout(local_size_x = SG) in;
layout(constant_id = 0) const uint W = 16u;       // panel width: 4, 8, 16 or 32
layout(constant_id = 1) const bool WHOLE = false; // size is a multiple of 32 and k of 16
layout(set = 0, binding = 0, std430) writeonly buffer To { float to[]; };

const uint K_GROUP = 16u, X_GROUP = 32u;
#ifdef COLUMNS
const uint ROWS = X_GROUP, COLS = K_GROUP;
#else
const uint ROWS = K_GROUP, COLS = X_GROUP;
#endif

void main()
{
    uint k0 = uniformly(gl_WorkGroupID.x, 3u) * K_GROUP;
    uint x0 = uniformly(gl_WorkGroupID.y, 3u) * X_GROUP;
    uint z = uniformly(gl_WorkGroupID.z, 3u);
    uint at = p.to + z * p.to_batch + x0 * p.panel + k0 * W;
    uint from = p.from_first + z / p.per_line * p.from_line + z % p.per_line * p.from_batch;
    [[unroll]] for (uint i = 0u; i < ROWS; i++) {
#ifdef COLUMNS
        ROW_FROM(from + min(x0 + i, p.size - 1u) * p.pitch + k0);
        uint last = p.k - 1u - k0;
#else
        ROW_FROM(from + min(k0 + i, p.k - 1u) * p.pitch + x0);
        uint last = p.size - 1u - x0;
#endif
        [[unroll]] for (uint j = 0u; j < COLS; j++) {
#ifdef COLUMNS
            uint k = j, x = i;
#else
            uint k = i, x = j;
#endif
            float value = ELEMENT(WHOLE ? j : min(j, last));
            if (!WHOLE)
                value = k0 + k < p.k ? value : 0.0;
            bool live = WHOLE || k0 + k < p.k_end && x0 + x / W * W < p.size;
            to[live ? at + x / W * W * p.panel + k * W + x % W : DROP] = value;
        }
    }
}
