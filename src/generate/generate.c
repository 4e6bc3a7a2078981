/* generate/generate: prefill and decode as one kind of program: rows of single tokens, of any
 * sequences, in any mix; what a row is stands in arrays indexed by row. */
#include "base/base.h"
#include "tuff/generate.h"
#include "tuff/ops.h"

#define BLOCK 16
#define PREFILL_ROWS 64
#define BUCKETS 8
#define NO_SLOT 0xffffffffu

/* A program for `rows` tokens, of which `picks` get logits. */
struct bucket {
    int64_t rows, picks;
    struct tuff_program *program;
    struct tuff_model_inputs in;
    struct tuff_tensor *pick, *logits;
};

struct tuff_generator {
    struct tuff_ctx *ctx;
    struct tuff_generator_params params;
    int64_t vocab, context, max_blocks;
    struct tuff_kv_cache *cache;
    struct bucket buckets[BUCKETS]; /* decode, fewest rows first; the last is prefill */
    size_t n_buckets;
    float *scores; /* [vocab], of the row being chosen from */
};

static enum tuff_status add_bucket(struct tuff_generator *gen, int64_t rows, int64_t picks,
                                   const char *name)
{
    struct bucket *b = &gen->buckets[gen->n_buckets];
    struct tuff_graph *g;
    TUFF_TRY(tuff_graph_create(gen->ctx, &g));
    b->rows = rows;
    b->picks = picks;
    tuff_model_inputs_add(g, gen->params.model, &b->in, .cache = gen->cache, .rows = rows,
                          .max_blocks = gen->max_blocks);
    struct tuff_tensor *hidden = tuff_model_hidden(g, gen->params.model, &b->in);
    if (picks < rows) {
        b->pick = tuff_input(g, "pick", TUFF_U32, 1, &picks);
        hidden = tuff_gather(g, hidden, b->pick);
    }
    b->logits = tuff_output(g, tuff_model_logits(g, gen->params.model, hidden), "logits");
    enum tuff_status status = tuff_program_create(
        gen->params.store, g,
        &(struct tuff_program_params) {.name = name, .generic = gen->params.generic}, &b->program);
    if (status == TUFF_OK)
        gen->n_buckets++;
    return status;
}

enum tuff_status tuff_generator_create(struct tuff_ctx *ctx,
                                       const struct tuff_generator_params *params,
                                       struct tuff_generator **out)
{
    const struct tuff_model_config *c = tuff_model_get_config(params->model);
    *out = NULL;
    if (params->sequences < 0 || params->sequences > PREFILL_ROWS)
        return tuff_fail(ctx, TUFF_E_RANGE, "generate: %lld sequences at once; 1 to %d are possible",
                         (long long) params->sequences, PREFILL_ROWS);
    if (params->context < 0)
        return tuff_fail(ctx, TUFF_E_RANGE, "generate: a context of %lld",
                         (long long) params->context);
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
    gen->scores = tuff_calloc((size_t) gen->vocab, sizeof *gen->scores);
    enum tuff_status status =
        gen->scores ? tuff_kv_cache_create(gen->params.model,
                                           gen->params.sequences * gen->max_blocks, BLOCK,
                                           &gen->cache)
                    : tuff_fail(ctx, TUFF_E_NOMEM, "generate: out of host memory");
    for (int64_t rows = 1; status == TUFF_OK; rows *= 2) {
        status = add_bucket(gen, rows, rows, "decode");
        if (rows >= gen->params.sequences)
            break;
    }
    if (status == TUFF_OK)
        status = add_bucket(gen, PREFILL_ROWS, gen->buckets[gen->n_buckets - 1].rows, "prefill");
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
    tuff_kv_cache_destroy(gen->cache);
    free(gen->scores);
    free(gen);
}

/* ---- a call ---- */

struct sequence {
    const struct tuff_prompt *prompt;
    uint32_t *ids;     /* the prompt, then what was generated */
    size_t n;
    size_t length;     /* tokens in the cache */
    uint32_t next;     /* the token to feed when the prompt is in */
    int64_t generated;
    bool done;
    int64_t pick;      /* row of the logits of this run; -1: none */
};

