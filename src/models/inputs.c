/* models/inputs: what a forward pass is given, and the cache of keys and values. */
#include "models/model.h"
#include "graph/op.h"

static bool dynamic_rope(const struct tuff_model *m)
{
    return m->config.rope.theta > 0 && m->config.rope.type == TUFF_ROPE_DYNAMIC;
}

static void add_angles(struct tuff_graph *g, const struct tuff_model *m,
                       struct tuff_model_inputs *in, int64_t rows)
{
    in->angles = tuff_input(g, "angles", TUFF_F32, 2,
                            (int64_t[]) {rows, tuff_rope_size(&m->config, &m->config.rope)});
}

void tuff_model_angles(const struct tuff_model *m, int64_t length, int64_t first, int64_t n,
                       float *angles)
{
    tuff_rope_fill(&m->config, &m->config.rope, length, first, n, angles);
}

static void add_rows(struct tuff_graph *g, const struct tuff_model *m,
                     struct tuff_model_inputs *in, const struct tuff_model_inputs_args *args)
{
    const int64_t *rows = &args->rows;
    in->cache = args->cache;
    in->ids = tuff_input(g, "ids", TUFF_U32, 1, rows);
    if (m->family->needs & (TUFF_NEEDS_POSITIONS | TUFF_NEEDS_ROW_POSITIONS))
        in->positions = tuff_input(g, "positions", TUFF_U32, 1, rows);
    if (args->token_types && (m->family->needs & TUFF_TAKES_TOKEN_TYPES))
        in->token_types = tuff_input(g, "token_types", TUFF_U32, 1, rows);
    if (dynamic_rope(m))
        add_angles(g, m, in, args->rows);
    if ((in->source_cache = args->source_cache)) {
        in->source_table = tuff_input(g, "source.table", TUFF_U32, 2,
                                      (int64_t[]) {args->rows, args->max_source_blocks});
        in->source_visible = tuff_input(g, "source.visible", TUFF_U32, 1, rows);
    }
    in->slots = tuff_input(g, "slots", TUFF_U32, 1, rows);
    tuff_soft_prompt_inputs(g, m, in, false);
    if (args->window) {
        in->window = tuff_input(g, "window", TUFF_U32, 1, &args->window);
        in->visible = tuff_input(g, "visible", TUFF_U32, 2, (int64_t[]) {1, 2});
        return;
    }
    in->table = tuff_input(g, "table", TUFF_U32, 2, (int64_t[]) {args->rows, args->max_blocks});
    in->visible = tuff_input(g, "visible", TUFF_U32, 1, rows);
}

static void add_source(struct tuff_graph *g, struct tuff_model_inputs *in,
                       const struct tuff_model_inputs_args *args)
{
    int64_t dims[2] = {args->batch, args->source ? args->source : args->time};
    int64_t words = (int64_t) TUFF_EMBEDDING_BUCKET_WORDS(dims[0] * dims[1]);
    in->source = tuff_input(g, "source", TUFF_U32, 2, dims);
    if (args->gradient)
        in->source_buckets = tuff_input(g, "source.buckets", TUFF_U32, 1, &words);
    if (args->visible)
        in->source_visible =
            tuff_input(g, "source.visible", TUFF_U32, 2, (int64_t[]) {args->batch, 2});
    if ((in->source_cache = args->source_cache))
        in->source_slots =
            tuff_input(g, "source.slots", TUFF_U32, 1, (int64_t[]) {dims[0] * dims[1]});
}

void tuff_model_inputs_add_with(struct tuff_graph *g, const struct tuff_model *m,
                                struct tuff_model_inputs *in,
                                const struct tuff_model_inputs_args *args)
{
    *in = (struct tuff_model_inputs) {0};
    if (args->cache) {
        add_rows(g, m, in, args);
        return;
    }
    if (args->source_cache) {
        add_source(g, in, args);
        return;
    }
    int64_t dims[2] = {args->batch, args->time + tuff_model_virtual_tokens(m)};
    int64_t words = (int64_t) TUFF_EMBEDDING_BUCKET_WORDS(dims[0] * dims[1]);
    in->ids = tuff_input(g, "ids", TUFF_U32, 2, dims);
    if (m->family->needs & TUFF_NEEDS_POSITIONS)
        in->positions = tuff_input(g, "positions", TUFF_U32, 2, dims);
    if (dynamic_rope(m) && dims[1] > m->config.max_position_embeddings)
        add_angles(g, m, in, dims[1]);
    if (args->gradient)
        in->ids_buckets = tuff_input(g, "ids.buckets", TUFF_U32, 1, &words);
    if (args->gradient && (m->family->needs & TUFF_NEEDS_POSITION_BUCKETS))
        in->positions_buckets = tuff_input(g, "positions.buckets", TUFF_U32, 1, &words);
    if ((m->family->needs & TUFF_NEEDS_TOKEN_TYPES) ||
        (args->token_types && (m->family->needs & TUFF_TAKES_TOKEN_TYPES))) {
        in->token_types = tuff_input(g, "token_types", TUFF_U32, 2, dims);
        if (args->gradient)
            in->token_types_buckets = tuff_input(g, "token_types.buckets", TUFF_U32, 1, &words);
    }
    if (m->family->needs & TUFF_NEEDS_SOURCE)
        add_source(g, in, args);
    if (args->visible)
        in->visible = tuff_input(g, "visible", TUFF_U32, 2, (int64_t[]) {args->batch, 2});
    if (args->segments && ((m->family->needs & TUFF_NEEDS_SOURCE) || tuff_model_virtual_tokens(m)))
        tuff_graph_fail(g, TUFF_E_UNSUPPORTED, "%s: several texts in a row are for models without "
                        "an encoder or a soft prompt", m->config.model_type);
    else if (args->segments)
        in->segments = tuff_input(g, "segments", TUFF_U32, 3, (int64_t[]) {dims[0], dims[1], 2});
    tuff_soft_prompt_inputs(g, m, in, args->gradient);
    in->neftune = args->neftune;
    bool drops = tuff_model_has_dropout(&m->config) || (m->lora && m->lora->params.dropout > 0);
    if ((args->dropout && drops) || args->neftune > 0)
        in->seed = tuff_input(g, "seed", TUFF_U32, 1, (int64_t[]) {2});
    if (args->head_mask)
        in->head_mask = tuff_input(g, "head_mask", TUFF_F32, 2,
                                   (int64_t[]) {tuff_model_attention_count(&m->config),
                                                m->config.num_attention_heads});
}

