/* models/marian: the encoder-decoder of Vaswani et al. 2017, "Attention Is All You Need"
 * (arXiv:1706.03762), as its figure 1 has it, with the names of Marian's translation models
 * (Junczys-Dowmunt et al. 2018, arXiv:1804.00344): norms behind the sums, sines for positions, one
 * table for the words of both sides and the head. */
#include "models/model.h"

struct attention {
    struct tuff_variable *q_weight, *q_bias, *k_weight, *k_bias, *v_weight, *v_bias, *out_weight,
        *out_bias, *ln_weight, *ln_bias;
};

/* First those of the encoder, then those of the decoder, which alone have `cross`. */
struct layer {
    struct attention self, cross;
    struct tuff_variable *fc_weight, *fc_bias, *out_weight, *out_bias, *ln_weight, *ln_bias;
};

struct marian {
    struct tuff_variable *words, *sines, *logits_bias;
};

/* ---- config.json ---- */

static const struct tuff_config_key keys[] = {
    TUFF_SIZE("vocab_size", vocab_size, 1 << 24),
    TUFF_SIZE("max_position_embeddings", max_position_embeddings, 1 << 20),
    TUFF_SIZE("d_model", hidden_size, 1 << 20),
    TUFF_SIZE("encoder_layers", num_hidden_layers, TUFF_LAYERS_MAX),
    TUFF_SIZE("decoder_layers", num_decoder_layers, TUFF_LAYERS_MAX),
    TUFF_SIZE("encoder_attention_heads", num_attention_heads, 1 << 16),
    TUFF_SIZE("encoder_ffn_dim", intermediate_size, 1 << 22),
    TUFF_RATE("dropout", resid_pdrop),
    TUFF_RATE("attention_dropout", attn_pdrop),
    {"init_std", TUFF_KEY_REAL, TUFF_FIELD(initializer_range), 0, 100, false},
    {"activation_function", TUFF_KEY_ACTIVATION, TUFF_FIELD(activation), 0, 0, false},
    {"scale_embedding", TUFF_KEY_BOOL, TUFF_FIELD(scale_embedding), 0, 0, false},
    {0}};

static const struct tuff_activation_name activations[] = {{"relu", TUFF_ACT_RELU},
                                                          {"gelu", TUFF_ACT_GELU_ERF},
                                                          {"swish", TUFF_ACT_SILU},
                                                          {"silu", TUFF_ACT_SILU},
                                                          {0}};

static const struct tuff_size sizes[] = {{"transformer-base", 6, 8, 0, 512, 0, 512},
                                         {"transformer-big", 6, 16, 0, 1024, 0, 512},
                                         {0}};

static enum tuff_status unsupported(struct tuff_ctx *ctx, const char *path, const char *what)
{
    return tuff_fail(ctx, TUFF_E_UNSUPPORTED, "%s: %s is not supported", path, what);
}

static enum tuff_status read(struct tuff_ctx *ctx, const char *path, const json_t *root,
                             struct tuff_model_config *c)
{
    int64_t heads = c->num_attention_heads, inner = c->intermediate_size, vocab = c->vocab_size;
    double dropout = 0;
    bool before = false, embeddings = false, shared = true;
    TUFF_TRY(tuff_json_int(ctx, path, root, "decoder_attention_heads", &heads));
    TUFF_TRY(tuff_json_int(ctx, path, root, "decoder_ffn_dim", &inner));
    TUFF_TRY(tuff_json_int(ctx, path, root, "decoder_vocab_size", &vocab));
    TUFF_TRY(tuff_json_real(ctx, path, root, "activation_dropout", &dropout));
    TUFF_TRY(tuff_json_bool(ctx, path, root, "normalize_before", &before));
    TUFF_TRY(tuff_json_bool(ctx, path, root, "normalize_embedding", &embeddings));
    TUFF_TRY(tuff_json_bool(ctx, path, root, "share_encoder_decoder_embeddings", &shared));
    TUFF_TRY(tuff_json_int(ctx, path, root, "decoder_start_token_id", &c->decoder_start_token_id));
    if (heads != c->num_attention_heads || inner != c->intermediate_size || vocab != c->vocab_size)
        return unsupported(ctx, path, "a decoder of other heads, ffn_dim or vocabulary than the "
                                      "encoder's");
    if (dropout > 0)
        return unsupported(ctx, path, "\"activation_dropout\"");
    if (before || embeddings || !shared)
        return unsupported(ctx, path, before       ? "\"normalize_before\""
                                      : embeddings ? "\"normalize_embedding\""
                                                   : "\"share_encoder_decoder_embeddings\": false");
    c->embd_pdrop = c->resid_pdrop;
    return TUFF_OK;
}

