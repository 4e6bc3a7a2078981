/* data/collate: samples to batches: padding, and words to guess; see tuff/data_loader.h. */
#include "base/rng.h"
#include "data/samples.h"

/* Of the random numbers of sample i in epoch e: this + e, and the seed + i. */
#define MASK_STREAM ((uint64_t) 0x6d61736b << 32)

static size_t labels_of(const struct tuff_collate_params *p)
{
    return p->batch * (p->samples->kind == TUFF_SAMPLE_SEQUENCE ? 1 : p->time);
}

size_t tuff_collate_bytes(const struct tuff_collate_params *p)
{
    return sizeof(struct tuff_collated) +
           (2 * p->batch * p->time + 3 * p->batch + labels_of(p)) * sizeof(uint32_t);
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
    size_t n = TUFF_MIN(e->n, p->time);
    uint32_t *ids = c->ids + row * p->time, *types = c->types + row * p->time;
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
    uint32_t *labels = c->labels + row * p->time;
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
    size_t tokens = p->batch * p->time, labels = labels_of(p);
    (void) ctx;
    *c = (struct tuff_collated) {.ids = (uint32_t *) (c + 1)};
    c->types = c->ids + tokens;
    c->visible = c->types + tokens;
    c->samples = c->visible + 2 * p->batch;
    c->labels = c->samples + p->batch;
    for (size_t i = 0; i < tokens; i++)
        c->ids[i] = p->pad;
    memset(c->types, 0, (tokens + 3 * p->batch) * sizeof *c->types);
    memset(c->labels, 0xFF, labels * sizeof *c->labels);
    for (uint64_t i = at->index * p->batch; c->rows < p->batch && i < p->n; i++, c->rows++) {
        uint64_t k = p->shuffle ? tuff_shuffled(p->n, at->seed, at->epoch, i) : i;
        fill_row(p, at, p->indices ? p->indices[k] : (uint32_t) k, c->rows, c);
    }
    for (size_t i = 0; i < labels; i++)
        c->counted += c->labels[i] != TUFF_TARGET_IGNORE;
    return TUFF_OK;
}
