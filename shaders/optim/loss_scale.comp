#version 450
//! variant unscale
//! variant next -DNEXT
// unscale: the norm of scaled gradients divided by the scale, a power of two: exact. next: halved when
// the norm is not finite, doubled when it was for INTERVAL steps; never below 1.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "optim/loss_scale.h"
layout(local_size_x = 8) in;
const float INTERVAL = 2000.0, MOST = 1.0e30;

void main()
{
    if (gl_GlobalInvocationID.x != 0u)
        return;
    float norm = p.norm.v[0], scale = p.scale.v[0];
#ifdef NEXT
    float steps = p.scale.v[1] + 1.0;
    bool finite = norm < 3.0e38, grows = steps >= INTERVAL;
    p.scale.v[0] = !finite ? max(scale * 0.5, 1.0) : grows ? min(scale * 2.0, MOST) : scale;
    p.scale.v[1] = !finite || grows ? 0.0 : steps;
#else
    p.unscaled.v[0] = norm / scale;
#endif
}
