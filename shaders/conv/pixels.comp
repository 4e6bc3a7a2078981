#version 450
//! variant sg4 -DSG=4
//! variant sg8 -DSG=8
// Convolution, and the gradient of its input, for lavapipe (matmul/packed.comp says why it is made
// so): the windows of neighbouring pixels are rows of a matrix that overlap in memory, A_R floats
// apart, so the image is the packed operand of a product without being copied out. A group owns R
// neighbouring pixels of a line x SG * NC channels. 2 FLOP a product of the convolution; reads as
// matmul/packed does, from the cache.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "conv/pixels.h"
#include "matmul/uniform.glsl"
#include "conv/product.glsl"
layout(constant_id = 15) const bool HAS_BIAS = false;
layout(constant_id = 16) const uint PIECE_PARTS = 1u; // parts of k in a piece of the window
layout(set = 0, binding = 1, std430) readonly buffer Bias { float bias[]; };

void main()
{
    uint s = S > 1u ? uniformly(gl_SubgroupID, S > 16u ? 2u : 1u) : 0u;
    uint row_mine = uniformly(gl_WorkGroupID.x, X_DIGITS) * R;
    uint col0 = uniformly(gl_WorkGroupID.y, Y_DIGITS) * WIDTH;
    uint line = uniformly(gl_WorkGroupID.z, Z_DIGITS), image = line / p.lines;
    line -= image * p.lines;
    // The last tile is shifted inwards; lines shorter than a tile have windows enough in the
    // border.
    uint row0 = ROW_EDGE && p.m >= R ? min(row_mine, p.m - R) : row_mine;
    uint q = part_number(s), piece = q / PIECE_PARTS;
    uint a_at = image * p.a_image + line * p.a_line + row0 * A_R + piece * p.a_piece +
                (q - piece * PIECE_PARTS) * (I * J);
    sum_products(source_at(p.a, a_at),
                 source_at(p.b, (col0 * p.parts + q * WIDTH) * (I * J)));
    drop_tail(s);
    share_products(s);
    [[unroll]] for (uint i = 0u; i < VECTORS_EACH; i++) {
        uint v = vector_of(i, s), row = row0 + v / NC, col = col0 + v % NC * SG;
        bool live = vector_live(i, s);
        float x = total_of(i, v);
        live = live && ROW_LIVE(row);
        if (HAS_BIAS) {
#define BIAS_ELEMENT(l) bias[COL_EDGE ? min(col + l, p.n - 1u) : col + l]
            ROW(y, BIAS_ELEMENT)
            x += y;
        }
        store_vector(x, p.c + image * p.c_image + line * p.c_line + row * p.c_pixel + col, col,
                     live);
    }
}
