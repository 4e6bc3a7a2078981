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
// whose norm is not finite only zeroes. A group takes segments of 256 elements, of one entry of the
// table and so of one parameter group each; an invocation 4 of them: it loads all it needs, 16 bytes
// at a time, before it stores, because a compiler must take any store for one that a later load
// reads. Bandwidth-bound: 16 bytes an element, 8 more for each state.
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
    for (uint segment = gl_WorkGroupID.x; segment < p.n / 256u; segment += gl_NumWorkGroups.x) {
        uint i = segment * 64u + gl_LocalInvocationID.x;
        if (finite) {
            vec4 v = p.value.v[i], g = p.grad.v[i];
#if STATES > 0
            vec4 a = p.a.v[i];
#endif
#if STATES > 1
            vec4 b = p.b.v[i];
#endif
            uint group = p.table.v[segment] & 15u;
            float lr = p.factors.v[FACTOR_RATES + group], decay = p.factors.v[FACTOR_DECAYS + group];
            float coupled = p.factors.v[FACTOR_COUPLED + group];
            [[unroll]] for (uint k = 0u; k < 4u; k++) {
                float own_a = 0.0, own_b = 0.0;
#if STATES > 0
                own_a = a[k];
#endif
#if STATES > 1
                own_b = b[k];
#endif
                float step = rule_step(lr, DECAYED(g[k] * scale, v[k]), own_a, own_b, correct1, correct2,
                                       first);
                v[k] = v[k] * decay - step;
#if STATES > 0
                a[k] = own_a;
#endif
#if STATES > 1
                b[k] = own_b;
#endif
            }
            p.value.v[i] = v;
#if STATES > 0
            p.a.v[i] = a;
#endif
#if STATES > 1
            p.b.v[i] = b;
#endif
        }
        p.grad.v[i] = vec4(0.0);
    }
}
