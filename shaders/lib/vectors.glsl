// Vectors of SG elements, a lane an element, for kernels on lavapipe: straight-line code of uniform
// loads, and stores of whole vec4s to bindings (matmul/uniform.glsl says why). Included behind the
// parameters and SG.
#ifndef TUFF_VECTORS
#define TUFF_VECTORS
#include "matmul/uniform.glsl"

uint lane = gl_SubgroupInvocationID;
const uint DROP4 = 0x07ffffffu; // DROP, counted in vec4s: times 16 it fits 32 bits

// Declares x: lane l holds element k + l of the source. All loads first, then the choice. k is a
// constant once loops are unrolled: only then are the loads known to be adjacent, and become one.
#define LOAD(x, source, k) LOAD_IF(x, source, k, true)
// With EACH, a constant, false all lanes hold element k.
#define LOAD_IF(x, source, k, EACH) \
    float x; \
    { \
        Source source_of_##x = source; \
        x = source_of_##x.v[k]; \
        if (EACH) \
            [[unroll]] for (int l = 1; l < SG; l++) \
                x = mix(x, source_of_##x.v[(k) + l], lane == l); \
    }
// The other way round; `place` counts vec4s.
#define STORE(target, place, x) \
    [[unroll]] for (int l = 0; l < SG; l += 4) \
        target[(place) + l / 4] = \
            vec4(subgroupShuffle(x, l), subgroupShuffle(x, l + 1), subgroupShuffle(x, l + 2), \
                 subgroupShuffle(x, l + 3));

// The maximum over all lanes, in all lanes; and the sum, pairwise.
float lanes_max(float x)
{
    if (SG == 8)
        x = max(x, subgroupShuffle(x, lane ^ 4u));
    x = max(x, subgroupShuffle(x, lane ^ 2u));
    return max(x, subgroupShuffle(x, lane ^ 1u));
}

float lanes_sum(float x)
{
    if (SG == 8)
        x += subgroupShuffle(x, lane ^ 4u);
    x += subgroupShuffle(x, lane ^ 2u);
    return x + subgroupShuffle(x, lane ^ 1u);
}
#endif
