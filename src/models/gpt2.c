/* models/gpt2: the model, as in its paper's figure: token and position embeddings, blocks of
 * attention and MLP with norms before them, a final norm, the head tied to the embedding. */
#include "base/os.h"
#include "base/rng.h"
#include "models/weights.h"
#include "tuff/io.h"
#include "tuff/models.h"
#include "tuff/ops.h"

struct block {
    struct tuff_variable *ln_1_weight, *ln_1_bias, *attn_weight, *attn_bias, *proj_weight,
        *proj_bias, *ln_2_weight, *ln_2_bias, *fc_weight, *fc_bias, *out_weight, *out_bias;
};

struct tuff_gpt2 {
    struct tuff_ctx *ctx;
    struct tuff_store *store;
    struct tuff_gpt2_config config;
    struct tuff_variable *wte, *wpe, *head, *ln_f_weight, *ln_f_bias;
    struct block *blocks;
};

enum { DECAYED, NOT_DECAYED };

static enum tuff_status add_block(struct tuff_gpt2 *m, int64_t layer)
{
    struct block *b = &m->blocks[layer];
    int64_t w = m->config.n_embd, f = m->config.n_inner;
    const struct {
        struct tuff_variable **to;
        const char *name;
        int64_t rows, cols; /* cols 0: a vector */
    } list[] = {
        {&b->ln_1_weight, "ln_1.weight", w, 0},
        {&b->ln_1_bias, "ln_1.bias", w, 0},
        {&b->attn_weight, "attn.c_attn.weight", w, 3 * w},
        {&b->attn_bias, "attn.c_attn.bias", 3 * w, 0},
        {&b->proj_weight, "attn.c_proj.weight", w, w},
        {&b->proj_bias, "attn.c_proj.bias", w, 0},
        {&b->ln_2_weight, "ln_2.weight", w, 0},
        {&b->ln_2_bias, "ln_2.bias", w, 0},
        {&b->fc_weight, "mlp.c_fc.weight", w, f},
        {&b->fc_bias, "mlp.c_fc.bias", f, 0},
        {&b->out_weight, "mlp.c_proj.weight", f, w},
        {&b->out_bias, "mlp.c_proj.bias", w, 0},
    };
    for (size_t i = 0; i < TUFF_COUNT(list); i++) {
        char name[96];
        snprintf(name, sizeof name, "transformer.h.%lld.%s", (long long) layer, list[i].name);
        TUFF_TRY(tuff_weight_add(m->store, name, list[i].rows, list[i].cols,
                                 list[i].cols ? DECAYED : NOT_DECAYED, list[i].to));
    }
    return TUFF_OK;
}

enum tuff_status tuff_gpt2_create(struct tuff_store *store, const struct tuff_gpt2_config *config,
                                  struct tuff_gpt2 **out)
{
    struct tuff_ctx *ctx = tuff_store_ctx(store);
    *out = NULL;
    TUFF_TRY(tuff_gpt2_config_check(ctx, "model", config));
    struct tuff_gpt2 *m = tuff_calloc(1, sizeof *m);
    if (!m || !(m->blocks = tuff_calloc((size_t) config->n_layer, sizeof *m->blocks))) {
        free(m);
        return tuff_fail(ctx, TUFF_E_NOMEM, "model: out of host memory");
    }
    m->ctx = ctx;
    m->store = store;
    m->config = *config;
    int64_t w = config->n_embd;
    enum tuff_status status;
    TUFF_TRY_GOTO(tuff_weight_add(store, "transformer.wte.weight", config->vocab_size, w, DECAYED,
                                  &m->wte));
    TUFF_TRY_GOTO(tuff_weight_add(store, "transformer.wpe.weight", config->n_positions, w, DECAYED,
                                  &m->wpe));
    for (int64_t i = 0; i < config->n_layer; i++)
        TUFF_TRY_GOTO(add_block(m, i));
    TUFF_TRY_GOTO(tuff_weight_add(store, "transformer.ln_f.weight", w, 0, NOT_DECAYED,
                                  &m->ln_f_weight));
    TUFF_TRY_GOTO(tuff_weight_add(store, "transformer.ln_f.bias", w, 0, NOT_DECAYED,
                                  &m->ln_f_bias));
    m->head = m->wte;
    if (!config->tie_word_embeddings)
        TUFF_TRY_GOTO(tuff_weight_add(store, "lm_head.weight", config->vocab_size, w, DECAYED,
                                      &m->head));
    *out = m;
    return TUFF_OK;
fail:
    tuff_gpt2_destroy(m);
    return status;
}