static bool write(json_t *root, const struct tuff_model_config *c)
{
    return !json_object_set_new(root, "decoder_attention_heads",
                                json_integer(c->num_attention_heads)) &&
           !json_object_set_new(root, "decoder_ffn_dim", json_integer(c->intermediate_size)) &&
           !json_object_set_new(root, "decoder_start_token_id",
                                c->decoder_start_token_id < 0
                                    ? json_null()
                                    : json_integer(c->decoder_start_token_id)) &&
           !json_object_set_new(root, "is_encoder_decoder", json_true());
}

static enum tuff_status check(struct tuff_ctx *ctx, const char *where,
                              const struct tuff_model_config *c)
{
    if (c->hidden_size % 2)
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: \"d_model\" %lld is odd", where,
                         (long long) c->hidden_size);
    return tuff_config_check_heads(ctx, where, c, "d_model", "encoder_attention_heads");
}

/* ---- parameters ---- */

static void declare_attention(struct tuff_model *m, struct attention *a, const char *layer,
                              const char *name)
{
    int64_t w = m->config.hidden_size;
    tuff_model_scope(m, "%s%s.", layer, name);
    tuff_model_linear(m, &a->q_weight, &a->q_bias, "q_proj", w, w);
    tuff_model_linear(m, &a->k_weight, &a->k_bias, "k_proj", w, w);
    tuff_model_linear(m, &a->v_weight, &a->v_bias, "v_proj", w, w);
    tuff_model_linear(m, &a->out_weight, &a->out_bias, "out_proj", w, w);
    tuff_model_scope(m, "%s%s_", layer, name);
    tuff_model_norm(m, &a->ln_weight, &a->ln_bias, "layer_norm");
}

/* PE[pos, i] = sin(pos / 10000^(2 i / C)) in the first half, the cosines in the second. */
static void fill_sines(const struct tuff_model *m, int64_t rows, int64_t cols, int64_t parameter,
                       float *values)
{
    (void) m;
    (void) parameter;
    for (int64_t p = 0; p < rows; p++)
        for (int64_t i = 0; i < cols / 2; i++) {
            double angle = (double) p / pow(10000, 2 * (double) i / (double) cols);
            values[p * cols + i] = (float) sin(angle);
            values[p * cols + cols / 2 + i] = (float) cos(angle);
        }
}

static void declare(struct tuff_model *m)
{
    const struct tuff_model_config *c = &m->config;
    struct marian *own = m->own;
    int64_t w = c->hidden_size, f = c->intermediate_size;
    tuff_model_weight(m, &own->words, "model.shared.weight", c->vocab_size, w, TUFF_INIT_NORMAL);
    tuff_model_table(m, &own->sines, "model.sines", c->max_position_embeddings, w, fill_sines,
                     0);
    for (int64_t i = 0; i < c->num_hidden_layers + c->num_decoder_layers; i++) {
        struct layer *b = (struct layer *) m->layers + i;
        bool decoder = i >= c->num_hidden_layers;
        char scope[64];
        snprintf(scope, sizeof scope, "model.%s.layers.%lld.", decoder ? "decoder" : "encoder",
                 (long long) (decoder ? i - c->num_hidden_layers : i));
        declare_attention(m, &b->self, scope, "self_attn");
        if (decoder)
            declare_attention(m, &b->cross, scope, "encoder_attn");
        tuff_model_scope(m, "%s", scope);
        tuff_model_linear(m, &b->fc_weight, &b->fc_bias, "fc1", f, w);
        tuff_model_linear(m, &b->out_weight, &b->out_bias, "fc2", w, f);
        tuff_model_norm(m, &b->ln_weight, &b->ln_bias, "final_layer_norm");
    }
    tuff_model_scope(m, "%s", "");
    tuff_model_frozen(m, &own->logits_bias, "final_logits_bias", 1, c->vocab_size);
}

static int64_t layer_count(const struct tuff_model_config *c)
{
    return c->num_hidden_layers + c->num_decoder_layers;
}

/* ---- the forward pass ---- */

struct pass {
    struct tuff_graph *g;
    struct tuff_model *m;
    const struct tuff_model_inputs *in;
    uint32_t stream; /* of the next dropout */
};

