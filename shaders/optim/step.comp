#version 450
//! variant adam -DRULE=ADAM
//! variant adamw -DRULE=ADAMW
//! variant sgd -DRULE=SGD
//! variant momentum -DRULE=MOMENTUM
//! variant adagrad -DRULE=ADAGRAD
//! variant rmsprop -DRULE=RMSPROP
//! variant rmsprop_momentum -DRULE=RMSPROP_MOMENTUM
//! variant adadelta -DRULE=ADADELTA
//! variant lion -DRULE=LION
// A flat optimizer over one chunk of the arenas; the gradient is zeroed for the next step. A step
// whose norm is not finite only zeroes. One invocation takes 4 elements; tables make 256-element
// segments, so its 4 elements are of one parameter group. Bandwidth-bound: 16 bytes an element, 8
// more for each state.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "optim/step.h"
#include "optim/rules.glsl"
layout(local_size_x = 64) in;

void main()
{
    bool finite = p.factors.v[FACTOR_FINITE] != 0.0;
    float scale = p.factors.v[FACTOR_SCALE], first = p.factors.v[FACTOR_FIRST];
    float correct1 = p.factors.v[FACTOR_CORRECT1], correct2 = p.factors.v[FACTOR_CORRECT2];
    for (uint i = gl_GlobalInvocationID.x * 4u; i < p.n; i += gl_NumWorkGroups.x * 256u) {
        uint group = p.table.v[i / 256u] & 15u;
        float lr = p.factors.v[FACTOR_RATES + group], decay = p.factors.v[FACTOR_DECAYS + group];
        float coupled = p.factors.v[FACTOR_COUPLED + group];
        [[unroll]] for (uint k = i; k < i + 4u; k++) {
            if (finite) {
                float v = p.value.v[k], g = DECAYED(p.grad.v[k] * scale, v), a = 0.0, b = 0.0;
#if STATES > 0
                a = p.a.v[k];
#endif
#if STATES > 1
                b = p.b.v[k];
#endif
                float step = rule_step(lr, g, a, b, correct1, correct2, first);
                p.value.v[k] = v * decay - step;
#if STATES > 0
                p.a.v[k] = a;
#endif
#if STATES > 1
                p.b.v[k] = b;
#endif
            }
            p.grad.v[k] = 0.0;
        }
    }
}
