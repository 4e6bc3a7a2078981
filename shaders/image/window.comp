#version 450
//! variant pool.scalar
//! variant pool.vec4 -DVEC4
//! variant pool.texel -DTEXEL
//! variant spread.scalar -DSPREAD
//! variant spread.vec4 -DSPREAD -DVEC4
//! variant spread.texel -DSPREAD -DTEXEL
// avg_pool2d and upsample_nearest, each being the other's gradient but for a factor. An invocation
// owns a unit of channels of one pixel of y and sums rows, then columns: no atomics, one order.
// Bandwidth-bound: 4 bytes an element of x and of y; what windows share comes from the cache.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "lib/flat.glsl"
#include "image/window.h"
VIEW(0, x)

// First and end of the pixels of x, along one axis of `size`, that y's pixel `at` is made of.
uvec2 range(uint at, uint size)
{
#ifdef SPREAD
    // Windows o with o stride <= at + padding < o stride + kernel.
    uint last = at + p.padding;
    return uvec2(last >= p.kernel ? (last - p.kernel) / p.stride + 1u : 0u,
                 min(last / p.stride + 1u, size));
#else
    uint first = at * p.stride, end = first + p.kernel;
    return uvec2(first > p.padding ? first - p.padding : 0u,
                 min(end > p.padding ? end - p.padding : 0u, size));
#endif
}

void main()
{
    FOR_UNITS(i) {
        uint pixel = i / p.units, line = pixel / p.y_width, image = line / p.y_height;
        uvec2 rows = range(line - image * p.y_height, p.x_height);
        uvec2 columns = range(pixel - line * p.y_width, p.x_width);
        UNIT sum = UNIT(0.0);
        for (uint h = rows.x; h < rows.y; h++) {
            uint at = ((image * p.x_height + h) * p.x_width) * p.units + i - pixel * p.units;
            for (uint w = columns.x; w < columns.y; w++)
                sum += GET(x, at + w * p.units);
        }
        p.y.v[i] = sum * p.scale;
    }
}