static struct tuff_tensor *residual(struct pass *p, struct tuff_tensor *h, struct tuff_tensor *x,
                                    struct tuff_variable *weight, struct tuff_variable *bias)
{
    return tuff_block_residual(
        p->g, h, x,
        &(struct tuff_block_residual_args) {weight, bias, true, p->m->config.resid_pdrop,
                                            p->in->seed, p->stream++});
}

/* What a row of the decoder sees is in the caches. */
static struct tuff_tensor *attend_cached(struct pass *p, const struct attention *a, int64_t layer,
                                         struct tuff_tensor *x, bool cross)
{
    const struct tuff_kv_cache *cache = p->in->source_cache;
    int heads = (int) p->m->config.num_attention_heads;
    struct tuff_tensor *q = tuff_block_linear(p->g, x, a->q_weight, a->q_bias, TUFF_ACT_NONE), *h;
    if (cross)
        h = tuff_attention_cached(p->g, q, tuff_use(p->g, cache->keys[layer]),
                                  tuff_use(p->g, cache->values[layer]), .heads = heads,
                                  .block = cache->block, .table = p->in->source_table,
                                  .visible = p->in->source_visible);
    else
        h = tuff_block_attend(p->g, p->m, layer, p->in, q,
                              tuff_block_linear(p->g, x, a->k_weight, a->k_bias, TUFF_ACT_NONE),
                              tuff_block_linear(p->g, x, a->v_weight, a->v_bias, TUFF_ACT_NONE),
                              &(struct tuff_attention_args) {.heads = heads});
    x = residual(p, h, x, a->out_weight, a->out_bias);
    return tuff_block_norm(p->g, p->m, x, a->ln_weight, a->ln_bias);
}

/* norm(x + attention number n of x to `to`). */
static struct tuff_tensor *attend(struct pass *p, const struct attention *a, int64_t n,
                                  struct tuff_tensor *x, struct tuff_tensor *to, bool causal,
                                  struct tuff_tensor *visible)
{
    struct tuff_attention_args args = {
        .heads = (int) p->m->config.num_attention_heads,
        .causal = causal,
        .visible = visible,
        .dropout = p->in->seed ? (float) p->m->config.attn_pdrop : 0,
        .seed = p->in->seed,
        .stream = p->stream++};
    tuff_block_observe(p->g, p->in, n, &args);
    struct tuff_tensor *h = tuff_attention_with(
        p->g, tuff_block_linear(p->g, x, a->q_weight, a->q_bias, TUFF_ACT_NONE),
        tuff_block_linear(p->g, to, a->k_weight, a->k_bias, TUFF_ACT_NONE),
        tuff_block_linear(p->g, to, a->v_weight, a->v_bias, TUFF_ACT_NONE), &args);
    x = residual(p, h, x, a->out_weight, a->out_bias);
    return tuff_block_norm(p->g, p->m, x, a->ln_weight, a->ln_bias);
}

static struct tuff_tensor *feed_forward(struct pass *p, const struct layer *b,
                                        struct tuff_tensor *x)
{
    x = tuff_block_mlp(p->g, p->m, x, x,
                       &(struct tuff_block_mlp_args) {b->fc_weight, b->fc_bias, b->out_weight,
                                                      b->out_bias, true, p->in->seed, p->stream++});
    return tuff_block_norm(p->g, p->m, x, b->ln_weight, b->ln_bias);
}

/* Words times sqrt(C), plus the sines of their places. */
static struct tuff_tensor *embed(struct pass *p, struct tuff_tensor *ids,
                                 struct tuff_tensor *buckets)
{
    const struct marian *own = p->m->own;
    if (!ids)
        return NULL;
    struct tuff_tensor *x = tuff_block_lookup(p->g, own->words, ids, buckets);
    if (p->m->config.scale_embedding)
        x = tuff_scale(p->g, x, (float) sqrt((double) p->m->config.hidden_size), 0);
    struct tuff_tensor *sines = tuff_use(p->g, own->sines);
    sines = p->in->cache ? tuff_gather(p->g, sines, p->in->positions)
                         : tuff_slice(p->g, sines, 0, 0, tuff_dims(ids)[1]);
    return tuff_block_dropout(p->g, tuff_add(p->g, x, sines), p->m->config.embd_pdrop, p->in->seed,
                              p->stream++);
}

static struct tuff_tensor *encode(struct pass *p)
{
    const struct layer *layers = p->m->layers;
    struct tuff_tensor *source = embed(p, p->in->source, p->in->source_buckets);
    for (int64_t i = 0; i < p->m->config.num_hidden_layers; i++) {
        tuff_graph_block(p->g, true);
        source = attend(p, &layers[i].self, i, source, source, false, p->in->source_visible);
        source = feed_forward(p, &layers[i], source);
    }
    tuff_graph_block(p->g, false);
    return source;
}

