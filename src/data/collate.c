/* data/collate: samples to batches: padding, and words to guess; see tuff/data_loader.h. */
#include "base/rng.h"
#include "data/samples.h"

/* Of the random numbers of sample i in epoch e: this + e, and the seed + i. */
#define MASK_STREAM ((uint64_t) 0x6d61736b << 32)

/* Streams of a group's order and of that of batches: behind those of epochs. */
#define GROUP_EPOCH(s) (((uint64_t) (s) + 1) << 48)

static size_t labels_of(const struct tuff_collate_params *p, size_t time)
{
    return p->batch * (p->samples->kind == TUFF_SAMPLE_SEQUENCE ? 1 : time);
}

/* ---- groups of one length ---- */

/* The next length: 16, 24, 32, 48, 64 ... */
static size_t longer(size_t length)
{
    return length & (length - 1) ? length / 3 * 4 : length / 2 * 3;
}

static size_t group_of(const struct tuff_collate_groups *g, size_t length)
{
    size_t s = 0;
    while (s + 1 < g->n && length > g->lengths[s])
        s++;
    return s;
}

static void choose_lengths(const struct tuff_samples *samples, const uint32_t *indices, size_t n, size_t batch,
                           size_t time, struct tuff_collate_groups *g)
{
    size_t shorter = 0, carried = 0;
    for (size_t length = 16; length < time && g->n + 1 < TUFF_COLLATE_GROUPS; length = longer(length)) {
        for (size_t i = 0; i < n; i++) {
            size_t size = samples->entries.items[indices[i]].n;
            carried += size > shorter && size <= length;
        }
        shorter = length;
        if (carried < batch)
            continue;
        carried %= batch;
        g->lengths[g->n++] = length;
    }
    g->lengths[g->n++] = time;
}

enum tuff_status tuff_collate_group(struct tuff_ctx *ctx, const struct tuff_samples *samples,
                                    uint32_t *indices, size_t n, size_t batch, size_t time,
                                    const struct tuff_collate_groups *as,
                                    struct tuff_collate_groups *g)
{
    uint32_t *copy = tuff_calloc(TUFF_MAX(n, 1), sizeof *copy);
    if (!copy)
        return tuff_fail(ctx, TUFF_E_NOMEM, "samples: out of host memory");
    memcpy(copy, indices, n * sizeof *copy);
    *g = (struct tuff_collate_groups) {0};
    if (as)
        *g = *as;
    else
        choose_lengths(samples, indices, n, batch, time, g);
    size_t at = 0;
    for (size_t s = 0; s < g->n; s++) {
        g->first[s] = at;
        for (size_t i = 0; i < n; i++)
            if (group_of(g, samples->entries.items[copy[i]].n) == s)
                indices[at++] = copy[i];
    }
    g->first[g->n] = n;
    free(copy);
    return TUFF_OK;
}

/* What group s has in an epoch: so many that the one before it had too many of, then its own. */
static size_t carried(const struct tuff_collate_params *p, size_t s)
{
    return p->groups.first[s] % p->batch;
}

/* Place i of these. */
static size_t grouped(const struct tuff_collate_params *p, const struct tuff_data_position *at, size_t s,
                      size_t i)
{
    const size_t *first = p->groups.first;
    for (; i < carried(p, s); s--)
        i += carried(p, s - 1) + first[s] - first[s - 1] - carried(p, s);
    i -= carried(p, s);
    if (p->shuffle)
        i = (size_t) tuff_shuffled(first[s + 1] - first[s], at->seed, at->epoch + GROUP_EPOCH(s), i);
    return first[s] + i;
}

/* Which group batch number *k of an epoch is of, and which of that group's it is. */
static size_t batch_of(const struct tuff_collate_params *p, const struct tuff_data_position *at, uint64_t *k)
{
    const struct tuff_collate_groups *g = &p->groups;
    *k = at->index;
    if (p->shuffle)
        *k = tuff_shuffled(tuff_collate_batches(p), at->seed, at->epoch + GROUP_EPOCH(g->n), *k);
    for (size_t s = 0; s + 1 < g->n; s++) {
        uint64_t full = (carried(p, s) + g->first[s + 1] - g->first[s]) / p->batch;
        if (*k < full)
            return s;
        *k -= full;
    }
    return g->n - 1;
}

