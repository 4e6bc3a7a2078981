#version 450
//! variant sums.generic -DSUMS
//! variant sums.texel -DSUMS -DCPU
//! variant x.generic
//! variant x.texel -DCPU
// The gradient of act(xhat weight + bias), xhat = (x - mean) rstd, in two passes: sums over slabs,
// then, with their totals known, dx. z is made again, not stored. SUMS reads 8 bytes an element,
// the other moves 12 (16 with a residual).
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "lib/math.glsl"
#include "norm/channels.glsl"
#include "norm/grad.h"
layout(constant_id = 0) const int ACT = 0;         // enum tuff_activation
layout(constant_id = 1) const bool CONSTANT = false; // mean and rstd do not depend on x
VIEW(0, dy)
VIEW(1, x)
VIEW(2, table)
#ifndef SUMS
layout(constant_id = 2) const bool HAS_RESIDUAL = false;
VIEW(3, means)
VIEW(4, residual)
#endif
#define SLOPE(x) tuff_activate_grad(ACT, x)

void main()
{
    FOR_PARTS(c, part, image, first, end) {
        UNIT mean = TABLE(image, TABLE_MEAN), rstd = TABLE(image, TABLE_RSTD);
        UNIT weight = TABLE(image, TABLE_WEIGHT), bias = TABLE(image, TABLE_BIAS);
#ifdef SUMS
        UNIT sum = UNIT(0.0), sum_hat = UNIT(0.0);
#else
        UNIT m = CONSTANT ? UNIT(0.0) : GET(means, 2u * image * p.units + c);
        UNIT m_hat = CONSTANT ? UNIT(0.0) : GET(means, (2u * image + 1u) * p.units + c);
#endif
        for (uint row = first; row < end; row++) {
            uint at = row * p.units + c;
            UNIT hat = (GET(x, at) - mean) * rstd, dz = GET(dy, at);
            if (ACT != ACT_NONE)
                dz *= EACH(SLOPE, hat * weight + bias);
#ifdef SUMS
            sum += dz;
            sum_hat += dz * hat;
#else
            UNIT d = rstd * (dz * weight - m - hat * m_hat);
            if (HAS_RESIDUAL)
                d += GET(residual, at);
            p.dx.v[at] = d;
#endif
        }
#ifdef SUMS
        p.dbias.v[part * p.units + c] = sum;
        p.dweight.v[part * p.units + c] = sum_hat;
#endif
    }
}