/* Keys and values of the source for each layer of the decoder, once for all words it will write. */
static struct tuff_tensor *encode_source(struct tuff_graph *g, struct tuff_model *m,
                                         const struct tuff_model_inputs *in)
{
    struct pass p = {g, m, in, 0};
    struct tuff_tensor *source = encode(&p);
    if (!source)
        return NULL;
    int64_t rows[2] = {tuff_elements(in->source), m->config.hidden_size};
    for (int64_t i = 0; i < m->config.num_decoder_layers; i++) {
        const struct attention *a =
            &((struct layer *) m->layers)[m->config.num_hidden_layers + i].cross;
        struct tuff_tensor *k = tuff_block_linear(g, source, a->k_weight, a->k_bias, TUFF_ACT_NONE);
        struct tuff_tensor *v = tuff_block_linear(g, source, a->v_weight, a->v_bias, TUFF_ACT_NONE);
        tuff_scatter(g, tuff_use(g, in->source_cache->keys[i]), in->source_slots,
                     tuff_reshape(g, k, 2, rows));
        tuff_scatter(g, tuff_use(g, in->source_cache->values[i]), in->source_slots,
                     tuff_reshape(g, v, 2, rows));
    }
    return source;
}

static struct tuff_tensor *hidden(struct tuff_graph *g, struct tuff_model *m,
                                  const struct tuff_model_inputs *in)
{
    int64_t encoders = m->config.num_hidden_layers, decoders = m->config.num_decoder_layers;
    const struct layer *layers = (struct layer *) m->layers + encoders;
    struct pass p = {g, m, in, 0};
    struct tuff_tensor *source = in->cache ? NULL : encode(&p);
    struct tuff_tensor *x = embed(&p, in->ids, in->ids_buckets);
    for (int64_t i = 0; i < decoders; i++) {
        const struct layer *b = &layers[i];
        tuff_graph_block(g, true);
        x = in->cache ? attend_cached(&p, &b->self, i, x, false)
                      : attend(&p, &b->self, encoders + i, x, x, true, in->visible);
        x = in->cache ? attend_cached(&p, &b->cross, i, x, true)
                      : attend(&p, &b->cross, encoders + decoders + i, x, source, false,
                               in->source_visible);
        x = feed_forward(&p, b, x);
    }
    tuff_graph_block(g, false);
    return x;
}

static struct tuff_tensor *logits(struct tuff_graph *g, struct tuff_model *m, struct tuff_tensor *h)
{
    const struct marian *own = m->own;
    struct tuff_tensor *bias =
        tuff_reshape(g, tuff_use(g, own->logits_bias), 1, &m->config.vocab_size);
    return tuff_matmul(g, h, tuff_use(g, own->words), .transpose_b = true, .bias = bias,
                       .pad_rows = true);
}

const struct tuff_family tuff_family_marian = {
    .model_type = "marian",
    .architectures = (const struct tuff_architecture[]) {{"MarianMTModel", TUFF_TASK_TRANSLATION},
                                                         {0}},
    .defaults = {.vocab_size = 58101,
                 .max_position_embeddings = 1024,
                 .hidden_size = 1024,
                 .num_hidden_layers = 12,
                 .num_decoder_layers = 12,
                 .num_attention_heads = 16,
                 .norm_eps = 1e-5,
                 .initializer_range = 0.02,
                 .embd_pdrop = 0.1,
                 .resid_pdrop = 0.1,
                 .activation = TUFF_ACT_GELU_ERF,
                 .tie_word_embeddings = true,
                 .bos_token_id = -1,
                 .eos_token_id = 0,
                 .pad_token_id = 58100,
                 .decoder_start_token_id = 58100},
    .keys = keys,
    .activations = activations,
    .sizes = sizes,
    .read = read,
    .write = write,
    .check = check,
    .needs = TUFF_NEEDS_SOURCE | TUFF_PADDING_FIXED | TUFF_NEEDS_ROW_POSITIONS,
    .prefix = "",
    .tied = "lm_head.weight",
    /* The tied table under its other names, and the sines. */
    .ignored = (const char *const[]) {"embed_tokens.weight", "embed_positions.weight", NULL},
    .own_size = sizeof(struct marian),
    .layer_size = sizeof(struct layer),
    .layer_count = layer_count,
    .declare = declare,
    .hidden = hidden,
    .encode_source = encode_source,
    .logits = logits,
};
