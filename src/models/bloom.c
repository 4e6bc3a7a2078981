/* models/bloom: a norm behind the token table, no table of positions: attention scores are lowered by
 * distance instead (ALiBi: Press et al. 2021, arXiv:2108.12409).
 * BigScience 2022, arXiv:2211.05100. */
#include "models/model.h"

struct layer {
    struct tuff_variable *norm_weight, *norm_bias, *qkv_weight, *qkv_bias, *dense_weight,
        *dense_bias, *post_weight, *post_bias, *up_weight, *up_bias, *down_weight, *down_bias;
};

struct bloom {
    struct tuff_variable *words, *words_norm_weight, *words_norm_bias, *ln_f_weight, *ln_f_bias,
        *slopes;
};

/* ---- config.json ---- */

static const struct tuff_config_key keys[] = {
    TUFF_SIZE("vocab_size", vocab_size, 1 << 24),
    TUFF_SIZE("hidden_size", hidden_size, 1 << 20),
    TUFF_SIZE("n_layer", num_hidden_layers, TUFF_LAYERS_MAX),
    TUFF_SIZE("n_head", num_attention_heads, 1 << 16),
    TUFF_SIZE("seq_length", max_position_embeddings, 1 << 24),
    /* the first releases' names */
    {"n_embed", TUFF_KEY_INT, TUFF_FIELD(hidden_size), 0, 0, true},
    {"num_hidden_layers", TUFF_KEY_INT, TUFF_FIELD(num_hidden_layers), 0, 0, true},
    {"num_attention_heads", TUFF_KEY_INT, TUFF_FIELD(num_attention_heads), 0, 0, true},
    TUFF_RATE("hidden_dropout", resid_pdrop),
    TUFF_RATE("attention_dropout", attn_pdrop),
    {"layer_norm_epsilon", TUFF_KEY_REAL, TUFF_FIELD(norm_eps), 1e-12, 1, false},
    {"initializer_range", TUFF_KEY_REAL, TUFF_FIELD(initializer_range), 0, 100, false},
    {"apply_residual_connection_post_layernorm", TUFF_KEY_BOOL,
     TUFF_FIELD(residual_post_layernorm), 0, 0, false},
    {0}};

/* BigScience 2022, table 3. */
static const struct tuff_size sizes[] = {{"bloom-560m", 24, 16, 0, 1024, 0, 2048},
                                         {"bloom-1b1", 24, 16, 0, 1536, 0, 2048},
                                         {"bloom-1b7", 24, 16, 0, 2048, 0, 2048},
                                         {"bloom-3b", 30, 32, 0, 2560, 0, 2048},
                                         {"bloom-7b1", 30, 32, 0, 4096, 0, 2048},
                                         {0}};

static enum tuff_status check(struct tuff_ctx *ctx, const char *where,
                              const struct tuff_model_config *c)
{
    return tuff_config_check_heads(ctx, where, c, "hidden_size", "n_head");
}

static int64_t context(const struct tuff_model_config *c)
{
    (void) c;
    return INT64_MAX;
}

/* ---- parameters ---- */

/* Head h of a power of two n has 2^(-8 (h + 1) / n). Other numbers: those of the power of two below,
 * then every second one of the power above. */
static void fill_slopes(const struct tuff_model *m, int64_t n, int64_t cols,
                        int64_t parameter, float *slopes)
{
    int64_t power = 1;
    (void) m;
    (void) cols;
    (void) parameter;
    while (2 * power <= n)
        power *= 2;
    for (int64_t h = 0; h < n; h++)
        slopes[h] = (float) (h < power ? exp2(-8.0 * (double) (h + 1) / (double) power)
                                       : exp2(-4.0 * (double) (2 * (h - power) + 1) /
                                              (double) power));
}

/* Files have query, key and value of a head together; attention wants all queries, all keys, all
 * values. */
static void declare_qkv(struct tuff_model *m, struct layer *b)
{
    int64_t heads = m->config.num_attention_heads, w = m->config.hidden_size, d = w / heads;
    const struct tuff_file_order weight = {4, {heads, 3, d, w}, {1, 0, 2, 3}},
                           bias = {3, {heads, 3, d}, {1, 0, 2}};
    tuff_model_weight_ordered(m, &b->qkv_weight, "self_attention.query_key_value.weight", 3 * w, w,
                              TUFF_INIT_NORMAL, &weight);
    tuff_model_weight_ordered(m, &b->qkv_bias, "self_attention.query_key_value.bias", 3 * w, 0,
                              TUFF_INIT_ZEROS, &bias);
}

