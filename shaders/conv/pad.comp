#version 450
//! variant scalar
//! variant texel -DTEXEL
// The copy of an image that conv/packed reads: a border of zeros, and channels filled up with zeros
// to a multiple that suits it. A group owns a line. Reads and writes 4 bytes an element.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "lib/flat.glsl"
#include "conv/pad.h"
VIEW(0, x)
layout(constant_id = 0) const uint X_UNITS = 1u; // of a pixel
layout(constant_id = 1) const uint Y_UNITS = 1u;

void main()
{
    uint size = p.y_width * Y_UNITS, last = p.width * X_UNITS - 1u;
    for (uint line = gl_WorkGroupID.x; line < p.lines; line += gl_NumWorkGroups.x) {
        // Below 0 wraps to far above.
        uint image = line / p.y_height, row = line - image * p.y_height - p.top;
        uint from = (image * p.height + min(row, p.height - 1u)) * p.width * X_UNITS;
        for (uint i = gl_LocalInvocationID.x; i < size; i += 64u) {
            uint pixel = i / Y_UNITS, unit = i - pixel * Y_UNITS, column = pixel - p.left;
            UNIT value = GET(x, from + min(column * X_UNITS + unit, last));
            bool inside = row < p.height && column < p.width && unit < X_UNITS;
            p.y.v[line * size + i] = inside ? value : UNIT(0.0);
        }
    }
}
