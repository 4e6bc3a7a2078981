#version 450
//! variant sg4 -DSG=4
//! variant sg8 -DSG=8
// optim/adamw for lavapipe, to the same bits: straight-line code of uniform loads and stores of
// whole vec4s to bindings (matmul/uniform.glsl says why; wide stores halve what is checked). A
// subgroup takes OWN elements of one segment, a group S subgroups. A step whose norm is not finite
// stores what it loaded, and zeroes. 32 bytes an element: bandwidth-bound.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "optim/adamw_cpu.h"
#include "matmul/uniform.glsl"
layout(local_size_x_id = 0) in; // S * SG
layout(constant_id = 1) const uint S = 1u;
layout(set = 0, binding = 0, std430) writeonly buffer Value { vec4 value[]; };
layout(set = 0, binding = 1, std430) writeonly buffer Grad { vec4 grad[]; };
layout(set = 0, binding = 2, std430) writeonly buffer Mean { vec4 mean[]; };
layout(set = 0, binding = 3, std430) writeonly buffer Square { vec4 square[]; };

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
    Source from_mean = source_at(p.mean, at), from_square = source_at(p.square, at);
    Source factors = source_at(p.factors, 0u);
    float entry = source_at(p.table, at / 256u).v[0];
    uint group = uniformly(floatBitsToUint(entry), 1u);
    bool finite = factors.v[0] != 0.0;
    float scale = factors.v[1], correct1 = factors.v[2], correct2 = factors.v[3];
    float lr = source_at(p.factors, group).v[4], decay = source_at(p.factors, group).v[20];
    [[unroll]] for (uint block = 0u; block < OWN; block += 16u * SG) // NIR unrolls 32 rounds
        [[unroll]] for (uint i = 0u; i < 16u; i++) {
            uint k = block + i * SG;
            ROW(v0, from_value)
            ROW(g0, from_grad)
            ROW(m0, from_mean)
            ROW(s0, from_square)
            float g = g0 * scale;
            float m = p.beta1 * m0 + (1.0 - p.beta1) * g;
            float s = p.beta2 * s0 + (1.0 - p.beta2) * g * g;
            float v = v0 * decay - lr * (m / correct1) / (sqrt(s / correct2) + p.eps);
            uint place = live ? (at + k) / 4u : DROP4;
            m = finite ? m : m0;
            s = finite ? s : s0;
            v = finite ? v : v0;
            STORE(mean, m)
            STORE(square, s)
            STORE(value, v)
            [[unroll]] for (int l = 0; l < SG; l += 4)
                grad[place + l / 4] = vec4(0.0);
        }
}