/* ---- a batch ---- */

size_t tuff_collate_bytes(const struct tuff_collate_params *p)
{
    return sizeof(struct tuff_collated) +
           (2 * p->batch * p->time + 3 * p->batch + labels_of(p, p->time)) * sizeof(uint32_t);
}

uint64_t tuff_collate_batches(const struct tuff_collate_params *p)
{
    return tuff_div_up(p->n, p->batch);
}

/* Draws what is to be guessed in a row of n tokens. */
static void mask(const struct tuff_masking *m, const uint8_t *marks, size_t n, struct tuff_rng *rng,
                 uint32_t *ids, uint32_t *labels)
{
    bool chosen = false;
    for (size_t i = 0; i < n; i++) {
        if (marks[i] & SAMPLE_SPECIAL)
            continue;
        if (!m->whole_words || !(marks[i] & SAMPLE_INNER))
            chosen = tuff_rng_uniform(rng) < m->share;
        if (!chosen)
            continue;
        double u = tuff_rng_uniform(rng);
        labels[i] = ids[i];
        if (u < 0.8)
            ids[i] = m->mask;
        else if (u < 0.9)
            ids[i] = (uint32_t) tuff_rng_below(rng, m->vocab);
    }
}

static void fill_row(const struct tuff_collate_params *p, const struct tuff_data_position *at,
                     uint32_t sample, size_t row, struct tuff_collated *c)
{
    const struct tuff_samples *s = p->samples;
    const struct sample_entry *e = &s->entries.items[sample];
    size_t n = TUFF_MIN(e->n, c->time);
    uint32_t *ids = c->ids + row * c->time, *types = c->types + row * c->time;
    const uint8_t *marks = s->marks.items + e->first;
    memcpy(ids, s->ids.items + e->first, n * sizeof *ids);
    for (size_t i = 0; i < n; i++)
        types[i] = (marks[i] & SAMPLE_SECOND) != 0;
    c->visible[2 * row + 1] = (uint32_t) n;
    c->samples[row] = sample;
    if (s->kind == TUFF_SAMPLE_SEQUENCE) {
        c->labels[row] = e->label;
        return;
    }
    uint32_t *labels = c->labels + row * c->time;
    memcpy(labels, s->labels.items + e->first, n * sizeof *labels);
    if (s->kind == TUFF_SAMPLE_MASKED) {
        struct tuff_rng rng;
        tuff_rng_init(&rng, at->seed + sample, MASK_STREAM + at->epoch);
        mask(&p->masking, marks, n, &rng, ids, labels);
    }
}

enum tuff_status tuff_collate(void *user, struct tuff_ctx *ctx,
                              const struct tuff_data_position *at, void *batch)
{
    const struct tuff_collate_params *p = user;
    struct tuff_collated *c = batch;
    const struct tuff_collate_groups *g = &p->groups;
    uint64_t first = at->index;
    size_t group = g->n ? batch_of(p, at, &first) : 0;
    size_t time = g->n ? g->lengths[group] : p->time, tokens = p->batch * time, labels = labels_of(p, time);
    size_t all = g->n ? carried(p, group) + g->first[group + 1] - g->first[group] : p->n;
    (void) ctx;
    *c = (struct tuff_collated) {.group = group, .time = time, .ids = (uint32_t *) (c + 1)};
    c->types = c->ids + tokens;
    c->visible = c->types + tokens;
    c->samples = c->visible + 2 * p->batch;
    c->labels = c->samples + p->batch;
    for (size_t i = 0; i < tokens; i++)
        c->ids[i] = p->pad;
    memset(c->types, 0, (tokens + 3 * p->batch) * sizeof *c->types);
    memset(c->labels, 0xFF, labels * sizeof *c->labels);
    for (uint64_t i = first * p->batch; c->rows < p->batch && i < all; i++, c->rows++) {
        uint64_t k = g->n         ? grouped(p, at, group, (size_t) i)
                     : p->shuffle ? tuff_shuffled(p->n, at->seed, at->epoch, i)
                                  : i;
        fill_row(p, at, p->indices ? p->indices[k] : (uint32_t) k, c->rows, c);
    }
    for (size_t i = 0; i < labels; i++)
        c->counted += c->labels[i] != TUFF_TARGET_IGNORE;
    return TUFF_OK;
}
