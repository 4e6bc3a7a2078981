#version 450
//! variant forward.scalar
//! variant forward.vec4 -DVEC4
//! variant forward.texel -DTEXEL
//! variant grad.scalar -DGRAD
//! variant grad.vec4 -DGRAD -DVEC4
//! variant grad.texel -DGRAD -DTEXEL
// y = loss(x, t) element by element, 12 bytes an element; GRAD: y = dy times the derivative by x or
// by t, 16 bytes an element.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "lib/flat.glsl"
#include "loss/pairs.h"
#include "lib/math.glsl"
VIEW(0, x)
VIEW(1, t)
layout(constant_id = 0) const int LOSS = 0; // enum tuff_pair_loss
layout(constant_id = 1) const bool BY_TARGET = false;
#define MSE 0
#define KL 2
#define KL_LOG 3

#ifdef GRAD
VIEW(2, dy)
#endif

// t ln t is 0 at 0, and so is what is made of this.
float log_or_0(float t) { return t > 0.0 ? log(t) : 0.0; }

void main()
{
    FOR_UNITS(i) {
        UNIT x = GET(x, i), t = GET(t, i);
#ifdef GRAD
        UNIT d = LOSS == MSE      ? 2.0 * (BY_TARGET ? t - x : x - t)
                 : LOSS == KL     ? BY_TARGET ? EACH(log_or_0, t) + 1.0 - x : -t
                 : LOSS == KL_LOG ? exp(t) * (BY_TARGET ? t - x + 1.0 : UNIT(-1.0))
                 : BY_TARGET      ? -x
                                  : EACH(tuff_sigmoid, x) - t;
        p.y.v[i] = GET(dy, i) * d;
#else
        // ln(1 + e^x) - t x, with the part of ln(1 + e^x) that grows taken out: exact at any size.
        p.y.v[i] = LOSS == MSE      ? (x - t) * (x - t)
                   : LOSS == KL     ? t * EACH(log_or_0, t) - t * x
                   : LOSS == KL_LOG ? exp(t) * (t - x)
                                    : max(x, UNIT(0.0)) - x * t + EACH(tuff_log1p_exp, x);
#endif
    }
}
