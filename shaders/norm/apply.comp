#version 450
//! variant generic
//! variant texel -DCPU
// y = act((x - mean) rstd weight + bias). 8 bytes an element.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "lib/math.glsl"
#include "norm/channels.glsl"
#include "norm/apply.h"
layout(constant_id = 0) const int ACT = 0; // enum tuff_activation
VIEW(0, x)
VIEW(1, table)
#define ACTIVATE(x) tuff_activate(ACT, x)

void main()
{
    FOR_PARTS(c, part, image, first, end) {
        UNIT mean = TABLE(image, TABLE_MEAN), bias = TABLE(image, TABLE_BIAS);
        UNIT scale = TABLE(image, TABLE_RSTD) * TABLE(image, TABLE_WEIGHT);
        for (uint row = first; row < end; row++) {
            UNIT z = (GET(x, row * p.units + c) - mean) * scale + bias;
            p.y.v[row * p.units + c] = EACH(ACTIVATE, z);
        }
    }
}
