/* base/rng: see rng.h. */
#include "base/rng.h"

#include <math.h>

void tuff_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t a = (uint64_t) 0xD2511F53u * c0, b = (uint64_t) 0xCD9E8D57u * c2;
        uint32_t n0 = (uint32_t) (b >> 32) ^ c1 ^ k0, n2 = (uint32_t) (a >> 32) ^ c3 ^ k1;
        c1 = (uint32_t) b;
        c3 = (uint32_t) a;
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

void tuff_rng_init(struct tuff_rng *rng, uint64_t seed, uint64_t stream)
{
    *rng = (struct tuff_rng) {.seed = seed, .stream = stream, .used = 4};
}

uint32_t tuff_rng_u32(struct tuff_rng *rng)
{
    if (rng->used == 4) {
        uint32_t counter[4] = {(uint32_t) rng->index, (uint32_t) (rng->index >> 32),
                               (uint32_t) rng->stream, (uint32_t) (rng->stream >> 32)};
        uint32_t key[2] = {(uint32_t) rng->seed, (uint32_t) (rng->seed >> 32)};
        tuff_philox(counter, key, rng->block);
        rng->index++;
        rng->used = 0;
    }
    return rng->block[rng->used++];
}

uint64_t tuff_rng_below(struct tuff_rng *rng, uint64_t bound)
{
    if (bound < 2)
        return 0;
    uint64_t limit = UINT64_MAX - UINT64_MAX % bound, value;
    do {
        value = (uint64_t) tuff_rng_u32(rng) << 32;
        value |= tuff_rng_u32(rng);
    } while (value >= limit);
    return value % bound;
}

double tuff_rng_uniform(struct tuff_rng *rng)
{
    uint64_t bits = (uint64_t) tuff_rng_u32(rng) << 32;
    bits |= tuff_rng_u32(rng);
    return (double) (bits >> 11) * 0x1p-53;
}

double tuff_rng_normal(struct tuff_rng *rng)
{
    double u = 1.0 - tuff_rng_uniform(rng); /* (0, 1]: its logarithm is finite */
    double v = tuff_rng_uniform(rng);
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

void tuff_rng_skip_normals(struct tuff_rng *rng, uint64_t n)
{
    rng->index += n; /* a normal takes two uniforms, so one block of four words */
}
