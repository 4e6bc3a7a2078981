#version 450
//! variant f32
//! variant half -DHALF -DHALF_SPEC=1
// dlogits = (softmax - q) weight dloss as in cross_entropy_grad, of F32 logits whose rows begin at
// multiples of four, an invocation four elements at a time whatever row they are in: long rows, one
// group of cross_entropy_grad each, are too few to hide how long a load takes. half: dlogits are of half
// precision, what products of halves read. 8 bytes a logit, 6 where half.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#define IN F32x4
#ifdef HALF
#include "lib/half.glsl"
#define OUT U32x2
#define PUT(i, value) p.dlogits.v[i] = to_half4(value)
#else
#define OUT F32x4
#define PUT(i, value) p.dlogits.v[i] = (value)
#endif
#include "loss/cross_entropy_grad_quads.h"
layout(local_size_x = TUFF_QUADS_GROUP) in;
layout(constant_id = 0) const float SMOOTHING = 0.0;

vec4 gradient(vec4 x, uint quad, uint target, float top, float log_sum, float scale)
{
    uvec4 column = 4u * quad + uvec4(0u, 1u, 2u, 3u);
    vec4 q = vec4(equal(column, uvec4(target))) * (1.0 - SMOOTHING) + SMOOTHING / float(p.columns);
    vec4 y = (exp((x - top) - log_sum) - q) * scale;
    return mix(vec4(0.0), y, lessThan(column, uvec4(p.columns)));
}

void main()
{
    float scale = p.weight.v[0] * p.dloss.v[0];
    uint quads = p.pitch / 4u;
    uint first = gl_WorkGroupID.x * TUFF_QUADS_GROUP * TUFF_QUADS_EACH + gl_LocalInvocationID.x;
    for (uint row = gl_WorkGroupID.y; row < p.rows; row += gl_NumWorkGroups.y) {
        uint at = row * quads, target = p.targets.v[row];
        float top = p.stats.v[2u * row], log_sum = p.stats.v[2u * row + 1u];
        bool counted = target < p.columns;
        vec4 x[TUFF_QUADS_EACH];
        [[unroll]] for (uint k = 0u; k < TUFF_QUADS_EACH; k++)
            x[k] = p.logits.v[at + min(first + k * TUFF_QUADS_GROUP, quads - 1u)];
        [[unroll]] for (uint k = 0u; k < TUFF_QUADS_EACH; k++) {
            uint quad = first + k * TUFF_QUADS_GROUP;
            vec4 y = gradient(x[k], quad, target, top, log_sum, scale);
            if (quad < quads)
                PUT(at + quad, counted ? y : vec4(0.0));
        }
    }
}
