/* models/gpt2: the model, as in its paper's figure: token and position embeddings, blocks of
 * attention and MLP with norms before them, a final norm, the head tied to the embedding.
 * Radford et al. 2019, "Language Models are Unsupervised Multitask Learners"; GPT-3's sizes. */
#include "models/model.h"

struct layer {
    struct tuff_variable *ln_1_weight, *ln_1_bias, *attn_weight, *attn_bias, *proj_weight,
        *proj_bias, *ln_2_weight, *ln_2_bias, *fc_weight, *fc_bias, *out_weight, *out_bias;
};

struct gpt2 {
    struct tuff_variable *wte, *wpe, *ln_f_weight, *ln_f_bias;
};

/* ---- config.json ---- */

static const struct tuff_config_key keys[] = {
    TUFF_SIZE("vocab_size", vocab_size, 1 << 24),
    TUFF_SIZE("n_positions", max_position_embeddings, 1 << 24),
    TUFF_SIZE("n_embd", hidden_size, 1 << 20),
    TUFF_SIZE("n_layer", num_hidden_layers, TUFF_LAYERS_MAX),
    TUFF_SIZE("n_head", num_attention_heads, 1 << 16),
    TUFF_SIZE("n_inner", intermediate_size, 1 << 22),
    TUFF_RATE("embd_pdrop", embd_pdrop),
    TUFF_RATE("resid_pdrop", resid_pdrop),
    TUFF_RATE("attn_pdrop", attn_pdrop),
    {"layer_norm_epsilon", TUFF_KEY_REAL, TUFF_FIELD(norm_eps), 1e-12, 1, false},
    {"initializer_range", TUFF_KEY_REAL, TUFF_FIELD(initializer_range), 0, 100, false},
    {"activation_function", TUFF_KEY_ACTIVATION, TUFF_FIELD(activation), 0, 0, false},
    {0}};

static const struct tuff_activation_name activations[] = {{"gelu_new", TUFF_ACT_GELU_TANH},
                                                          {"gelu_pytorch_tanh", TUFF_ACT_GELU_TANH},
                                                          {"gelu", TUFF_ACT_GELU_ERF},
                                                          {0}};

/* GPT-2 from the released checkpoints; GPT-3 from Brown et al. 2020, table 2.1. */
static const struct tuff_size sizes[] = {{"gpt2", 12, 12, 0, 768, 0, 1024},
                                         {"gpt2-medium", 24, 16, 0, 1024, 0, 1024},
                                         {"gpt2-large", 36, 20, 0, 1280, 0, 1024},
                                         {"gpt2-xl", 48, 25, 0, 1600, 0, 1024},
                                         {"gpt3-small", 12, 12, 0, 768, 0, 2048},
                                         {"gpt3-medium", 24, 16, 0, 1024, 0, 2048},
                                         {"gpt3-large", 24, 16, 0, 1536, 0, 2048},
                                         {"gpt3-xl", 24, 16, 0, 2048, 0, 2048},
                                         {0}};

static enum tuff_status read(struct tuff_ctx *ctx, const char *path, const json_t *root,
                             struct tuff_model_config *c)
{
    bool by_layer = false, cross = false, scaled = true;
    TUFF_TRY(tuff_json_bool(ctx, path, root, "scale_attn_by_inverse_layer_idx", &by_layer));
    TUFF_TRY(tuff_json_bool(ctx, path, root, "add_cross_attention", &cross));
    TUFF_TRY(tuff_json_bool(ctx, path, root, "scale_attn_weights", &scaled));
    if (by_layer || cross || !scaled)
        return tuff_fail(ctx, TUFF_E_UNSUPPORTED, "%s: \"%s\" is not supported", path,
                         by_layer ? "scale_attn_by_inverse_layer_idx"
                         : cross  ? "add_cross_attention"
                                  : "scale_attn_weights: false");
    (void) c;
    return TUFF_OK;
}

static enum tuff_status check(struct tuff_ctx *ctx, const char *where,
                              const struct tuff_model_config *c)
{
    return tuff_config_check_heads(ctx, where, c, "n_embd", "n_head");
}

/* ---- parameters ---- */

