/* generate/engine: see engine.h. */
#include "generate/engine.h"
#include "ops/strided.h"

enum { BLOCK = 16 };
#define NO_SLOT 0xffffffffu

/* ---- programs ---- */

static enum tuff_status add_bucket(struct tuff_generator *gen, int64_t rows, int64_t picks,
                                   int64_t window, const char *name)
{
    struct tuff_bucket *b = &gen->buckets[gen->n_buckets];
    struct tuff_graph *g;
    TUFF_TRY(tuff_graph_create(gen->ctx, &g));
    b->rows = rows;
    b->picks = picks;
    b->window = window;
    struct tuff_model_inputs_args args = {.cache = gen->cache, .rows = rows,
                                          .max_blocks = gen->max_blocks, .window = window,
                                          .token_types = gen->params.token_types};
    if (gen->sources)
        tuff_sources_inputs(gen, &args);
    tuff_model_inputs_add_with(g, gen->params.model, &b->in, &args);
    struct tuff_tensor *hidden = tuff_model_hidden(g, gen->params.model, &b->in);
    if (picks < rows) {
        b->pick = tuff_input(g, "pick", TUFF_U32, 1, &picks);
        hidden = tuff_gather(g, hidden, b->pick);
    }
    /* Rows that stand apart are copied with what lies between: by whole vectors. */
    struct tuff_tensor *logits = tuff_model_logits(g, gen->params.model, hidden);
    b->logits = tuff_output(g, tuff_with_padding(g, logits), "logits");
    enum tuff_status status = tuff_program_create(
        gen->params.store, g,
        &(struct tuff_program_params) {.name = name, .generic = gen->params.generic}, &b->program);
    if (status == TUFF_OK)
        gen->n_buckets++;
    return status;
}

/* A batch-invariant sequence runs through the same program whatever its company, so that its sums
 * are added in the same order. */
static enum tuff_status add_buckets(struct tuff_generator *gen)
{
    bool fixed = gen->params.batch_invariant;
    for (int64_t rows = fixed ? TUFF_INVARIANT_ROWS : 1;; rows *= 2) {
        TUFF_TRY(add_bucket(gen, rows, rows, 0, "decode"));
        if (fixed || rows >= gen->params.sequences)
            break;
    }
    gen->prefill = gen->n_buckets;
    TUFF_TRY(add_bucket(gen, TUFF_PREFILL_ROWS, gen->buckets[gen->n_buckets - 1].rows, 0,
                        "prefill"));
    /* What a decoder begins with is short. */
    for (int64_t rows = TUFF_LEAST_CHUNK;
         rows <= TUFF_MOST_CHUNK && rows <= gen->context && !gen->sources; rows *= 2)
        TUFF_TRY(add_bucket(gen, rows, 1, gen->context, "chunk"));
    return TUFF_OK;
}

/* Rows of the cache to other rows: all are read before one is written. */
static enum tuff_status add_copies(struct tuff_generator *gen)
{
    struct tuff_graph *g;
    int64_t rows = gen->params.sequences * BLOCK;
    gen->copies.blocks = tuff_calloc((size_t) gen->params.sequences, 2 * sizeof(uint32_t));
    if (!gen->copies.blocks)
        return tuff_fail(gen->ctx, TUFF_E_NOMEM, "generate: out of host memory");
    gen->copies.most = (size_t) gen->params.sequences;
    TUFF_TRY(tuff_graph_create(gen->ctx, &g));
    gen->copies.from = tuff_input(g, "from", TUFF_U32, 1, &rows);
    gen->copies.to = tuff_input(g, "to", TUFF_U32, 1, &rows);
    for (int64_t i = 0; i < 2 * gen->cache->layers; i++) {
        struct tuff_variable *v = i % 2 ? gen->cache->values[i / 2] : gen->cache->keys[i / 2];
        struct tuff_tensor *cache = tuff_use(g, v);
        tuff_scatter(g, cache, gen->copies.to, tuff_gather(g, cache, gen->copies.from));
    }
    return tuff_program_create(
        gen->params.store, g,
        &(struct tuff_program_params) {.name = "copy", .generic = gen->params.generic},
        &gen->copies.program);
}

