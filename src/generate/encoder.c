/* generate/encoder: see tuff/encoder.h. Sequences of about one length go through a program together,
 * padded on the right. */
#include "base/base.h"
#include "tuff/encoder.h"
#include "tuff/soft_prompt.h"

#define SHORTEST 16
#define BUCKETS 32

struct bucket {
    int64_t rows, time;
    struct tuff_program *program;
    struct tuff_model_inputs in;
    struct tuff_tensor *weights; /* of the mean */
    struct tuff_model_target target;
    struct tuff_tensor *result;
};

struct tuff_encoder {
    struct tuff_ctx *ctx;
    struct tuff_encoder_params params;
    struct bucket buckets[BUCKETS];
    uint32_t *ids, *types, *targets, *visible; /* of a pass: parts of words */
    struct {
        uint32_t *items;
        size_t cap;
    } words;
};

enum tuff_status tuff_encoder_create(struct tuff_ctx *ctx, const struct tuff_encoder_params *params,
                                     struct tuff_encoder **out)
{
    *out = NULL;
    const struct tuff_model_config *c = tuff_model_get_config(params->model);
    if (params->result == TUFF_ENCODER_LOSSES)
        TUFF_TRY(tuff_model_check_causal(ctx, "measuring losses", c));
    struct tuff_encoder *e = tuff_calloc(1, sizeof *e);
    if (!e)
        return tuff_fail(ctx, TUFF_E_NOMEM, "encoder: out of host memory");
    e->ctx = ctx;
    e->params = *params;
    if (!e->params.tokens)
        e->params.tokens = 512;
    *out = e;
    return TUFF_OK;
}

void tuff_encoder_destroy(struct tuff_encoder *e)
{
    if (!e)
        return;
    for (size_t i = 0; i < BUCKETS; i++)
        tuff_program_destroy(e->buckets[i].program);
    free(e->words.items);
    free(e);
}

/* ---- programs ---- */

static int64_t most_tokens(const struct tuff_encoder *e)
{
    int64_t n = tuff_model_positions(tuff_model_get_config(e->params.model));
    return n > 0 ? TUFF_MAX(n - tuff_model_virtual_tokens(e->params.model), 1) : 1 << 20;
}

/* The k-th length; the last is what the model has. */
static int64_t bucket_time(const struct tuff_encoder *e, size_t k)
{
    return TUFF_MIN((int64_t) SHORTEST << k, most_tokens(e));
}

static struct tuff_tensor *build_result(struct tuff_encoder *e, struct tuff_graph *g,
                                        struct bucket *b)
{
    struct tuff_model *m = e->params.model;
    struct tuff_tensor *hidden = tuff_model_hidden(g, m, &b->in), *rows = NULL;
    struct tuff_model_heads heads;
    if (e->params.result == TUFF_ENCODER_MEAN) {
        b->weights = tuff_input(g, "mean", TUFF_F32, 2, (int64_t[]) {b->rows, b->time});
        return tuff_model_mean(g, hidden, b->weights);
    }
    tuff_model_apply_heads(g, m, &b->in, hidden, &heads);
    if (e->params.result == TUFF_ENCODER_LOGITS)
        return heads.logits;
    struct tuff_model_targets targets;
    tuff_model_targets_add(g, m, &b->in, &targets);
    b->target = targets.main;
    tuff_cross_entropy(g, heads.logits, b->target.ids, b->target.weight, &rows);
    return rows;
}

static enum tuff_status get_bucket(struct tuff_encoder *e, size_t k, struct bucket **out)
{
    struct bucket *b = *out = &e->buckets[k];
    struct tuff_graph *g;
    if (b->program)
        return TUFF_OK;
    b->time = bucket_time(e, k);
    b->rows = TUFF_MAX(e->params.tokens / b->time, 1);
    /* Longer than the model was trained for: then what rows have in common depends on their lengths. */
    int64_t usual = tuff_model_get_config(e->params.model)->max_position_embeddings;
    if (usual && b->time > usual)
        b->rows = 1;
    TUFF_TRY(tuff_graph_create(e->ctx, &g));
    tuff_model_inputs_add(g, e->params.model, &b->in, .batch = b->rows, .time = b->time,
                          .visible = true);
    b->result = tuff_output(g, build_result(e, g, b), "result");
    return tuff_program_create(e->params.store, g,
                               &(struct tuff_program_params) {.name = "encode"}, &b->program);
}

/* ---- a pass ---- */

static bool reserve(struct tuff_encoder *e, const struct bucket *b)
{
    size_t n = (size_t) (b->rows * b->time);
    if (!tuff_grow((void **) &e->words.items, &e->words.cap, 5 * n, sizeof *e->words.items))
        return false;
    e->ids = e->words.items;
    e->types = e->ids + n;
    e->targets = e->types + n;
    e->visible = e->targets + n;
    return true;
}

