#version 450
// AdamW over one chunk of the flat arenas; the gradient is zeroed for the next step. A step whose
// norm is not finite only zeroes. One invocation takes 4 elements; tables make 256-element segments,
// so its 4 elements are of one parameter group. 32 bytes an element: bandwidth-bound.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "optim/adamw.h"
layout(local_size_x = 64) in;

void main()
{
    float norm = p.norm.v[0];
    bool finite = norm < 3.0e38; // false for NaN too
    uint t = p.applied.v[0];
    float rate = p.rates.v[min(t, p.n_rates - 1u)];
    uint c = min(t, p.n_corrections - 1u);
    float correct1 = p.correction.v[2u * c], correct2 = p.correction.v[2u * c + 1u];
    float scale = p.clip > 0.0 ? min(1.0, p.clip / (norm + 1.0e-6)) : 1.0;
    for (uint i = gl_GlobalInvocationID.x * 4u; i < p.n; i += gl_NumWorkGroups.x * 256u) {
        uint group = p.table.v[i / 256u] & 15u;
        float lr = rate * p.groups.v[group], decay = 1.0 - lr * p.groups.v[16u + group];
        [[unroll]] for (uint k = i; k < i + 4u; k++) {
            if (finite) {
                float g = p.grad.v[k] * scale;
                float m = p.beta1 * p.mean.v[k] + (1.0 - p.beta1) * g;
                float s = p.beta2 * p.square.v[k] + (1.0 - p.beta2) * g * g;
                p.mean.v[k] = m;
                p.square.v[k] = s;
                p.value.v[k] = p.value.v[k] * decay -
                               lr * (m / correct1) / (sqrt(s / correct2) + p.eps);
            }
            p.grad.v[k] = 0.0;
        }
    }
}
