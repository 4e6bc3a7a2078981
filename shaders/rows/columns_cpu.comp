#version 450
//! variant sum.sg4 -DSG=4
//! variant sum.sg8 -DSG=8
//! variant norm.sg4 -DSG=4 -DNORM
//! variant norm.sg8 -DSG=8 -DNORM
// Sums down columns for lavapipe (lib/vectors.glsl): the gradient of a bias, and with -DNORM of a
// norm's weight, sums of dy (x - mean) rstd, and others, sums of dy. A subgroup owns WIDTH vectors
// of columns of a slab of BLOCKS * 16 rows and adds them in order; more slabs than one are summed by
// the next launch. Reads 4 bytes an element, NORM 8.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "rows/columns_cpu.h"
#include "lib/vectors.glsl"
layout(constant_id = 0) const uint S = 1u; // blocks of columns a group
layout(local_size_x_id = 1) in;            // S * SG
layout(constant_id = 2) const uint WIDTH = 1u;
layout(constant_id = 3) const uint BLOCKS = 4u;
layout(constant_id = 4) const uint DIGITS = 4u; // base-16 digits of a group's numbers
layout(constant_id = 5) const uint SLAB_DIGITS = 4u;
layout(constant_id = 6) const bool WHOLE = false; // slabs are whole
layout(constant_id = 7) const bool ACCUMULATE = false;
layout(constant_id = 8) const bool SUMS = true;
layout(constant_id = 9) const bool OTHERS = true;
layout(set = 0, binding = 0, std430) buffer Sums { vec4 sums[]; };
#ifdef NORM
layout(set = 0, binding = 1, std430) writeonly buffer Others { vec4 others[]; };
#endif

void main()
{
    uint block = uniformly(gl_WorkGroupID.x, DIGITS) * S + uniformly(gl_SubgroupID, 2u);
    uint slab = SLAB_DIGITS > 0u ? uniformly(gl_WorkGroupID.y, SLAB_DIGITS) : 0u;
    uint column = block * WIDTH * SG, row0 = slab * BLOCKS * 16u;
    bool live = column < p.n;
    column = min(column, p.n - WIDTH * SG);
    float sum[WIDTH], other[WIDTH];
    [[unroll]] for (uint j = 0u; j < WIDTH; j++)
        sum[j] = other[j] = 0.0;
    [[unroll]] for (uint b = 0u; b < BLOCKS; b++)
        [[unroll]] for (uint i = 0u; i < 16u; i++) {
            uint mine = row0 + b * 16u + i, row = WHOLE ? mine : min(mine, p.rows - 1u);
            bool counts = WHOLE || mine < p.rows;
            Source from = source_at(p.x, row * p.pitch + column);
#ifdef NORM
            Source from_dy = source_at(p.dy, row * p.pitch + column);
            Source stats = source_at(p.stats, 2u * row);
            float mean = stats.v[0], rstd = stats.v[1];
#endif
            [[unroll]] for (uint j = 0u; j < WIDTH; j++) {
                LOAD(x, from, j * SG)
#ifdef NORM
                LOAD(dy, from_dy, j * SG)
                x = dy * ((x - mean) * rstd);
                other[j] += counts ? dy : 0.0;
#endif
                sum[j] += counts ? x : 0.0;
            }
        }
    [[unroll]] for (uint j = 0u; j < WIDTH; j++) {
        uint at = (slab * p.n + column + j * SG) / 4u;
        uint place = live ? p.sums / 4u + at : DROP4;
        float x = sum[j];
        if (ACCUMULATE) {
            uint from = live ? place : 0u;
            float y = sums[from].x;
            [[unroll]] for (int l = 1; l < SG; l++)
                y = mix(y, sums[from + l / 4][l % 4], lane == l);
            x = y + x;
        }
        if (SUMS) {
            STORE(sums, place, x)
        }
#ifdef NORM
        if (OTHERS) {
            uint second = live ? p.others / 4u + at : DROP4;
            STORE(others, second, other[j])
        }
#endif
    }
}
