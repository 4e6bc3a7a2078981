/* generate/sample: from processed scores to a token, on the host in double. */
#include "generate/sample.h"
#include "base/rng.h"
#include "tuff/processors.h"

#include <math.h>

/* The first of the largest values; 0 when that is NaN, which elsewhere is never it. By blocks and lanes,
 * which compilers turn into vectors: a decoding step waits for it. */
static size_t largest(const float *values, size_t v)
{
    enum { BLOCK = 512, LANES = 16 };
    size_t best = 0, i = 0;
    for (; i + BLOCK <= v; i += BLOCK) {
        float top[LANES], most = values[best];
        for (int l = 0; l < LANES; l++)
            top[l] = most;
        for (size_t k = i; k < i + BLOCK; k += LANES)
            for (int l = 0; l < LANES; l++)
                top[l] = values[k + (size_t) l] > top[l] ? values[k + (size_t) l] : top[l];
        for (int l = 0; l < LANES; l++)
            most = top[l] > most ? top[l] : most;
        if (most > values[best])
            for (best = i; values[best] != most;)
                best++;
    }
    for (; i < v; i++)
        if (values[i] > values[best])
            best = i;
    return best;
}

double tuff_draw(uint64_t seed, uint64_t position, uint32_t which)
{
    uint32_t counter[4] = {(uint32_t) position, (uint32_t) (position >> 32), which, 0x73616d70u};
    uint32_t key[2] = {(uint32_t) seed, (uint32_t) (seed >> 32)}, out[4];
    tuff_philox(counter, key, out);
    return ((double) (((uint64_t) out[0] << 32 | out[1]) >> 11)) * 0x1p-53;
}

double tuff_log_sum_exp(const float *values, size_t n)
{
    double top = n ? (double) values[largest(values, n)] : -INFINITY, sum = 0;
    if (!isfinite(top))
        return top;
    for (size_t i = 0; i < n; i++)
        if (values[i] > -INFINITY)
            sum += exp((double) values[i] - top);
    return top + log(sum);
}

uint32_t tuff_choose(const struct tuff_scores *s, const struct tuff_sampling *sampling,
                     uint64_t position)
{
    size_t best = largest(s->values, s->v), last = best;
    double top = (double) s->values[best], total = 0, sum = 0;
    if (sampling->greedy || !isfinite(top))
        return (uint32_t) best;
    for (size_t i = 0; i < s->v; i++)
        if (s->values[i] > -INFINITY)
            total += exp((double) s->values[i] - top);
    double wanted = tuff_draw(sampling->seed, position, 0) * total;
    /* The same sums in the same order: the last of them is exactly `total`. */
    for (size_t i = 0; i < s->v; i++) {
        if (!(s->values[i] > -INFINITY))
            continue;
        sum += exp((double) s->values[i] - top);
        last = i;
        if (sum > wanted)
            break;
    }
    return (uint32_t) last;
}
