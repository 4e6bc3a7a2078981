#version 450
//! variant momentum -DPASS=MOMENTUM
//! variant normalize -DPASS=NORMALIZE
//! variant adam -DPASS=ADAM
//! variant apply -DPASS=APPLY
// What is elementwise in Muon's and GaLore's step of a hidden matrix; the rest of it are products.
//   momentum:  a moves towards the gradient; y is a, or in Nesterov's form where it will be.
//   normalize: y = x / |x|.
//   adam:      a and b as AdamW's; y is its step without the rate.
//   apply:     value decays and loses rate * alpha * x; the gradient is zeroed.
// A step whose gradient is not finite leaves states and values. 12 to 20 bytes an element.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "optim/matrix.h"
#define MOMENTUM 0
#define NORMALIZE 1
#define ADAM 2
#define APPLY 3
#include "optim/factors_at.glsl"
layout(local_size_x = 64) in;

void main()
{
#if PASS == NORMALIZE
    float divisor = max(sqrt(p.squares.v[0]), p.eps);
#else
    bool finite = p.factors.v[FACTOR_FINITE] != 0.0;
    float scale = p.factors.v[FACTOR_SCALE];
#endif
    for (uint i = gl_GlobalInvocationID.x; i < p.n; i += gl_NumWorkGroups.x * 64u) {
#if PASS == NORMALIZE
        p.y.v[i] = p.x.v[i] / divisor;
#elif PASS == APPLY
        if (finite)
            p.value.v[i] = p.value.v[i] * p.factors.v[FACTOR_DECAYS + p.group] -
                           p.factors.v[FACTOR_RATES + p.group] * p.alpha * p.x.v[i];
        p.grad.v[i] = 0.0;
#else
        float y = 0.0, g = p.grad.v[i] * scale;
        if (finite) {
#if PASS == MOMENTUM
            float a = p.a.v[i] + (1.0 - p.beta1) * (g - p.a.v[i]);
            p.a.v[i] = a;
            y = p.nesterov != 0u ? g + p.beta1 * (a - g) : a;
#else
            float a = p.beta1 * p.a.v[i] + (1.0 - p.beta1) * g;
            float b = p.beta2 * p.b.v[i] + (1.0 - p.beta2) * g * g;
            p.a.v[i] = a;
            p.b.v[i] = b;
            y = (a / p.factors.v[FACTOR_CORRECT1]) /
                (sqrt(b / p.factors.v[FACTOR_CORRECT2]) + p.eps);
#endif
        }
        p.y.v[i] = y;
#endif
    }
}
