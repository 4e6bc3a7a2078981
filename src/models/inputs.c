/* models/inputs: what a forward pass is given, and the cache of keys and values. */
#include "models/model.h"

static void add_rows(struct tuff_graph *g, const struct tuff_model *m,
                     struct tuff_model_inputs *in, const struct tuff_model_inputs_args *args)
{
    const int64_t *rows = &args->rows;
    in->cache = args->cache;
    in->ids = tuff_input(g, "ids", TUFF_U32, 1, rows);
    if (m->family->needs & TUFF_NEEDS_POSITIONS)
        in->positions = tuff_input(g, "positions", TUFF_U32, 1, rows);
    in->slots = tuff_input(g, "slots", TUFF_U32, 1, rows);
    in->table = tuff_input(g, "table", TUFF_U32, 2, (int64_t[]) {args->rows, args->max_blocks});
    in->visible = tuff_input(g, "visible", TUFF_U32, 1, rows);
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
    int64_t dims[2] = {args->batch, args->time};
    int64_t words = (int64_t) TUFF_EMBEDDING_BUCKET_WORDS(args->batch * args->time);
    in->ids = tuff_input(g, "ids", TUFF_U32, 2, dims);
    if (m->family->needs & TUFF_NEEDS_POSITIONS)
        in->positions = tuff_input(g, "positions", TUFF_U32, 2, dims);
    if (args->gradient)
        in->ids_buckets = tuff_input(g, "ids.buckets", TUFF_U32, 1, &words);
    if (args->gradient && (m->family->needs & TUFF_NEEDS_POSITION_BUCKETS))
        in->positions_buckets = tuff_input(g, "positions.buckets", TUFF_U32, 1, &words);
    if (args->visible)
        in->visible = tuff_input(g, "visible", TUFF_U32, 2, (int64_t[]) {args->batch, 2});
    if (args->dropout && tuff_model_has_dropout(&m->config))
        in->seed = tuff_input(g, "seed", TUFF_U32, 1, (int64_t[]) {2});
}

static enum tuff_status write_buckets(struct tuff_program *p, const struct tuff_model *m,
                                      const struct tuff_tensor *buckets, const uint32_t *ids,
                                      size_t n)
{
    uint32_t *to = buckets ? tuff_program_input(p, buckets) : NULL;
    return to ? tuff_embedding_buckets(m->ctx, ids, n, to) : TUFF_OK;
}

enum tuff_status tuff_model_inputs_write(struct tuff_program *p, const struct tuff_model *m,
                                         const struct tuff_model_inputs *in,
                                         const struct tuff_model_batch *batch)
{
    int64_t rows = tuff_dims(in->ids)[0], time = tuff_dims(in->ids)[1];
    size_t n = (size_t) (rows * time);
    uint32_t *to = tuff_program_input(p, in->ids);
    if (to)
        memcpy(to, batch->ids, n * sizeof *to);
    TUFF_TRY(write_buckets(p, m, in->ids_buckets, batch->ids, n));
    if (in->positions && (to = tuff_program_input(p, in->positions))) {
        for (size_t i = 0; i < n; i++)
            to[i] = batch->positions ? batch->positions[i] : (uint32_t) (i % (size_t) time);
        TUFF_TRY(write_buckets(p, m, in->positions_buckets, to, n));
    }
    if (in->visible && (to = tuff_program_input(p, in->visible)))
        for (int64_t i = 0; i < 2 * rows; i++)
            to[i] = batch->visible ? batch->visible[i] : i % 2 ? (uint32_t) time : 0;
    if (in->seed && (to = tuff_program_input(p, in->seed)))
        for (int i = 0; i < 2; i++)
            to[i] = batch->seed ? batch->seed[i] : 0;
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
        cache->layers = m->config.num_hidden_layers;
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
