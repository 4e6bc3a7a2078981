/* generate/sources: what the decoder of an encoder-decoder looks at: each source goes through the
 * encoder once, and its keys and values stay in a cache of their own for all beams and all words.
 * Source i has blocks i * max_blocks and on. */
#include "generate/engine.h"

enum { BLOCK = 16, SHORTEST = 16, LENGTHS = 24, PASS_TOKENS = 512 };
#define NO_SLOT 0xffffffffu

/* A program for sources of up to `time` tokens, `rows` at once. */
struct pass {
    int64_t rows, time;
    struct tuff_program *program;
    struct tuff_model_inputs in;
};

struct tuff_sources {
    struct tuff_kv_cache *cache;
    int64_t n, most, max_blocks; /* at once; tokens and blocks of each */
    uint32_t *lengths;           /* [n] */
    size_t *which;               /* [n], of a pass */
    struct pass passes[LENGTHS];
};

enum tuff_status tuff_sources_create(struct tuff_generator *gen)
{
    const struct tuff_generator_params *p = &gen->params;
    const struct tuff_model_config *c = tuff_model_get_config(p->model);
    struct tuff_sources *s = gen->sources = tuff_calloc(1, sizeof *s);
    if (!s)
        return tuff_fail(gen->ctx, TUFF_E_NOMEM, "generate: out of host memory");
    s->n = p->sources > 0 ? p->sources : p->sequences;
    s->most = p->source > 0 ? p->source : c->max_position_embeddings;
    s->max_blocks = (int64_t) tuff_div_up((uint64_t) s->most, BLOCK);
    s->lengths = tuff_calloc((size_t) s->n, sizeof *s->lengths);
    s->which = tuff_calloc((size_t) s->n, sizeof *s->which);
    if (!s->lengths || !s->which)
        return tuff_fail(gen->ctx, TUFF_E_NOMEM, "generate: out of host memory");
    TUFF_TRY(tuff_model_context_check(gen->ctx, c, s->most));
    return tuff_kv_cache_create(p->model, s->n * s->max_blocks, BLOCK, &s->cache);
}

void tuff_sources_destroy(struct tuff_sources *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < LENGTHS; i++)
        tuff_program_destroy(s->passes[i].program);
    tuff_kv_cache_destroy(s->cache);
    free(s->lengths);
    free(s->which);
    free(s);
}

void tuff_sources_inputs(const struct tuff_generator *gen, struct tuff_model_inputs_args *args)
{
    args->source_cache = gen->sources->cache;
    args->max_source_blocks = gen->sources->max_blocks;
}

/* `source` negative: the row is not used. */
void tuff_sources_put(const struct tuff_generator *gen, const struct tuff_bucket *b, int64_t row,
                      int64_t source)
{
    const struct tuff_sources *s = gen->sources;
    uint32_t *table = tuff_program_input(b->program, b->in.source_table);
    uint32_t *visible = tuff_program_input(b->program, b->in.source_visible);
    for (int64_t i = 0; i < s->max_blocks; i++)
        table[row * s->max_blocks + i] = (uint32_t) (TUFF_MAX(source, 0) * s->max_blocks + i);
    visible[row] = source < 0 ? 0 : s->lengths[source];
}

/* ---- passes ---- */

/* A batch-invariant source goes alone, so that its length alone chooses the program. */
static enum tuff_status get_pass(struct tuff_generator *gen, size_t k, struct pass **out)
{
    struct tuff_sources *s = gen->sources;
    struct pass *p = *out = &s->passes[k];
    struct tuff_graph *g;
    if (p->program)
        return TUFF_OK;
    p->time = TUFF_MIN((int64_t) SHORTEST << k, s->most);
    p->rows = gen->params.batch_invariant
                  ? 1
                  : TUFF_MAX(TUFF_MIN(PASS_TOKENS / p->time, s->n), 1);
    TUFF_TRY(tuff_graph_create(gen->ctx, &g));
    tuff_model_inputs_add(g, gen->params.model, &p->in, .batch = p->rows, .source = p->time,
                          .visible = true, .source_cache = s->cache);
    tuff_output(g, tuff_model_encode_source(g, gen->params.model, &p->in), "states");
    return tuff_program_create(
        gen->params.store, g,
        &(struct tuff_program_params) {.name = "encode", .generic = gen->params.generic},
        &p->program);
}