static void fill(struct tuff_encoder *e, const struct bucket *b,
                 const struct tuff_encoder_input *inputs, const size_t *which, size_t n)
{
    for (size_t r = 0; r < (size_t) b->rows; r++) {
        const struct tuff_encoder_input *in = r < n ? &inputs[which[r]] : NULL;
        size_t length = in ? in->n : 0;
        for (size_t t = 0; t < (size_t) b->time; t++) {
            size_t at = r * (size_t) b->time + t;
            e->ids[at] = t < length ? in->ids[t] : 0;
            e->types[at] = t < length && in->token_types ? in->token_types[t] : 0;
            e->targets[at] = t < length && in->targets ? in->targets[t] : TUFF_IGNORE;
        }
        e->visible[2 * r] = 0;
        e->visible[2 * r + 1] = (uint32_t) length;
    }
}

static void write_others(struct tuff_encoder *e, const struct bucket *b)
{
    size_t time = (size_t) b->time;
    float *weights = b->weights ? tuff_program_input(b->program, b->weights) : NULL;
    for (size_t i = 0; weights && i < (size_t) b->rows * time; i++) {
        uint32_t length = e->visible[2 * (i / time) + 1];
        weights[i] = i % time < length ? 1.0f / (float) length : 0;
    }
    uint32_t *targets = b->target.ids ? tuff_program_input(b->program, b->target.ids) : NULL;
    if (targets) {
        memcpy(targets, e->targets, (size_t) b->rows * time * sizeof *targets);
        *(float *) tuff_program_input(b->program, b->target.weight) = 1;
    }
}

/* Inputs which[0 .. n - 1], at most as many as the program has rows. */
static enum tuff_status pass(struct tuff_encoder *e, struct bucket *b,
                             const struct tuff_encoder_input *inputs, const size_t *which, size_t n,
                             tuff_encoded_fn on_result, void *user)
{
    if (!reserve(e, b))
        return tuff_fail(e->ctx, TUFF_E_NOMEM, "encoder: out of host memory");
    fill(e, b, inputs, which, n);
    TUFF_TRY(tuff_program_begin(b->program));
    TUFF_TRY(tuff_model_inputs_write(
        b->program, e->params.model, &b->in,
        &(struct tuff_model_batch) {.ids = e->ids, .token_types = e->types,
                                    .visible = e->visible}));
    write_others(e, b);
    TUFF_TRY(tuff_program_submit(b->program));
    TUFF_TRY(tuff_program_wait(b->program, 0));
    const float *values = tuff_program_output(b->program, b->result, 0);
    int rank = tuff_rank(b->result);
    const int64_t *dims = tuff_dims(b->result);
    bool losses = e->params.result == TUFF_ENCODER_LOSSES, tokens = losses || rank > 2;
    size_t width = losses ? 1 : (size_t) dims[rank - 1];
    for (size_t r = 0; r < n; r++)
        TUFF_TRY(on_result(user, which[r], values + r * (tokens ? (size_t) b->time : 1) * width,
                           tokens ? inputs[which[r]].n : 1, width));
    return TUFF_OK;
}

static enum tuff_status check(const struct tuff_encoder *e, const struct tuff_encoder_input *in,
                              size_t number)
{
    const struct tuff_model_config *c = tuff_model_get_config(e->params.model);
    if (in->n < 1 || in->n > (size_t) most_tokens(e))
        return tuff_fail(e->ctx, TUFF_E_RANGE, "text %zu has %zu tokens; the model takes 1 to %lld",
                         number, in->n, (long long) most_tokens(e));
    for (size_t i = 0; i < in->n; i++)
        if (in->ids[i] >= (uint64_t) c->vocab_size ||
            (in->token_types && c->type_vocab_size &&
             in->token_types[i] >= (uint64_t) c->type_vocab_size))
            return tuff_fail(e->ctx, TUFF_E_RANGE, "text %zu: token %u of type %u is not in the "
                             "model's tables (%lld, %lld)", number, in->ids[i],
                             in->token_types ? in->token_types[i] : 0, (long long) c->vocab_size,
                             (long long) c->type_vocab_size);
    return TUFF_OK;
}

enum tuff_status tuff_encode(struct tuff_encoder *e, const struct tuff_encoder_input *inputs,
                             size_t n, tuff_encoded_fn on_result, void *user)
{
    size_t *which = tuff_calloc(n, sizeof *which);
    enum tuff_status status =
        which ? TUFF_OK : tuff_fail(e->ctx, TUFF_E_NOMEM, "encoder: out of host memory");
    for (size_t i = 0; i < n && status == TUFF_OK; i++)
        status = check(e, &inputs[i], i + 1);
    int64_t before = 0;
    for (size_t k = 0; k < BUCKETS && status == TUFF_OK && before < most_tokens(e); k++) {
        int64_t time = bucket_time(e, k);
        size_t members = 0;
        struct bucket *b = NULL;
        for (size_t i = 0; i < n; i++)
            if ((int64_t) inputs[i].n > before && (int64_t) inputs[i].n <= time)
                which[members++] = i;
        if (members)
            status = get_bucket(e, k, &b);
        for (size_t i = 0; i < members && status == TUFF_OK; i += (size_t) b->rows)
            status = pass(e, b, inputs, which + i, TUFF_MIN(members - i, (size_t) b->rows),
                          on_result, user);
        before = time;
    }
    free(which);
    return status;
}