static enum tuff_status allocate(struct tuff_generator *gen)
{
    size_t blocks = (size_t) (gen->params.sequences * gen->max_blocks);
    gen->scores = tuff_calloc((size_t) gen->vocab, sizeof *gen->scores);
    gen->uses = tuff_calloc(blocks, sizeof *gen->uses);
    gen->free_blocks = tuff_calloc(blocks, sizeof *gen->free_blocks);
    if (!gen->scores || !gen->uses || !gen->free_blocks)
        return tuff_fail(gen->ctx, TUFF_E_NOMEM, "generate: out of host memory");
    TUFF_TRY(tuff_kv_cache_create(gen->params.model, (int64_t) blocks, BLOCK, &gen->cache));
    if (tuff_model_get_config(gen->params.model)->task == TUFF_TASK_TRANSLATION)
        TUFF_TRY(tuff_sources_create(gen));
    TUFF_TRY(add_buckets(gen));
    if (gen->params.reuse) {
        gen->kept.track = tuff_tracks_create(gen, 1);
        gen->kept.ids = tuff_calloc((size_t) gen->context + 1, sizeof *gen->kept.ids);
        if (!gen->kept.track || !gen->kept.ids)
            return tuff_fail(gen->ctx, TUFF_E_NOMEM, "generate: out of host memory");
        tuff_engine_reset(gen);
    }
    return gen->params.beams ? add_copies(gen) : TUFF_OK;
}

enum tuff_status tuff_generator_create(struct tuff_ctx *ctx,
                                       const struct tuff_generator_params *params,
                                       struct tuff_generator **out)
{
    const struct tuff_model_config *c = tuff_model_get_config(params->model);
    *out = NULL;
    if (params->sequences < 0 || params->sequences > TUFF_PREFILL_ROWS)
        return tuff_fail(ctx, TUFF_E_RANGE, "generate: %lld sequences at once; 1 to %d are possible",
                         (long long) params->sequences, TUFF_PREFILL_ROWS);
    if (params->context < 0)
        return tuff_fail(ctx, TUFF_E_RANGE, "generate: a context of %lld",
                         (long long) params->context);
    TUFF_TRY(tuff_model_check_writes(ctx, "generating", c));
    if (params->reuse && c->task == TUFF_TASK_TRANSLATION)
        return tuff_fail(ctx, TUFF_E_ARG, "generate: what an encoder-decoder wrote depends on its "
                         "source: nothing can be reused");
    TUFF_TRY(tuff_model_context_check(ctx, c, params->context));
    struct tuff_generator *gen = tuff_calloc(1, sizeof *gen);
    if (!gen)
        return tuff_fail(ctx, TUFF_E_NOMEM, "generate: out of host memory");
    gen->ctx = ctx;
    gen->params = *params;
    gen->params.sequences = TUFF_MAX(params->sequences, 1);
    gen->context = params->context ? params->context : c->max_position_embeddings;
    gen->vocab = c->vocab_size;
    gen->max_blocks = (int64_t) tuff_div_up((uint64_t) gen->context, BLOCK);
    enum tuff_status status = allocate(gen);
    if (status != TUFF_OK) {
        tuff_generator_destroy(gen);
        return status;
    }
    *out = gen;
    return TUFF_OK;
}

void tuff_generator_destroy(struct tuff_generator *gen)
{
    if (!gen)
        return;
    for (size_t i = 0; i < TUFF_COUNT(gen->buckets); i++)
        tuff_program_destroy(gen->buckets[i].program);
    tuff_program_destroy(gen->copies.program);
    tuff_kv_cache_destroy(gen->cache);
    tuff_sources_destroy(gen->sources);
    tuff_tracks_destroy(gen->kept.track);
    free(gen->kept.ids);
    free(gen->copies.blocks);
    free(gen->uses);
    free(gen->free_blocks);
    free(gen->scores);
    free(gen);
}

uint64_t tuff_generator_processed(const struct tuff_generator *gen)
{
    return gen->processed;
}

/* ---- blocks ---- */