static void declare(struct tuff_model *m)
{
    const struct tuff_model_config *c = &m->config;
    struct gpt2 *own = m->own;
    int64_t w = c->hidden_size, f = c->intermediate_size;
    tuff_model_scope(m, "transformer.");
    tuff_model_weight(m, &own->wte, "wte.weight", c->vocab_size, w, TUFF_INIT_NORMAL);
    tuff_model_weight(m, &own->wpe, "wpe.weight", c->max_position_embeddings, w, TUFF_INIT_NORMAL);
    for (int64_t i = 0; i < c->num_hidden_layers; i++) {
        struct layer *b = (struct layer *) m->layers + i;
        tuff_model_scope(m, "transformer.h.%lld.", (long long) i);
        tuff_model_weight(m, &b->ln_1_weight, "ln_1.weight", w, 0, TUFF_INIT_ONES);
        tuff_model_weight(m, &b->ln_1_bias, "ln_1.bias", w, 0, TUFF_INIT_ZEROS);
        tuff_model_weight_by_input(m, &b->attn_weight, "attn.c_attn.weight", w, 3 * w, TUFF_INIT_NORMAL);
        tuff_model_weight(m, &b->attn_bias, "attn.c_attn.bias", 3 * w, 0, TUFF_INIT_ZEROS);
        tuff_model_weight_by_input(m, &b->proj_weight, "attn.c_proj.weight", w, w, TUFF_INIT_RESIDUAL);
        tuff_model_weight(m, &b->proj_bias, "attn.c_proj.bias", w, 0, TUFF_INIT_ZEROS);
        tuff_model_weight(m, &b->ln_2_weight, "ln_2.weight", w, 0, TUFF_INIT_ONES);
        tuff_model_weight(m, &b->ln_2_bias, "ln_2.bias", w, 0, TUFF_INIT_ZEROS);
        tuff_model_weight_by_input(m, &b->fc_weight, "mlp.c_fc.weight", w, f, TUFF_INIT_NORMAL);
        tuff_model_weight(m, &b->fc_bias, "mlp.c_fc.bias", f, 0, TUFF_INIT_ZEROS);
        tuff_model_weight_by_input(m, &b->out_weight, "mlp.c_proj.weight", f, w, TUFF_INIT_RESIDUAL);
        tuff_model_weight(m, &b->out_bias, "mlp.c_proj.bias", w, 0, TUFF_INIT_ZEROS);
    }
    tuff_model_scope(m, "transformer.");
    tuff_model_weight(m, &own->ln_f_weight, "ln_f.weight", w, 0, TUFF_INIT_ONES);
    tuff_model_weight(m, &own->ln_f_bias, "ln_f.bias", w, 0, TUFF_INIT_ZEROS);
    tuff_model_head(m, own->wte);
}

/* ---- the forward pass ---- */

static struct tuff_tensor *attention(struct tuff_graph *g, struct tuff_model *m, int64_t layer,
                                     const struct tuff_model_inputs *in, struct tuff_tensor *x,
                                     uint32_t stream)
{
    const struct layer *b = (struct layer *) m->layers + layer;
    struct tuff_tensor *h = tuff_block_norm(g, m, x, b->ln_1_weight, b->ln_1_bias);
    struct tuff_tensor *qkv = tuff_block_linear(g, h, b->attn_weight, b->attn_bias, TUFF_ACT_NONE);
    struct tuff_tensor *a = tuff_block_attend(
        g, m, layer, in, qkv, NULL, NULL,
        &(struct tuff_attention_args) {.heads = (int) m->config.num_attention_heads,
                                       .stream = stream});
    return tuff_block_residual(
        g, a, x,
        &(struct tuff_block_residual_args) {b->proj_weight, b->proj_bias, true,
                                            m->config.resid_pdrop, in->seed, stream + 1});
}

static struct tuff_tensor *mlp(struct tuff_graph *g, struct tuff_model *m, int64_t layer,
                               const struct tuff_model_inputs *in, struct tuff_tensor *x,
                               uint32_t stream)
{
    const struct layer *b = (struct layer *) m->layers + layer;
    struct tuff_tensor *h = tuff_block_norm(g, m, x, b->ln_2_weight, b->ln_2_bias);
    return tuff_block_mlp(g, m, h, x,
                          &(struct tuff_block_mlp_args) {b->fc_weight, b->fc_bias, b->out_weight,
                                                         b->out_bias, true, in->seed, stream});
}

static struct tuff_tensor *hidden(struct tuff_graph *g, struct tuff_model *m,
                                  const struct tuff_model_inputs *in)
{
    const struct gpt2 *own = m->own;
    struct tuff_tensor *x = tuff_block_embed(g, m, in, own->wte, own->wpe);
    for (int64_t i = 0; i < m->config.num_hidden_layers; i++) {
        uint32_t stream = 1 + 3 * (uint32_t) i;
        tuff_graph_block(g, true);
        x = attention(g, m, i, in, x, stream);
        x = mlp(g, m, i, in, x, stream + 2);
    }
    tuff_graph_block(g, false);
    return tuff_block_norm(g, m, x, own->ln_f_weight, own->ln_f_bias);
}

const struct tuff_family tuff_family_gpt2 = {
    .model_type = "gpt2",
    .architectures = (const struct tuff_architecture[]) {{"GPT2LMHeadModel", TUFF_TASK_CAUSAL_LM},
                                                         {0}},
    .defaults = {.vocab_size = 50257,
                 .max_position_embeddings = 1024,
                 .hidden_size = 768,
                 .num_hidden_layers = 12,
                 .num_attention_heads = 12,
                 .norm_eps = 1e-5,
                 .initializer_range = 0.02,
                 .embd_pdrop = 0.1,
                 .resid_pdrop = 0.1,
                 .attn_pdrop = 0.1,
                 .activation = TUFF_ACT_GELU_TANH,
                 .tie_word_embeddings = true,
                 .bos_token_id = -1,
                 .eos_token_id = -1,
                 .pad_token_id = -1},
    .keys = keys,
    .activations = activations,
    .sizes = sizes,
    .read = read,
    .check = check,
    .needs = TUFF_NEEDS_POSITIONS | TUFF_NEEDS_POSITION_BUCKETS | TUFF_TAKES_TOKEN_TYPES |
             TUFF_WEIGHTS_BY_INPUT,
    .prefix = "transformer.",
    .tied = "lm_head.weight",
    .ignored = (const char *const[]) {"attn.bias", "attn.masked_bias", NULL},
    .own_size = sizeof(struct gpt2),
    .layer_size = sizeof(struct layer),
    .declare = declare,
    .hidden = hidden,
};