int64_t tuff_model_attention_count(const struct tuff_model_config *c)
{
    return c->num_hidden_layers + 2 * c->num_decoder_layers;
}

static enum tuff_status write_buckets(struct tuff_program *p, const struct tuff_model *m,
                                      const struct tuff_tensor *buckets, const uint32_t *ids,
                                      size_t n)
{
    uint32_t *to = buckets ? tuff_program_input(p, buckets) : NULL;
    return to ? tuff_embedding_buckets(m->ctx, ids, n, to) : TUFF_OK;
}

/* The row of padding does not learn: its bucket is beyond the table. */
static enum tuff_status write_ids_buckets(struct tuff_program *p, const struct tuff_model *m,
                                          const struct tuff_tensor *buckets, const uint32_t *ids,
                                          size_t n)
{
    int64_t pad = m->config.pad_token_id;
    if (!buckets || pad < 0 || !(m->family->needs & TUFF_PADDING_FIXED))
        return write_buckets(p, m, buckets, ids, n);
    uint32_t *learning = tuff_calloc(n, sizeof *learning);
    if (!learning)
        return tuff_fail(m->ctx, TUFF_E_NOMEM, "model: out of host memory");
    for (size_t i = 0; i < n; i++)
        learning[i] = ids[i] == (uint32_t) pad ? UINT32_MAX : ids[i];
    enum tuff_status status = write_buckets(p, m, buckets, learning, n);
    free(learning);
    return status;
}

static void write_visible(struct tuff_program *p, const struct tuff_tensor *input,
                          const uint32_t *visible, int64_t rows, int64_t time, int64_t before)
{
    uint32_t *to = input ? tuff_program_input(p, input) : NULL;
    for (int64_t i = 0; to && i < 2 * rows; i++)
        to[i] = !visible ? (i % 2 ? (uint32_t) time : 0)
                         : visible[i] + (i % 2 || visible[i] ? (uint32_t) before : 0);
}

/* Rows of `time` values, of which the first `before` stay as they are, those behind them more by `add`. */
static void spread(uint32_t *to, const uint32_t *from, int64_t rows, int64_t time, int64_t before,
                   uint32_t add)
{
    for (int64_t row = 0; row < rows; row++)
        for (int64_t i = before; i < time; i++)
            to[row * time + i] = *from++ + add;
}

/* One table for all: made for the longest of them. */
static void write_angles(struct tuff_program *p, const struct tuff_model *m,
                         const struct tuff_model_inputs *in, const struct tuff_model_batch *batch,
                         int64_t before)
{
    float *to = in->angles ? tuff_program_input(p, in->angles) : NULL;
    int64_t rows = tuff_dims(in->ids)[0], time = tuff_dims(in->ids)[1], length = 0;
    int64_t own = time - before; /* tokens that are not virtual */
    for (int64_t i = 0; to && i < rows; i++) {
        int64_t end = batch->visible ? (int64_t) batch->visible[2 * i + 1] : own;
        int64_t last = i * own + TUFF_MAX(end, 1) - 1;
        length = TUFF_MAX(length, batch->positions ? (int64_t) batch->positions[last] + 1 : end);
    }
    if (to)
        tuff_model_angles(m, before + length, 0, time, to);
}

static void write_segments(uint32_t *to, const uint32_t *segments, int64_t rows, int64_t time)
{
    for (int64_t i = 0; i < 2 * rows * time; i++)
        to[i] = segments ? segments[i] : i % 2 ? (uint32_t) time : 0;
}