static void declare(struct tuff_model *m)
{
    const struct tuff_model_config *c = &m->config;
    struct bloom *own = m->own;
    int64_t w = c->hidden_size, f = 4 * w;
    tuff_model_scope(m, "transformer.");
    tuff_model_weight(m, &own->words, "word_embeddings.weight", c->vocab_size, w, TUFF_INIT_NORMAL);
    tuff_model_weight(m, &own->words_norm_weight, "word_embeddings_layernorm.weight", w, 0,
                      TUFF_INIT_ONES);
    tuff_model_weight(m, &own->words_norm_bias, "word_embeddings_layernorm.bias", w, 0,
                      TUFF_INIT_ZEROS);
    for (int64_t i = 0; i < c->num_hidden_layers; i++) {
        struct layer *b = (struct layer *) m->layers + i;
        tuff_model_scope(m, "transformer.h.%lld.", (long long) i);
        tuff_model_weight(m, &b->norm_weight, "input_layernorm.weight", w, 0, TUFF_INIT_ONES);
        tuff_model_weight(m, &b->norm_bias, "input_layernorm.bias", w, 0, TUFF_INIT_ZEROS);
        declare_qkv(m, b);
        tuff_model_weight(m, &b->dense_weight, "self_attention.dense.weight", w, w,
                          TUFF_INIT_NORMAL);
        tuff_model_weight(m, &b->dense_bias, "self_attention.dense.bias", w, 0, TUFF_INIT_ZEROS);
        tuff_model_weight(m, &b->post_weight, "post_attention_layernorm.weight", w, 0,
                          TUFF_INIT_ONES);
        tuff_model_weight(m, &b->post_bias, "post_attention_layernorm.bias", w, 0,
                          TUFF_INIT_ZEROS);
        tuff_model_weight(m, &b->up_weight, "mlp.dense_h_to_4h.weight", f, w, TUFF_INIT_NORMAL);
        tuff_model_weight(m, &b->up_bias, "mlp.dense_h_to_4h.bias", f, 0, TUFF_INIT_ZEROS);
        tuff_model_weight(m, &b->down_weight, "mlp.dense_4h_to_h.weight", w, f, TUFF_INIT_NORMAL);
        tuff_model_weight(m, &b->down_bias, "mlp.dense_4h_to_h.bias", w, 0, TUFF_INIT_ZEROS);
    }
    tuff_model_scope(m, "transformer.");
    tuff_model_weight(m, &own->ln_f_weight, "ln_f.weight", w, 0, TUFF_INIT_ONES);
    tuff_model_weight(m, &own->ln_f_bias, "ln_f.bias", w, 0, TUFF_INIT_ZEROS);
    tuff_model_head(m, own->words);
    tuff_model_table(m, &own->slopes, "alibi.slopes", c->num_attention_heads, 0, fill_slopes,
                     0);
}

/* ---- the forward pass ---- */

static struct tuff_tensor *block(struct tuff_graph *g, struct tuff_model *m, int64_t layer,
                                 const struct tuff_model_inputs *in, struct tuff_tensor *x)
{
    const struct layer *b = (struct layer *) m->layers + layer;
    const struct bloom *own = m->own;
    const struct tuff_model_config *c = &m->config;
    uint32_t stream = 1 + 3 * (uint32_t) layer;
    struct tuff_tensor *h = tuff_block_norm(g, m, x, b->norm_weight, b->norm_bias);
    struct tuff_tensor *qkv = tuff_block_linear(g, h, b->qkv_weight, b->qkv_bias, TUFF_ACT_NONE);
    struct tuff_tensor *a = tuff_block_attend(
        g, m, layer, in, qkv, NULL, NULL,
        &(struct tuff_attention_args) {.heads = (int) c->num_attention_heads,
                                       .slopes = tuff_use(g, own->slopes),
                                       .stream = stream});
    x = tuff_block_residual(
        g, a, c->residual_post_layernorm ? h : x,
        &(struct tuff_block_residual_args) {b->dense_weight, b->dense_bias, true, c->resid_pdrop,
                                            in->seed, stream + 1});
    h = tuff_block_norm(g, m, x, b->post_weight, b->post_bias);
    return tuff_block_mlp(g, m, h, c->residual_post_layernorm ? h : x,
                          &(struct tuff_block_mlp_args) {b->up_weight, b->up_bias, b->down_weight,
                                                         b->down_bias, true, in->seed, stream + 2});
}

static struct tuff_tensor *hidden(struct tuff_graph *g, struct tuff_model *m,
                                  const struct tuff_model_inputs *in)
{
    const struct bloom *own = m->own;
    struct tuff_tensor *x = tuff_block_lookup(g, own->words, in->ids, in->ids_buckets);
    x = tuff_block_norm(g, m, x, own->words_norm_weight, own->words_norm_bias);
    for (int64_t i = 0; i < m->config.num_hidden_layers; i++) {
        tuff_graph_block(g, true);
        x = block(g, m, i, in, x);
    }
    tuff_graph_block(g, false);
    return tuff_block_norm(g, m, x, own->ln_f_weight, own->ln_f_bias);
}

const struct tuff_family tuff_family_bloom = {
    .model_type = "bloom",
    .architectures =
        (const struct tuff_architecture[]) {{"BloomForCausalLM", TUFF_TASK_CAUSAL_LM},
                                            {0}},
    .defaults = {.vocab_size = 250880,
                 .max_position_embeddings = 2048,
                 .hidden_size = 64,
                 .num_hidden_layers = 2,
                 .num_attention_heads = 8,
                 .norm_eps = 1e-5,
                 .initializer_range = 0.02,
                 .activation = TUFF_ACT_GELU_TANH,
                 .tie_word_embeddings = true,
                 .bos_token_id = 1,
                 .eos_token_id = 2,
                 .pad_token_id = 3},
    .keys = keys,
    .activations = (const struct tuff_activation_name[]) {{0}},
    .sizes = sizes,
    .check = check,
    .context = context,
    .prefix = "transformer.",
    .tied = "lm_head.weight",
    .ignored = (const char *const[]) {NULL},
    .own_size = sizeof(struct bloom),
    .layer_size = sizeof(struct layer),
    .declare = declare,
    .hidden = hidden,
};