void tuff_engine_reset(struct tuff_generator *gen)
{
    size_t blocks = (size_t) (gen->params.sequences * gen->max_blocks);
    memset(gen->uses, 0, blocks * sizeof *gen->uses);
    gen->n_free = blocks;
    for (size_t i = 0; i < blocks; i++) /* the lowest is taken first */
        gen->free_blocks[i] = (uint32_t) (blocks - 1 - i);
    gen->copies.n = 0;
    if (gen->kept.track)
        gen->kept.track->n_blocks = gen->kept.track->length = 0;
}

struct tuff_track *tuff_tracks_create(struct tuff_generator *gen, size_t n)
{
    struct tuff_track *tracks = tuff_calloc(n, sizeof *tracks);
    uint32_t *blocks = tuff_calloc(n * (size_t) gen->max_blocks, sizeof *blocks);
    if (!tracks || !blocks) {
        free(tracks);
        free(blocks);
        tuff_fail(gen->ctx, TUFF_E_NOMEM, "generate: out of host memory");
        return NULL;
    }
    for (size_t i = 0; i < n; i++)
        tracks[i].blocks = blocks + i * (size_t) gen->max_blocks;
    return tracks;
}

/* The first track's list of blocks is the start of all. */
void tuff_tracks_destroy(struct tuff_track *tracks)
{
    if (tracks)
        free(tracks[0].blocks);
    free(tracks);
}

void tuff_track_share(struct tuff_generator *gen, struct tuff_track *to,
                      const struct tuff_track *from)
{
    memcpy(to->blocks, from->blocks, from->n_blocks * sizeof *to->blocks);
    to->n_blocks = from->n_blocks;
    to->length = from->length;
    for (size_t i = 0; i < to->n_blocks; i++)
        gen->uses[to->blocks[i]]++;
}

void tuff_track_cut(struct tuff_generator *gen, struct tuff_track *track, size_t length)
{
    size_t keep = (length + BLOCK - 1) / BLOCK;
    for (size_t i = keep; i < track->n_blocks; i++)
        if (--gen->uses[track->blocks[i]] == 0)
            gen->free_blocks[gen->n_free++] = track->blocks[i];
    track->n_blocks = keep;
    track->length = length;
}

/* There are as many blocks as all tracks can hold without sharing, so one is always free. */
static uint32_t take_block(struct tuff_generator *gen)
{
    uint32_t block = gen->free_blocks[--gen->n_free];
    gen->uses[block] = 1;
    return block;
}

/* The cache row of the track's next token, in a block that is its alone. */
static uint32_t next_slot(struct tuff_generator *gen, struct tuff_track *track)
{
    size_t at = track->length / BLOCK;
    if (at == track->n_blocks) {
        track->blocks[track->n_blocks++] = take_block(gen);
    } else if (gen->uses[track->blocks[at]] > 1) {
        uint32_t own = take_block(gen);
        gen->copies.blocks[2 * gen->copies.n] = track->blocks[at];
        gen->copies.blocks[2 * gen->copies.n++ + 1] = own;
        gen->uses[track->blocks[at]]--;
        track->blocks[at] = own;
    }
    return track->blocks[at] * BLOCK + (uint32_t) (track->length % BLOCK);
}

/* Copies what next_slot asked for. Programs run in the order of submission: no wait. */
static enum tuff_status run_copies(struct tuff_generator *gen)
{
    struct tuff_program *p = gen->copies.program;
    if (!gen->copies.n)
        return TUFF_OK;
    TUFF_TRY(tuff_program_begin(p));
    uint32_t *from = tuff_program_input(p, gen->copies.from);
    uint32_t *to = tuff_program_input(p, gen->copies.to);
    for (size_t i = 0; i < gen->copies.most * BLOCK; i++) {
        const uint32_t *pair = &gen->copies.blocks[2 * (i / BLOCK)];
        bool used = i / BLOCK < gen->copies.n;
        from[i] = used ? pair[0] * BLOCK + (uint32_t) (i % BLOCK) : 0;
        to[i] = used ? pair[1] * BLOCK + (uint32_t) (i % BLOCK) : NO_SLOT;
    }
    gen->copies.n = 0;
    return tuff_program_submit(p);
}