enum tuff_status tuff_model_inputs_write(struct tuff_program *p, const struct tuff_model *m,
                                         const struct tuff_model_inputs *in,
                                         const struct tuff_model_batch *batch)
{
    int64_t rows = tuff_dims(in->ids)[0], time = tuff_dims(in->ids)[1];
    int64_t before = tuff_model_virtual_tokens(m); /* of each row's `time` */
    size_t n = (size_t) (rows * time);
    uint32_t *to = tuff_program_input(p, in->ids);
    if (to) {
        memset(to, 0, n * sizeof *to);
        spread(to, batch->ids, rows, time, before, 0);
    }
    TUFF_TRY(write_ids_buckets(p, m, in->ids_buckets, before ? to : batch->ids, n));
    TUFF_TRY(tuff_soft_prompt_write(p, m, in));
    if (in->positions && (to = tuff_program_input(p, in->positions))) {
        for (size_t i = 0; i < n; i++)
            to[i] = (uint32_t) (i % (size_t) time) - (batch->segments ? batch->segments[2 * i] : 0);
        if (batch->positions)
            spread(to, batch->positions, rows, time, before, (uint32_t) before);
        TUFF_TRY(write_buckets(p, m, in->positions_buckets, to, n));
    }
    if (in->token_types && (to = tuff_program_input(p, in->token_types))) {
        memset(to, 0, n * sizeof *to);
        if (batch->token_types)
            spread(to, batch->token_types, rows, time, before, 0);
        TUFF_TRY(write_buckets(p, m, in->token_types_buckets, to, n));
    }
    write_visible(p, in->visible, batch->visible, rows, time, before);
    write_angles(p, m, in, batch, before);
    if (in->segments && (to = tuff_program_input(p, in->segments)))
        write_segments(to, batch->segments, rows, time);
    if (in->source && (to = tuff_program_input(p, in->source))) {
        time = tuff_dims(in->source)[1];
        memcpy(to, batch->source, (size_t) (rows * time) * sizeof *to);
        TUFF_TRY(write_ids_buckets(p, m, in->source_buckets, to, (size_t) (rows * time)));
        write_visible(p, in->source_visible, batch->source_visible, rows, time, 0);
    }
    if (in->seed && (to = tuff_program_input(p, in->seed)))
        for (int i = 0; i < 2; i++)
            to[i] = batch->seed ? batch->seed[i] : 0;
    float *factors = in->head_mask ? tuff_program_input(p, in->head_mask) : NULL;
    for (int64_t i = 0; factors && i < tuff_elements(in->head_mask); i++)
        factors[i] = batch->head_mask ? batch->head_mask[i] : 1;
    return TUFF_OK;
}

/* ---- the cache ---- */

static enum tuff_status add_variables(struct tuff_model *m, struct tuff_kv_cache *cache)
{
    for (int64_t i = 0; i < 2 * cache->layers; i++) {
        char name[64];
        /* Several caches may share a store: names carry the first free number. */
        for (int k = 0;; k++) {
            snprintf(name, sizeof name, "cache.%d.%lld.%s", k, (long long) i / 2,
                     i % 2 ? "values" : "keys");
            if (!tuff_store_find(m->store, name))
                break;
        }
        TUFF_TRY(tuff_store_add(
            m->store,
            &(struct tuff_variable_params) {.name = name,
                                            .dtype = TUFF_F32,
                                            .rank = 2,
                                            .dims = {cache->blocks * cache->block,
                                                     m->config.num_key_value_heads *
                                                         m->config.head_dim},
                                            .role = TUFF_STATE},
            i % 2 ? &cache->values[i / 2] : &cache->keys[i / 2]));
    }
    return TUFF_OK;
}

enum tuff_status tuff_kv_cache_create(struct tuff_model *m, int64_t blocks, int64_t block,
                                      struct tuff_kv_cache **out)
{
    struct tuff_kv_cache *cache = tuff_calloc(1, sizeof *cache);
    enum tuff_status status = TUFF_OK;
    *out = NULL;
    if (cache) {
        cache->layers = m->config.num_decoder_layers ? m->config.num_decoder_layers
                                                     : m->config.num_hidden_layers;
        cache->blocks = blocks;
        cache->block = block;
        cache->keys = tuff_calloc((size_t) cache->layers, sizeof(struct tuff_variable *));
        cache->values = tuff_calloc((size_t) cache->layers, sizeof(struct tuff_variable *));
    }
    if (!cache || !cache->keys || !cache->values)
        status = tuff_fail(m->ctx, TUFF_E_NOMEM, "cache: out of host memory");
    else if (blocks < 1 || block < 1 || (block & (block - 1)))
        status = tuff_fail(m->ctx, TUFF_E_RANGE, "cache: %lld blocks of %lld tokens; a block is a "
                           "power of two", (long long) blocks, (long long) block);
    else
        status = add_variables(m, cache);
    if (status != TUFF_OK)
        tuff_kv_cache_destroy(cache);
    else
        *out = cache;
    return status;
}

void tuff_kv_cache_destroy(struct tuff_kv_cache *cache)
{
    if (!cache)
        return;
    free(cache->keys);
    free(cache->values);
    free(cache);
}