void tuff_gpt2_destroy(struct tuff_gpt2 *m)
{
    if (m)
        free(m->blocks);
    free(m);
}

const struct tuff_gpt2_config *tuff_gpt2_get_config(const struct tuff_gpt2 *m)
{
    return &m->config;
}

enum tuff_status tuff_gpt2_init(struct tuff_gpt2 *m, uint64_t seed)
{
    double range = m->config.initializer_range;
    /* Residual projections: the paper scales them by 1 / sqrt(number of residual layers). */
    double residual = range / sqrt(2.0 * (double) m->config.n_layer);
    for (size_t i = 0; i < tuff_store_count(m->store); i++) {
        struct tuff_variable *v = tuff_store_get(m->store, i);
        const char *name = tuff_variable_name(v);
        if (tuff_variable_role(v) != TUFF_TRAINABLE)
            continue;
        bool matrix = tuff_variable_rank(v) == 2;
        bool scaled = matrix && strstr(name, "c_proj.weight");
        bool norm = !matrix && strstr(name, "ln_") && strstr(name, ".weight");
        TUFF_TRY(tuff_weight_init(m->store, v, norm ? 1 : 0,
                                  scaled   ? residual
                                  : matrix ? range
                                           : 0,
                                  seed, i));
    }
    return TUFF_OK;
}

enum tuff_status tuff_gpt2_load(struct tuff_gpt2 *m, const char *path)
{
    static const char *const ignored[] = {"attn.bias", "attn.masked_bias", NULL};
    return tuff_weights_load(m->store, path, "transformer.",
                             m->config.tie_word_embeddings ? "lm_head.weight" : NULL, ignored);
}

enum tuff_status tuff_gpt2_save(struct tuff_gpt2 *m, const char *folder)
{
    TUFF_TRY(tuff_gpt2_config_save(m->ctx, folder, &m->config));
    return tuff_weights_save(m->store, folder);
}

static struct tuff_tensor *dropout(struct tuff_graph *g, struct tuff_tensor *x, double p,
                                   struct tuff_tensor *seed, uint32_t stream)
{
    return seed && p > 0 ? tuff_dropout(g, x, (float) p, seed, stream) : x;
}

/* y = x + dropout(matmul(h, w) + bias): one kernel where there is no dropout. */
static struct tuff_tensor *residual_linear(struct tuff_graph *g, struct tuff_tensor *h,
                                           struct tuff_variable *weight, struct tuff_variable *bias,
                                           struct tuff_tensor *x, double p,
                                           struct tuff_tensor *seed, uint32_t stream)
{
    if (!seed || p <= 0)
        return tuff_matmul(g, h, tuff_use(g, weight), .bias = tuff_use(g, bias), .residual = x);
    struct tuff_tensor *y = tuff_matmul(g, h, tuff_use(g, weight), .bias = tuff_use(g, bias));
    return tuff_add(g, x, dropout(g, y, p, seed, stream));
}

static struct tuff_tensor *norm(struct tuff_graph *g, struct tuff_gpt2 *m, struct tuff_tensor *x,
                                struct tuff_variable *weight, struct tuff_variable *bias)
{
    return tuff_layer_norm(g, x, tuff_use(g, weight), tuff_use(g, bias),
                           (float) m->config.layer_norm_epsilon);
}