/* A model without positions has no such input. */
static void put(struct bucket *b, const struct tuff_tensor *input, int64_t row, uint32_t value)
{
    uint32_t *to = input ? tuff_program_input(b->program, input) : NULL;
    if (to)
        to[row] = value;
}

static void put_row(struct tuff_generator *gen, struct bucket *b, int64_t row, size_t sequence,
                    uint32_t id, size_t position)
{
    put(b, b->in.ids, row, id);
    put(b, b->in.positions, row, (uint32_t) position);
    put(b, b->in.visible, row, (uint32_t) position + 1);
    uint32_t *table = (uint32_t *) tuff_program_input(b->program, b->in.table) +
                      row * gen->max_blocks;
    uint32_t first = (uint32_t) ((int64_t) sequence * gen->max_blocks);
    for (int64_t i = 0; i < gen->max_blocks; i++)
        table[i] = first + (uint32_t) i;
    put(b, b->in.slots, row, table[position / BLOCK] * BLOCK + (uint32_t) (position % BLOCK));
}

static void clear_rows(struct bucket *b, int64_t from)
{
    for (int64_t row = from; row < b->rows; row++) {
        put(b, b->in.ids, row, 0);
        put(b, b->in.positions, row, 0);
        put(b, b->in.visible, row, 0);
        put(b, b->in.slots, row, NO_SLOT);
    }
}

static bool among(uint32_t id, const uint32_t *ids, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (ids[i] == id)
            return true;
    return false;
}

/* Chooses the next token of every sequence that has logits in this run. */
static enum tuff_status take(struct tuff_generator *gen, struct bucket *b, struct sequence *list,
                             size_t n, tuff_token_fn on_token, void *user)
{
    const float *logits = tuff_program_output(b->program, b->logits, 0);
    for (size_t i = 0; i < n; i++) {
        struct sequence *s = &list[i];
        const struct tuff_sampling *sampling = &s->prompt->sampling;
        if (s->pick < 0)
            continue;
        memcpy(gen->scores, logits + s->pick * gen->vocab, (size_t) gen->vocab * sizeof *logits);
        struct tuff_scores scores = {.ctx = gen->ctx, .values = gen->scores,
                                     .v = (size_t) gen->vocab, .ids = s->ids, .n = s->n,
                                     .n_prompt = s->prompt->n};
        TUFF_TRY(tuff_process(&scores, sampling, 1));
        s->next = tuff_choose(&scores, sampling, s->length);
        s->ids[s->n++] = s->next;
        s->generated++;
        bool go_on = !on_token || on_token(user, i, s->next);
        s->done = !go_on || s->generated >= s->prompt->max_new_tokens ||
                  among(s->next, sampling->end_ids, sampling->n_end_ids) ||
                  s->length >= (size_t) gen->context;
    }
    return TUFF_OK;
}

static enum tuff_status finish(struct tuff_generator *gen, struct bucket *b, struct sequence *list,
                               size_t n, tuff_token_fn on_token, void *user)
{
    TUFF_TRY(tuff_program_submit(b->program));
    TUFF_TRY(tuff_program_wait(b->program, 0));
    return take(gen, b, list, n, on_token, user);
}

/* One chunk: as many prompt tokens as there are rows, of one sequence after the other. */
static enum tuff_status prefill(struct tuff_generator *gen, struct sequence *list, size_t n,
                                tuff_token_fn on_token, void *user)
{
    struct bucket *b = &gen->buckets[gen->n_buckets - 1];
    int64_t row = 0, picks = 0;
    TUFF_TRY(tuff_program_begin(b->program));
    uint32_t *pick = b->pick ? tuff_program_input(b->program, b->pick) : NULL;
    for (size_t i = 0; i < n; i++) {
        struct sequence *s = &list[i];
        s->pick = -1;
        while (!s->done && row < b->rows && s->length < s->prompt->n) {
            put_row(gen, b, row, i, s->prompt->ids[s->length], s->length);
            s->length++;
            row++;
            if (s->length == s->prompt->n) {
                s->pick = pick ? picks : row - 1;
                if (pick)
                    pick[picks++] = (uint32_t) row - 1;
            }
        }
    }
    clear_rows(b, row);
    for (int64_t i = picks; pick && i < b->picks; i++)
        pick[i] = 0;
    return finish(gen, b, list, n, on_token, user);
}

