#version 450
// The scalars of optim/step, looked up once.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "optim/factors.h"
layout(constant_id = 0) const bool SCALED = false;
layout(local_size_x = 16) in; // an invocation a group

void main()
{
    uint group = gl_LocalInvocationID.x, t = p.applied.v[0];
    float norm = p.norm.v[0], rate = p.rates.v[min(t, p.n_rates - 1u)];
    float lr = rate * p.groups.v[group];
    p.factors.v[8u + group] = lr;
    p.factors.v[24u + group] = 1.0 - lr * p.groups.v[16u + group];
    p.factors.v[40u + group] = p.groups.v[32u + group];
    if (group == 0u) {
        uint c = min(t, p.n_corrections - 1u);
        p.factors.v[0] = norm < 3.0e38 ? 1.0 : 0.0; // 0 for NaN too
        float shrink = p.clip > 0.0 ? min(1.0, p.clip / (norm + 1.0e-6)) : 1.0;
        p.factors.v[1] = SCALED ? shrink / p.loss_scale.v[0] : shrink;
        p.factors.v[2] = p.correction.v[2u * c];
        p.factors.v[3] = p.correction.v[2u * c + 1u];
        p.factors.v[4] = t == 0u ? 1.0 : 0.0;
    }
}
