#version 450
//! variant sg4 -DSG=4
//! variant sg8 -DSG=8
// The gradient of a convolution's weights for lavapipe (matmul/packed.comp says why it is made so):
// the product of y's gradient, transposed, with x, whose rows (pixels) are shifted by the tap. Both
// are read where they lie. A group owns R out channels x SG * NC channels of one tap, a subgroup
// sums a rectangle of I lines x J columns of pixels. 2 FLOP a product.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "conv/weights.h"
#include "matmul/uniform.glsl"
#include "conv/product.glsl"
layout(constant_id = 15) const uint TAPS_LINE = 1u; // of the kernel
layout(constant_id = 16) const uint B_TAP = 1u;     // one tap to the right

void main()
{
    uint s = S > 1u ? uniformly(gl_SubgroupID, S > 16u ? 2u : 1u) : 0u;
    uint row_mine = uniformly(gl_WorkGroupID.x, X_DIGITS) * R;
    uint col0 = uniformly(gl_WorkGroupID.y, Y_DIGITS) * WIDTH;
    uint tap = uniformly(gl_WorkGroupID.z, Z_DIGITS), tap_line = tap / TAPS_LINE;
    uint row0 = ROW_EDGE && p.m >= R ? min(row_mine, p.m - R) : row_mine;
    uint q = part_number(s), above = q / p.across, image = above / p.down;
    q -= above * p.across;
    above -= image * p.down;
    uint b_at = image * p.b_image + above * (I * B_I) + q * (J * B_J) + tap_line * p.b_line +
                (tap - tap_line * TAPS_LINE) * B_TAP + col0;
    sum_products(source_at(p.a, image * p.a_image + above * (I * A_I) + q * (J * A_J) + row0),
                 source_at(p.b, b_at));
    drop_tail(s);
    share_products(s);
    [[unroll]] for (uint i = 0u; i < VECTORS_EACH; i++) {
        uint v = vector_of(i, s), row = row0 + v / NC, col = col0 + v % NC * SG;
        bool live = vector_live(i, s);
        float x = total_of(i, v);
        live = live && ROW_LIVE(row);
        store_vector(x, p.c + row * p.c_row + tap * p.n + col, col, live);
    }
}
