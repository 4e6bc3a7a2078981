/* generate/sample: from logits to a token, on the host in double. */
#include "base/base.h"
#include "base/rng.h"
#include "tuff/generate.h"

#include <math.h>

struct candidate {
    double p;
    uint32_t id;
};

/* Likeliest first; the lower id first among equals, so that the order is total. */
static int by_probability(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->p != y->p)
        return x->p < y->p ? 1 : -1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static uint32_t largest(const float *logits, size_t v)
{
    uint32_t best = 0;
    for (size_t i = 1; i < v; i++)
        if (logits[i] > logits[best])
            best = (uint32_t) i;
    return best;
}

/* The uniform number of a position: a counter, not a state, so that no batch can change it. */
static double draw(uint64_t seed, uint64_t position)
{
    uint32_t counter[4] = {(uint32_t) position, (uint32_t) (position >> 32), 0, 0x73616d70u};
    uint32_t key[2] = {(uint32_t) seed, (uint32_t) (seed >> 32)}, out[4];
    tuff_philox(counter, key, out);
    return ((double) (((uint64_t) out[0] << 32 | out[1]) >> 11)) * 0x1p-53;
}

uint32_t tuff_sample(struct tuff_ctx *ctx, const float *logits, size_t v,
                     const struct tuff_sampling *s, uint64_t position)
{
    uint32_t best = largest(logits, v);
    struct candidate *list = s->greedy ? NULL : tuff_calloc(v, sizeof *list);
    if (!list)
        return best;
    (void) ctx;
    double temperature = s->temperature > 0 ? s->temperature : 1;
    for (size_t i = 0; i < v; i++)
        list[i] = (struct candidate) {
            exp(((double) logits[i] - (double) logits[best]) / temperature), (uint32_t) i};
    qsort(list, v, sizeof *list, by_probability);
    size_t n = s->top_k > 0 && (size_t) s->top_k < v ? (size_t) s->top_k : v;
    double total = 0;
    for (size_t i = 0; i < n; i++)
        total += list[i].p;
    if (s->top_p > 0 && s->top_p < 1) {
        double sum = 0;
        size_t kept = 0;
        while (kept < n && sum < s->top_p * total)
            sum += list[kept++].p;
        n = TUFF_MAX(kept, 1);
        total = sum > 0 ? sum : list[0].p;
    }
    double left = draw(s->seed, position) * total;
    size_t at = 0;
    while (at + 1 < n && left >= list[at].p)
        left -= list[at++].p;
    uint32_t id = list[at].id;
    free(list);
    return id;
}
