#version 450
// A gradient norm more than `limit` standard deviations above the mean of the last ones becomes infinity,
// so that the step changes nothing. It enters the window as the largest norm that would have passed:
// one spike does not blind the window, and a lasting rise is followed. What is not finite does not enter.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "optim/outlier.h"
layout(local_size_x = 8) in;

void main()
{
    if (gl_GlobalInvocationID.x != 0u)
        return;
    float norm = p.norm.v[0], sum = 0.0, squares = 0.0;
    p.judged.v[0] = norm;
    if (!(norm < 3.0e38))
        return;
    uint n = uint(p.window.v[0]), slot = uint(p.window.v[1]);
    for (uint i = 0u; i < n; i++)
        sum += p.window.v[2u + i];
    float mean = sum / float(max(n, 1u));
    for (uint i = 0u; i < n; i++) {
        float d = p.window.v[2u + i] - mean;
        squares += d * d;
    }
    // Norms that hardly vary: a hundredth of them is no outlier yet.
    float deviation = max(sqrt(squares / float(max(n, 1u))), 0.01 * mean);
    float most = mean + p.limit * deviation;
    bool outlier = n >= uint(TUFF_OUTLIER_LEAST) && norm > most;
    if (outlier)
        p.judged.v[0] = uintBitsToFloat(0x7f800000u);
    p.window.v[2u + slot] = outlier ? most : norm;
    p.window.v[0] = float(min(n + 1u, uint(TUFF_OUTLIER_WINDOW)));
    p.window.v[1] = float((slot + 1u) % uint(TUFF_OUTLIER_WINDOW));
}
