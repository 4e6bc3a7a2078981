#version 450
//! variant adam.sg4 -DRULE=ADAM -DSG=4
//! variant adamw.sg4 -DRULE=ADAMW -DSG=4
//! variant sgd.sg4 -DRULE=SGD -DSG=4
//! variant momentum.sg4 -DRULE=MOMENTUM -DSG=4
//! variant adagrad.sg4 -DRULE=ADAGRAD -DSG=4
//! variant rmsprop.sg4 -DRULE=RMSPROP -DSG=4
//! variant rmsprop_momentum.sg4 -DRULE=RMSPROP_MOMENTUM -DSG=4
//! variant adadelta.sg4 -DRULE=ADADELTA -DSG=4
//! variant lion.sg4 -DRULE=LION -DSG=4
//! variant adam.sg8 -DRULE=ADAM -DSG=8
//! variant adamw.sg8 -DRULE=ADAMW -DSG=8
//! variant sgd.sg8 -DRULE=SGD -DSG=8
//! variant momentum.sg8 -DRULE=MOMENTUM -DSG=8
//! variant adagrad.sg8 -DRULE=ADAGRAD -DSG=8
//! variant rmsprop.sg8 -DRULE=RMSPROP -DSG=8
//! variant rmsprop_momentum.sg8 -DRULE=RMSPROP_MOMENTUM -DSG=8
//! variant adadelta.sg8 -DRULE=ADADELTA -DSG=8
//! variant lion.sg8 -DRULE=LION -DSG=8
// optim/step for lavapipe, to the same bits: straight-line code of uniform loads and stores of
// whole vec4s to bindings (matmul/uniform.glsl says why; wide stores halve what is checked). A
// subgroup takes OWN elements of one segment, a group S subgroups. A step whose norm is not finite
// stores what it loaded, and zeroes. Bandwidth-bound: 16 bytes an element, 8 more for each state.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "optim/step_cpu.h"
#include "matmul/uniform.glsl"
#include "optim/rules.glsl"
layout(local_size_x_id = 0) in; // S * SG
layout(constant_id = 1) const uint S = 1u;
layout(set = 0, binding = 0, std430) writeonly buffer Value { vec4 value[]; };
layout(set = 0, binding = 1, std430) writeonly buffer Grad { vec4 grad[]; };
#if STATES > 0
layout(set = 0, binding = 2, std430) writeonly buffer A { vec4 state_a[]; };
#endif
#if STATES > 1
layout(set = 0, binding = 3, std430) writeonly buffer B { vec4 state_b[]; };
#endif

const uint OWN = 128u, DROP4 = 0x07ffffffu; // DROP, counted in vec4s
uint lane = gl_SubgroupInvocationID;

// Declares y: lane l holds element l of a vector of SG.
#define ROW(y, source) \
    float y; \
    { \
        y = source.v[k]; \
        [[unroll]] for (int l = 1; l < SG; l++) \
            y = mix(y, source.v[k + l], lane == l); \
    }
#define STORE(target, x) \
    [[unroll]] for (int l = 0; l < SG; l += 4) \
        target[place + l / 4] = \
            vec4(subgroupShuffle(x, l), subgroupShuffle(x, l + 1), subgroupShuffle(x, l + 2), \
                 subgroupShuffle(x, l + 3));

void main()
{
    uint begin = (uniformly(gl_WorkGroupID.x, 3u) * S + uniformly(gl_SubgroupID, 2u)) * OWN;
    bool live = begin < p.n;
    uint at = min(begin, p.n - OWN);
    Source from_value = source_at(p.value, at), from_grad = source_at(p.grad, at);
#if STATES > 0
    Source from_a = source_at(p.a, at);
#endif
#if STATES > 1
    Source from_b = source_at(p.b, at);
#endif
    Source factors = source_at(p.factors, 0u);
    float entry = source_at(p.table, at / 256u).v[0];
    uint group = uniformly(floatBitsToUint(entry), 1u);
    bool finite = factors.v[FACTOR_FINITE] != 0.0;
    float scale = factors.v[FACTOR_SCALE], first = factors.v[FACTOR_FIRST];
    float correct1 = factors.v[FACTOR_CORRECT1], correct2 = factors.v[FACTOR_CORRECT2];
    Source own = source_at(p.factors, group);
    float lr = own.v[FACTOR_RATES], decay = own.v[FACTOR_DECAYS], coupled = own.v[FACTOR_COUPLED];
    [[unroll]] for (uint block = 0u; block < OWN; block += 16u * SG) // NIR unrolls 32 rounds
        [[unroll]] for (uint i = 0u; i < 16u; i++) {
            uint k = block + i * SG;
            ROW(v0, from_value)
            ROW(g0, from_grad)
            float g = DECAYED(g0 * scale, v0), a = 0.0, b = 0.0;
#if STATES > 0
            ROW(a0, from_a)
            a = a0;
#endif
#if STATES > 1
            ROW(b0, from_b)
            b = b0;
#endif
            float v = v0 * decay - rule_step(lr, g, a, b, correct1, correct2, first);
            uint place = live ? (at + k) / 4u : DROP4;
            v = finite ? v : v0;
            STORE(value, v)
#if STATES > 0
            a = finite ? a : a0;
            STORE(state_a, a)
#endif
#if STATES > 1
            b = finite ? b : b0;
            STORE(state_b, b)
#endif
            [[unroll]] for (int l = 0; l < SG; l += 4)
                grad[place + l / 4] = vec4(0.0);
        }
}
