#version 450
//! variant generic
//! variant texel -DCPU
// The first of two levels of mean and variance: a slab's own, in two passes (the second hits the
// cache), since E[x^2] - E[x]^2 would lose all digits of a channel far from zero. norm/finish
// combines slabs. Reads 4 bytes an element.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "norm/channels.glsl"
#include "norm/moments.h"
VIEW(0, x)

void main()
{
    uint parts = p.images * p.slabs;
    FOR_PARTS(c, part, image, first, end) {
        UNIT sum = UNIT(0.0), squares = UNIT(0.0);
        for (uint row = first; row < end; row++)
            sum += GET(x, row * p.units + c);
        UNIT mean = sum / float(end - first);
        for (uint row = first; row < end; row++) {
            UNIT d = GET(x, row * p.units + c) - mean;
            squares += d * d;
        }
        p.part.v[part * p.units + c] = mean;
        p.part.v[(parts + part) * p.units + c] = squares;
    }
}