static struct tuff_tensor *mlp(struct tuff_graph *g, struct tuff_gpt2 *m, const struct block *b,
                               struct tuff_tensor *x, struct tuff_tensor *seed, uint32_t stream)
{
    struct tuff_tensor *h = norm(g, m, x, b->ln_2_weight, b->ln_2_bias);
    h = tuff_matmul(g, h, tuff_use(g, b->fc_weight), .bias = tuff_use(g, b->fc_bias),
                    .activation = m->config.activation_erf ? TUFF_ACT_GELU_ERF
                                                           : TUFF_ACT_GELU_TANH);
    return residual_linear(g, h, b->out_weight, b->out_bias, x, m->config.resid_pdrop, seed,
                           stream);
}

/* Whole sequences see each other's tokens through qkv; single tokens through the cache, to which
 * they are added first. */
static struct tuff_tensor *attend(struct tuff_graph *g, struct tuff_gpt2 *m, int64_t layer,
                                  const struct tuff_gpt2_inputs *in, struct tuff_tensor *qkv,
                                  uint32_t stream)
{
    const struct tuff_gpt2_config *c = &m->config;
    const struct tuff_kv_cache *cache = in->cache;
    int64_t w = c->n_embd;
    if (!cache)
        return tuff_attention(g, qkv, NULL, NULL, .heads = (int) c->n_head, .causal = true,
                              .visible = in->visible, .seed = in->seed, .stream = stream,
                              .dropout = in->seed ? (float) c->attn_pdrop : 0);
    struct tuff_tensor *keys = tuff_scatter(g, tuff_use(g, cache->keys[layer]), cache->slots,
                                            tuff_slice(g, qkv, 1, w, w));
    struct tuff_tensor *values = tuff_scatter(g, tuff_use(g, cache->values[layer]), cache->slots,
                                              tuff_slice(g, qkv, 1, 2 * w, w));
    return tuff_attention_cached(g, tuff_slice(g, qkv, 1, 0, w), keys, values,
                                 .heads = (int) c->n_head, .block = cache->block,
                                 .table = cache->table, .visible = cache->visible);
}

struct tuff_tensor *tuff_gpt2_hidden(struct tuff_graph *g, struct tuff_gpt2 *m,
                                     const struct tuff_gpt2_inputs *in)
{
    const struct tuff_gpt2_config *c = &m->config;
    struct tuff_tensor *x =
        tuff_add(g, tuff_embedding(g, tuff_use(g, m->wte), in->ids, in->ids_buckets),
                 tuff_embedding(g, tuff_use(g, m->wpe), in->positions, in->positions_buckets));
    x = dropout(g, x, c->embd_pdrop, in->seed, 0);
    for (int64_t i = 0; i < c->n_layer; i++) {
        const struct block *b = &m->blocks[i];
        uint32_t stream = 1 + 3 * (uint32_t) i;
        struct tuff_tensor *h = norm(g, m, x, b->ln_1_weight, b->ln_1_bias);
        struct tuff_tensor *qkv =
            tuff_matmul(g, h, tuff_use(g, b->attn_weight), .bias = tuff_use(g, b->attn_bias));
        struct tuff_tensor *a = attend(g, m, i, in, qkv, stream);
        x = residual_linear(g, a, b->proj_weight, b->proj_bias, x, c->resid_pdrop, in->seed,
                            stream + 1);
        x = mlp(g, m, b, x, in->seed, stream + 2);
    }
    return norm(g, m, x, m->ln_f_weight, m->ln_f_bias);
}

struct tuff_tensor *tuff_gpt2_logits(struct tuff_graph *g, struct tuff_gpt2 *m,
                                     struct tuff_tensor *hidden)
{
    return tuff_matmul(g, hidden, tuff_use(g, m->head), .transpose_b = true, .pad_rows = true);
}