static enum tuff_status decode(struct tuff_generator *gen, struct sequence *list, size_t n,
                               size_t active, tuff_token_fn on_token, void *user)
{
    struct bucket *b = &gen->buckets[0];
    while (b->rows < (int64_t) active)
        b++;
    int64_t row = 0;
    TUFF_TRY(tuff_program_begin(b->program));
    for (size_t i = 0; i < n; i++) {
        struct sequence *s = &list[i];
        s->pick = -1;
        if (s->done)
            continue;
        put_row(gen, b, row, i, s->next, s->length);
        s->length++;
        s->pick = row++;
    }
    clear_rows(b, row);
    return finish(gen, b, list, n, on_token, user);
}

static enum tuff_status check(struct tuff_generator *gen, const struct tuff_prompt *prompts,
                              size_t n)
{
    if (n > (size_t) gen->params.sequences)
        return tuff_fail(gen->ctx, TUFF_E_RANGE, "generate: %zu prompts for %lld sequences", n,
                         (long long) gen->params.sequences);
    for (size_t i = 0; i < n; i++) {
        const struct tuff_prompt *p = &prompts[i];
        if (!p->n || p->n > (size_t) gen->context)
            return tuff_fail(gen->ctx, TUFF_E_RANGE, "prompt %zu has %zu tokens; 1 to %lld fit the "
                             "context", i, p->n, (long long) gen->context);
        for (size_t k = 0; k < p->n; k++)
            if (p->ids[k] >= (uint64_t) gen->vocab)
                return tuff_fail(gen->ctx, TUFF_E_RANGE, "prompt %zu: token %u is not in the "
                                 "vocabulary of %lld", i, p->ids[k], (long long) gen->vocab);
        TUFF_TRY(tuff_sampling_check(gen->ctx, &p->sampling, (size_t) gen->vocab));
    }
    return TUFF_OK;
}

enum tuff_status tuff_generate(struct tuff_generator *gen, const struct tuff_prompt *prompts,
                               size_t n, tuff_token_fn on_token, void *user)
{
    TUFF_TRY(check(gen, prompts, n));
    struct sequence *list = tuff_calloc(n, sizeof *list);
    if (!list)
        return tuff_fail(gen->ctx, TUFF_E_NOMEM, "generate: out of host memory");
    enum tuff_status status = TUFF_OK;
    for (size_t i = 0; i < n && status == TUFF_OK; i++) {
        list[i].prompt = &prompts[i];
        list[i].done = prompts[i].max_new_tokens < 1;
        list[i].ids = tuff_calloc((size_t) gen->context + 1, sizeof *list[i].ids);
        list[i].n = prompts[i].n;
        if (list[i].ids)
            memcpy(list[i].ids, prompts[i].ids, prompts[i].n * sizeof *list[i].ids);
        else
            status = tuff_fail(gen->ctx, TUFF_E_NOMEM, "generate: out of host memory");
    }
    while (status == TUFF_OK) {
        size_t active = 0;
        bool waiting = false;
        for (size_t i = 0; i < n; i++) {
            active += !list[i].done;
            waiting |= !list[i].done && list[i].length < list[i].prompt->n;
        }
        if (!active)
            break;
        status = waiting ? prefill(gen, list, n, on_token, user)
                         : decode(gen, list, n, active, on_token, user);
    }
    for (size_t i = 0; i < n; i++)
        free(list[i].ids);
    free(list);
    return status;
}
