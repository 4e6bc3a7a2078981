// What happens to a finished sum: c = act(alpha sum + bias) + residual, or c += that. Included
// after the parameters; `p` has bias, residual, pre and c.
#include "lib/math.glsl"
layout(constant_id = 0) const bool HAS_BIAS = false;
layout(constant_id = 1) const int ACT = 0;        // enum tuff_activation
layout(constant_id = 2) const bool STORE_PRE = false;
layout(constant_id = 3) const bool HAS_RESIDUAL = false;
layout(constant_id = 4) const bool ACCUMULATE = false;

void finish(uint at, uint col, float sum)
{
    float x = p.alpha * sum;
    if (HAS_BIAS)
        x += p.bias.v[col];
    if (STORE_PRE)
        p.pre.v[at] = x;
    x = tuff_activate(ACT, x);
    if (HAS_RESIDUAL)
        x += p.residual.v[at];
    // A finished gradient is added, never the seed of the sum over k: the sum's rounding then does
    // not depend on what was accumulated before.
    p.c.v[at] = ACCUMULATE ? p.c.v[at] + x : x;
}