/* ---- runs ---- */

/* A model without positions has no such input. */
static void put(struct tuff_bucket *b, const struct tuff_tensor *input, int64_t row, uint32_t value)
{
    uint32_t *to = input ? tuff_program_input(b->program, input) : NULL;
    if (to)
        to[row] = value;
}

/* An id beyond the table adds nothing. */
static uint32_t token_type(const struct tuff_track *track)
{
    const struct tuff_prompt *p = track->prompt;
    return p->token_types ? p->token_types[TUFF_MIN(track->length, p->n - 1)] : NO_SLOT;
}

/* The row's own, as long as its prompt was when it went in, or as it has become. */
static void put_angles(struct tuff_generator *gen, struct tuff_bucket *b, int64_t row,
                       const struct tuff_track *track)
{
    float *to = b->in.angles ? tuff_program_input(b->program, b->in.angles) : NULL;
    size_t length = TUFF_MAX(track->prompt->n, track->length + 1);
    if (to)
        tuff_model_angles(gen->params.model, (int64_t) length, (int64_t) track->length, 1,
                          to + row * tuff_dims(b->in.angles)[1]);
}

/* Whether the row is one of the model's virtual tokens, which come first. */
static void put_virtual(const struct tuff_generator *gen, struct tuff_bucket *b, int64_t row,
                        size_t position)
{
    float *real = b->in.real ? tuff_program_input(b->program, b->in.real) : NULL;
    bool is_virtual = position < (size_t) tuff_model_virtual_tokens(gen->params.model);
    put(b, b->in.virtual_ids, row, is_virtual ? (uint32_t) position : UINT32_MAX);
    if (real)
        real[row] = is_virtual ? 0 : 1;
}

static void put_row(struct tuff_generator *gen, struct tuff_bucket *b, int64_t row,
                    struct tuff_feed *feed, uint32_t slot)
{
    struct tuff_track *track = feed->track;
    put(b, b->in.ids, row, feed->id);
    put(b, b->in.token_types, row, token_type(track));
    put(b, b->in.positions, row, b->in.angles ? (uint32_t) row : (uint32_t) track->length);
    put_angles(gen, b, row, track);
    if (gen->sources)
        tuff_sources_put(gen, b, row, (int64_t) track->source);
    put(b, b->in.slots, row, slot);
    put_virtual(gen, b, row, track->length);
    track->length++;
    if (b->window)
        return;
    put(b, b->in.visible, row, (uint32_t) track->length);
    uint32_t *table = tuff_program_input(b->program, b->in.table);
    table += row * gen->max_blocks;
    for (int64_t i = 0; i < gen->max_blocks; i++)
        table[i] = i < (int64_t) track->n_blocks ? track->blocks[i] : 0;
}

/* The track's tokens, the chunk's among them, are the last of the window. */
static void put_window(struct tuff_bucket *b, const struct tuff_track *track)
{
    uint32_t *to = tuff_program_input(b->program, b->in.window);
    int64_t first = b->window - (int64_t) track->length;
    put(b, b->in.visible, 0, (uint32_t) first);
    put(b, b->in.visible, 1, (uint32_t) b->window);
    for (int64_t i = 0; i < b->window; i++) {
        size_t at = (size_t) TUFF_MAX(i - first, 0);
        to[i] = i < first ? NO_SLOT
                          : track->blocks[at / BLOCK] * BLOCK + (uint32_t) (at % BLOCK);
    }
}

static void clear_rows(struct tuff_generator *gen, struct tuff_bucket *b, int64_t from)
{
    for (int64_t row = from; row < b->rows; row++) {
        if (gen->sources)
            tuff_sources_put(gen, b, row, -1);
        put(b, b->in.token_types, row, NO_SLOT);
        put(b, b->in.ids, row, 0);
        put(b, b->in.positions, row, 0);
        put(b, b->in.visible, row, 0);
        put(b, b->in.slots, row, NO_SLOT);
        put_virtual(gen, b, row, SIZE_MAX);
    }
}

static struct tuff_bucket *prefill_bucket(struct tuff_generator *gen)
{
    return &gen->buckets[gen->prefill];
}

