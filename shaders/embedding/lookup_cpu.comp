#version 450
//! variant sg4 -DSG=4
//! variant sg8 -DSG=8
// Rows of a table by id, for lavapipe (lib/vectors.glsl): a subgroup copies VECTORS vectors of a
// row. An id that was loaded is not "uniform" to the driver until its digits went through p.t.
// 8 bytes an element.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "embedding/lookup_cpu.h"
#include "lib/vectors.glsl"
layout(constant_id = 0) const uint S = 1u; // rows a group
layout(local_size_x_id = 1) in;            // S * SG
layout(constant_id = 2) const uint VECTORS = 16u; // at most 32
layout(constant_id = 3) const uint DIGITS = 4u;   // base-16 digits of a group's numbers
layout(constant_id = 4) const uint ROW_DIGITS = 4u;
layout(set = 0, binding = 0, std430) writeonly buffer Y { vec4 y[]; };

void main()
{
    uint first = DIGITS > 0u ? uniformly(gl_WorkGroupID.x, DIGITS) * VECTORS * SG : 0u;
    uint mine = uniformly(gl_WorkGroupID.y, ROW_DIGITS) * S + uniformly(gl_SubgroupID, 2u);
    bool live = mine < p.rows;
    uint id = floatBitsToUint(source_at(p.ids, min(mine, p.rows - 1u)).v[0]);
    bool there = id < p.height;
    id = there ? id : 0u;
    id = uniformly(id, 4u) | uniformly(id >> 16, 2u) << 16;
    [[unroll]] for (uint i = 0u; i < VECTORS; i++) {
        uint k = first + i * SG;
        LOAD(x, source_at(p.table, id * p.n + min(k, p.n - SG)), 0u)
        x = there ? x : 0.0;
        uint place = live && k < p.n ? (p.y + mine * p.n + k) / 4u : DROP4;
        STORE(y, place, x)
    }
}