/* Sources which[0 .. n - 1], at most as many as the program has rows. */
static enum tuff_status run_pass(struct tuff_generator *gen, const struct pass *p,
                                 const struct tuff_prompt *prompts, const size_t *which,
                                 const size_t *owner, size_t n)
{
    const struct tuff_sources *s = gen->sources;
    TUFF_TRY(tuff_program_begin(p->program));
    uint32_t *ids = tuff_program_input(p->program, p->in.source);
    uint32_t *visible = tuff_program_input(p->program, p->in.source_visible);
    uint32_t *slots = tuff_program_input(p->program, p->in.source_slots);
    for (int64_t r = 0; r < p->rows; r++) {
        const struct tuff_prompt *from = r < (int64_t) n ? &prompts[owner[r]] : NULL;
        for (int64_t t = 0; t < p->time; t++) {
            bool there = from && t < (int64_t) from->n_source;
            ids[r * p->time + t] = there ? from->source[t] : 0;
            slots[r * p->time + t] =
                there ? (uint32_t) ((int64_t) which[r] * s->max_blocks * BLOCK + t) : NO_SLOT;
        }
        visible[2 * r] = 0;
        visible[2 * r + 1] = from ? (uint32_t) from->n_source : 0;
        gen->processed += from ? from->n_source : 0;
    }
    return tuff_program_submit(p->program);
}

static bool same_source(const struct tuff_prompt *a, const struct tuff_prompt *b)
{
    return a->n_source == b->n_source &&
           !memcmp(a->source, b->source, a->n_source * sizeof *a->source);
}

enum tuff_status tuff_sources_encode(struct tuff_generator *gen, const struct tuff_prompt *prompts,
                                     size_t n, size_t *source)
{
    struct tuff_sources *s = gen->sources;
    size_t found = 0, owner[TUFF_PREFILL_ROWS], members[TUFF_PREFILL_ROWS];
    for (size_t i = 0; i < n; i++) {
        size_t k = 0;
        while (k < found && !same_source(&prompts[owner[k]], &prompts[i]))
            k++;
        if (k == (size_t) s->n)
            return tuff_fail(gen->ctx, TUFF_E_RANGE, "generate: more than %lld sources at once",
                             (long long) s->n);
        if (k == found) {
            s->lengths[found] = (uint32_t) prompts[i].n_source;
            owner[found++] = i;
        }
        source[i] = k;
    }
    int64_t before = 0;
    for (size_t k = 0; before < s->most; k++) {
        struct pass *p = NULL;
        int64_t time = TUFF_MIN((int64_t) SHORTEST << k, s->most);
        size_t count = 0;
        for (size_t i = 0; i < found; i++)
            if ((int64_t) s->lengths[i] > before && (int64_t) s->lengths[i] <= time) {
                members[count] = owner[i];
                s->which[count++] = i;
            }
        if (count)
            TUFF_TRY(get_pass(gen, k, &p));
        for (size_t i = 0; i < count; i += (size_t) p->rows)
            TUFF_TRY(run_pass(gen, p, prompts, s->which + i, members + i,
                              TUFF_MIN(count - i, (size_t) p->rows)));
        before = time;
    }
    return TUFF_OK;
}

enum tuff_status tuff_sources_check(const struct tuff_generator *gen, const struct tuff_prompt *p,
                                    size_t number)
{
    const struct tuff_sources *s = gen->sources;
    if (!s && p->n_source)
        return tuff_fail(gen->ctx, TUFF_E_ARG, "prompt %zu: the model has no encoder for a source",
                         number);
    if (!s)
        return TUFF_OK;
    if (!p->n_source || p->n_source > (size_t) s->most)
        return tuff_fail(gen->ctx, TUFF_E_RANGE, "prompt %zu: its source has %zu tokens; the encoder "
                         "takes 1 to %lld", number, p->n_source, (long long) s->most);
    for (size_t k = 0; k < p->n_source; k++)
        if (p->source[k] >= (uint64_t) gen->vocab)
            return tuff_fail(gen->ctx, TUFF_E_RANGE, "prompt %zu: token %u of its source is not in "
                             "the vocabulary of %lld", number, p->source[k],
                             (long long) gen->vocab);
    return TUFF_OK;
}