void tuff_engine_limits(const struct tuff_generator *gen, bool prompt, size_t *feeds,
                        size_t *wanted)
{
    const struct tuff_bucket *b = &gen->buckets[gen->prefill - (prompt ? 0 : 1)];
    *feeds = (size_t) b->rows;
    *wanted = (size_t) b->picks;
}

/* Few rows of prompts run faster through a program for few; only not where that would make a
 * difference to the sums. */
static struct tuff_bucket *choose_bucket(struct tuff_generator *gen, size_t n, bool prompt)
{
    struct tuff_bucket *b = gen->buckets, *last = prefill_bucket(gen);
    if (prompt && gen->params.batch_invariant)
        return last;
    while (b < last && b->rows < (int64_t) n)
        b++;
    return b;
}

static enum tuff_status run_rows(struct tuff_generator *gen, struct tuff_bucket *b,
                                 struct tuff_feed *feeds, size_t n)
{
    int64_t picks = 0;
    uint32_t slots[TUFF_MOST_CHUNK];
    /* Slots are given first, one feed after the other: what must be copied is copied before. */
    for (size_t i = 0; i < n; i++) {
        slots[i] = next_slot(gen, feeds[i].track);
        feeds[i].track->length++;
    }
    for (size_t i = n; i-- > 0;)
        feeds[i].track->length--;
    TUFF_TRY(run_copies(gen));
    TUFF_TRY(tuff_program_begin(b->program));
    uint32_t *pick = b->pick ? tuff_program_input(b->program, b->pick) : NULL;
    for (size_t i = 0; i < n; i++) {
        put_row(gen, b, (int64_t) i, &feeds[i], slots[i]);
        if (pick && feeds[i].wanted)
            pick[picks++] = (uint32_t) i;
    }
    if (b->window)
        put_window(b, feeds[0].track);
    else
        clear_rows(gen, b, (int64_t) n);
    for (int64_t i = picks; pick && i < b->picks; i++)
        pick[i] = 0;
    TUFF_TRY(tuff_program_submit(b->program));
    TUFF_TRY(tuff_program_wait(b->program, 0));
    gen->processed += n;
    const float *logits = tuff_program_output(b->program, b->logits, 0);
    int64_t pitch = tuff_dims(b->logits)[tuff_rank(b->logits) - 1];
    picks = 0;
    for (size_t i = 0; i < n; i++) {
        int64_t row = pick ? picks : (int64_t) i;
        feeds[i].logits = feeds[i].wanted ? logits + row * pitch : NULL;
        picks += feeds[i].wanted;
    }
    return TUFF_OK;
}

enum tuff_status tuff_engine_run(struct tuff_generator *gen, struct tuff_feed *feeds, size_t n,
                                 bool prompt)
{
    return n ? run_rows(gen, choose_bucket(gen, n, prompt), feeds, n) : TUFF_OK;
}

size_t tuff_engine_chunk(const struct tuff_generator *gen, struct tuff_track *track,
                         const uint32_t *ids, size_t n, struct tuff_feed *feeds)
{
    size_t rows = 0, from = track->length;
    for (size_t i = gen->prefill + 1; i < gen->n_buckets; i++)
        if (from + (size_t) gen->buckets[i].rows <= n)
            rows = (size_t) gen->buckets[i].rows;
    for (size_t i = 0; i < rows; i++)
        feeds[i] = (struct tuff_feed) {track, ids[from + i], from + i + 1 == n, NULL};
    return rows;
}

enum tuff_status tuff_engine_run_chunk(struct tuff_generator *gen, struct tuff_feed *feeds,
                                       size_t n)
{
    struct tuff_bucket *b = prefill_bucket(gen) + 1;
    while (b->rows < (int64_t) n)
        b++;
    return run_rows(gen, b, feeds, n);
}

/* ---- checks ---- */

/* The values behind `before` times another; returns the end. */
static uint32_t *put_before(uint32_t *to, size_t before, uint32_t first, const uint32_t *from, size_t n)
{
    for (size_t i = 0; i < before; i++)
        *to++ = first;
    for (size_t i = 0; i < n; i++)
        *to++ = from[i];
    return to;
}

