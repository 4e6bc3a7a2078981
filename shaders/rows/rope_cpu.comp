#version 450
//! variant sg4 -DSG=4
//! variant sg8 -DSG=8
// Rotary position embedding for lavapipe (rows/rope.comp says what, lib/vectors.glsl how): a
// subgroup takes HEADS heads of a row, a group S rows. A lane has four adjacent pairs of a block of 4 SG,
// BLOCKS of which make half a head. Where the cosines and sines lie the row's position says, which is
// data, and only made "uniform". 8 bytes an element.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "rows/rope_cpu.h"
#include "lib/vectors.glsl"
layout(local_size_x_id = 0) in; // S * SG
layout(constant_id = 1) const uint S = 1u;
layout(constant_id = 2) const uint HEADS = 1u;
layout(constant_id = 3) const uint BLOCKS = 1u;
layout(constant_id = 4) const uint ROW_DIGITS = 4u;
const uint HALF_HEAD = BLOCKS * 4u * SG;
layout(set = 0, binding = 0, std430) writeonly buffer Y { vec4 y[]; };

// Lane l: elements 4 l .. 4 l + 3 behind the base.
vec4 quads(Source source)
{
    vec4 x;
    [[unroll]] for (uint c = 0u; c < 4u; c++) {
        x[c] = source.v[c];
        [[unroll]] for (uint l = 1u; l < SG; l++)
            x[c] = mix(x[c], source.v[4u * l + c], lane == l);
    }
    return x;
}

void store(uint place, vec4 x)
{
    [[unroll]] for (uint l = 0u; l < SG; l++)
        y[place + l] = vec4(subgroupShuffle(x.x, l), subgroupShuffle(x.y, l),
                            subgroupShuffle(x.z, l), subgroupShuffle(x.w, l));
}

void main()
{
    uint s = S > 1u ? uniformly(gl_SubgroupID, S > 16u ? 2u : 1u) : 0u;
    uint mine = uniformly(gl_WorkGroupID.x, ROW_DIGITS) * S + s, row = min(mine, p.rows - 1u);
    uint first = uniformly(gl_WorkGroupID.y, 3u) * HEADS * 2u * HALF_HEAD;
    uint position = min(floatBitsToUint(source_at(p.positions, row).v[0]), p.table_rows - 1u);
    uint angles = uniformly(position, 4u) * 2u * HALF_HEAD;
    [[unroll]] for (uint b = 0u; b < BLOCKS; b++) {
        vec4 cosine = quads(source_at(p.table, angles + b * 4u * SG));
        vec4 sine = p.sign * quads(source_at(p.table, angles + HALF_HEAD + b * 4u * SG));
        [[unroll]] for (uint h = 0u; h < HEADS; h++) {
            uint at = first + h * 2u * HALF_HEAD + b * 4u * SG;
            vec4 one = quads(source_at(p.x, row * p.x_row + at));
            vec4 two = quads(source_at(p.x, row * p.x_row + at + HALF_HEAD));
            uint place = (p.y + row * p.y_row + at) / 4u;
            store(mine < p.rows ? place : DROP4, one * cosine - two * sine);
            store(mine < p.rows ? place + HALF_HEAD / 4u : DROP4, two * cosine + one * sine);
        }
    }
}
