// Sums over a row of BLOCKS * EACH vectors (lib/vectors.glsl).

// NIR unrolls 32 rounds.
#define FOR_VECTORS \
    [[unroll]] for (uint block = 0u; block < BLOCKS; block++) \
        [[unroll]] for (uint i = 0u; i < EACH; i++)
#define K (block * EACH + i) * SG

// Mean, 0 with RMS, and 1 / sqrt(var + eps) of a row of n; the deviation around the mean found before.
vec2 norm_sums(Source from, float n, float eps)
{
    float mean = 0.0, squares = 0.0;
    if (!RMS) {
        FOR_VECTORS {
            LOAD(x, from, K)
            mean += x;
        }
        mean = lanes_sum(mean) / n;
    }
    FOR_VECTORS {
        LOAD(x, from, K)
        squares += (x - mean) * (x - mean);
    }
    return vec2(mean, 1.0 / sqrt(lanes_sum(squares) / n + eps));
}