const struct tuff_prompt *tuff_engine_prompts(struct tuff_generator *gen,
                                              const struct tuff_prompt *prompts, size_t n,
                                              void **memory)
{
    size_t before = (size_t) tuff_model_virtual_tokens(gen->params.model), total = 0;
    *memory = NULL;
    if (!before)
        return prompts;
    for (size_t i = 0; i < n; i++)
        total += (before + prompts[i].n) * (prompts[i].token_types ? 2 : 1);
    struct tuff_prompt *list = *memory = tuff_calloc(1, n * sizeof *list + total * sizeof(uint32_t));
    if (!list) {
        tuff_fail(gen->ctx, TUFF_E_NOMEM, "generate: out of host memory");
        return NULL;
    }
    uint32_t *ids = (uint32_t *) (void *) (list + n);
    for (size_t i = 0; i < n; i++) {
        list[i] = prompts[i];
        list[i].n += before;
        list[i].ids = ids;
        /* Ids of virtual tokens are not looked up; one of the prompt's own changes no penalty. */
        ids = put_before(ids, before, prompts[i].n ? prompts[i].ids[0] : 0, prompts[i].ids, prompts[i].n);
        if (!prompts[i].token_types)
            continue;
        list[i].token_types = ids; /* 0, as in training */
        ids = put_before(ids, before, 0, prompts[i].token_types, prompts[i].n);
    }
    return list;
}

enum tuff_status tuff_engine_check(struct tuff_generator *gen, const struct tuff_prompt *prompts,
                                   size_t n, size_t rows)
{
    if (n * rows > (size_t) gen->params.sequences)
        return tuff_fail(gen->ctx, TUFF_E_RANGE, "generate: %zu prompts of %zu for %lld sequences",
                         n, rows, (long long) gen->params.sequences);
    for (size_t i = 0; i < n; i++) {
        const struct tuff_prompt *p = &prompts[i];
        if (!p->n || p->n > (size_t) gen->context)
            return tuff_fail(gen->ctx, TUFF_E_RANGE, "prompt %zu has %zu tokens; 1 to %lld fit the "
                             "context", i, p->n, (long long) gen->context);
        for (size_t k = 0; k < p->n; k++)
            if (p->ids[k] >= (uint64_t) gen->vocab)
                return tuff_fail(gen->ctx, TUFF_E_RANGE, "prompt %zu: token %u is not in the "
                                 "vocabulary of %lld", i, p->ids[k], (long long) gen->vocab);
        TUFF_TRY(tuff_sources_check(gen, p, i));
        if (p->token_types && !gen->params.token_types)
            return tuff_fail(gen->ctx, TUFF_E_ARG, "prompt %zu: has token types, for which the "
                             "generator was not made", i);
        for (size_t k = 0; p->token_types && k < p->n; k++)
            if (p->token_types[k] >= (uint64_t) gen->vocab)
                return tuff_fail(gen->ctx, TUFF_E_RANGE, "prompt %zu: token type %u is not in the "
                                 "vocabulary of %lld", i, p->token_types[k],
                                 (long long) gen->vocab);
        TUFF_TRY(tuff_sampling_check(gen->ctx, &p->sampling, (size_t) gen->vocab));
    }
    return TUFF_OK;
}

enum tuff_status tuff_engine_begin(struct tuff_generator *gen, const struct tuff_prompt *prompts,
                                   size_t n, struct tuff_track *tracks, size_t each)
{
    size_t source[TUFF_PREFILL_ROWS] = {0};
    if (gen->sources)
        TUFF_TRY(tuff_sources_encode(gen, prompts, n, source));
    for (size_t i = 0; i < n * each; i++) {
        tracks[i].prompt = &prompts[i / each];
        tracks[i].source = source[i / each];
    }
    return TUFF_OK;
}

bool tuff_ends(const struct tuff_prompt *prompt, const uint32_t *ids, size_t n)
{
    for (size_t i = 0; i < prompt->sampling.n_end_ids; i++)
        if (ids[n - 1] == prompt->sampling.end_ids[i])
            return true;
    return prompt->stop && prompt->stop(prompt->stop_user, ids, n);
}
