/* data/examples: token sequences with marks, in two flat arrays; see tuff/examples.h. */
#include "base/base.h"
#include "base/hash.h"
#include "base/rng.h"
#include "tuff/examples.h"

/* Stream of the random numbers that hold examples out. */
#define SPLIT_STREAM ((uint64_t) 0x73706c69 << 32)

struct entry {
    size_t first, n; /* into ids and counts */
    uint64_t counted, bytes;
};
struct tuff_examples {
    struct tuff_ctx *ctx;
    struct { uint32_t *items; size_t n, cap; } ids;
    struct { uint8_t *items; size_t n, cap; } counts;
    struct { struct entry *items; size_t n, cap; } entries;
};

enum tuff_status tuff_examples_create(struct tuff_ctx *ctx, struct tuff_examples **out)
{
    struct tuff_examples *e = *out = tuff_calloc(1, sizeof *e);
    if (!e)
        return tuff_fail(ctx, TUFF_E_NOMEM, "examples: out of host memory");
    e->ctx = ctx;
    return TUFF_OK;
}

void tuff_examples_destroy(struct tuff_examples *e)
{
    if (!e)
        return;
    free(e->ids.items);
    free(e->counts.items);
    free(e->entries.items);
    free(e);
}

enum tuff_status tuff_examples_add(struct tuff_examples *e, const uint32_t *ids,
                                   const uint8_t *counts, size_t n, uint64_t bytes)
{
    struct entry entry = {e->ids.n, n, 0, bytes};
    for (size_t i = 1; i < n; i++)
        entry.counted += counts[i] != 0;
    if (!entry.counted)
        return tuff_fail(e->ctx, TUFF_E_ARG, "an example without a token to learn");
    if (e->entries.n >= UINT32_MAX ||
        !tuff_grow((void **) &e->ids.items, &e->ids.cap, e->ids.n + n, sizeof *ids) ||
        !tuff_grow((void **) &e->counts.items, &e->counts.cap, e->counts.n + n, 1) ||
        !tuff_grow((void **) &e->entries.items, &e->entries.cap, e->entries.n + 1, sizeof entry))
        return tuff_fail(e->ctx, TUFF_E_NOMEM, "examples: out of host memory");
    memcpy(e->ids.items + e->ids.n, ids, n * sizeof *ids);
    memcpy(e->counts.items + e->counts.n, counts, n);
    e->counts.items[e->counts.n] = 0;
    e->ids.n += n;
    e->counts.n += n;
    e->entries.items[e->entries.n++] = entry;
    return TUFF_OK;
}

size_t tuff_examples_count(const struct tuff_examples *e)
{
    return e->entries.n;
}

struct tuff_example tuff_examples_get(const struct tuff_examples *e, size_t i)
{
    const struct entry *at = &e->entries.items[i];
    return (struct tuff_example) {e->ids.items + at->first, e->counts.items + at->first, at->n,
                                  at->counted, at->bytes};
}

uint64_t tuff_examples_checksum(const struct tuff_examples *e)
{
    uint64_t hash = tuff_hash(e->ids.items, e->ids.n * sizeof *e->ids.items, 0);
    hash = tuff_hash(e->counts.items, e->counts.n, hash);
    for (size_t i = 0; i < e->entries.n; i++)
        hash = tuff_hash(&e->entries.items[i].n, sizeof e->entries.items[i].n, hash);
    return hash;
}

enum tuff_status tuff_examples_split(struct tuff_ctx *ctx, size_t n, double share, uint64_t seed,
                                     uint32_t **out, size_t *train)
{
    uint32_t *order = *out = tuff_calloc(TUFF_MAX(n, 1), sizeof *order);
    size_t held = share > 0 && n > 1 ? (size_t) ((double) n * share) : 0;
    struct tuff_rng rng;
    if (!order)
        return tuff_fail(ctx, TUFF_E_NOMEM, "examples: out of host memory");
    tuff_rng_init(&rng, seed, SPLIT_STREAM);
    for (size_t i = 0; i < n; i++) {
        size_t j = (size_t) tuff_rng_below(&rng, i + 1);
        order[i] = order[j];
        order[j] = (uint32_t) i;
    }
    *train = share > 0 && n > 1 ? n - TUFF_MIN(TUFF_MAX(held, 1), n - 1) : n;
    return TUFF_OK;
}
