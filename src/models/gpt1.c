/* models/gpt1: as in its paper's figure, which is the Transformer's decoder: attention and MLP, each
 * added to the stream and the sum normalised after (post-norm); no norm at the end.
 * Radford et al. 2018, "Improving Language Understanding by Generative Pre-Training". */
#include "models/model.h"

struct layer {
    struct tuff_variable *attn_weight, *attn_bias, *proj_weight, *proj_bias, *ln_1_weight,
        *ln_1_bias, *fc_weight, *fc_bias, *out_weight, *out_bias, *ln_2_weight, *ln_2_bias;
};

struct gpt1 {
    struct tuff_variable *tokens, *positions;
};

static const struct tuff_config_key keys[] = {
    TUFF_SIZE("vocab_size", vocab_size, 1 << 24),
    TUFF_SIZE("n_positions", max_position_embeddings, 1 << 24),
    TUFF_SIZE("n_embd", hidden_size, 1 << 20),
    TUFF_SIZE("n_layer", num_hidden_layers, TUFF_LAYERS_MAX),
    TUFF_SIZE("n_head", num_attention_heads, 1 << 16),
    TUFF_RATE("embd_pdrop", embd_pdrop),
    TUFF_RATE("resid_pdrop", resid_pdrop),
    TUFF_RATE("attn_pdrop", attn_pdrop),
    {"layer_norm_epsilon", TUFF_KEY_REAL, TUFF_FIELD(norm_eps), 1e-12, 1, false},
    {"initializer_range", TUFF_KEY_REAL, TUFF_FIELD(initializer_range), 0, 100, false},
    {"afn", TUFF_KEY_ACTIVATION, TUFF_FIELD(activation), 0, 0, false},
    {0}};

/* What the model calls gelu is the tanh form. */
static const struct tuff_activation_name activations[] = {{"gelu", TUFF_ACT_GELU_TANH},
                                                          {"relu", TUFF_ACT_RELU},
                                                          {"silu", TUFF_ACT_SILU},
                                                          {"swish", TUFF_ACT_SILU},
                                                          {0}};

static const struct tuff_size sizes[] = {{"gpt1", 12, 12, 0, 768, 0, 512}, {0}};

static enum tuff_status check(struct tuff_ctx *ctx, const char *where,
                              const struct tuff_model_config *c)
{
    return tuff_config_check_heads(ctx, where, c, "n_embd", "n_head");
}

static void declare(struct tuff_model *m)
{
    const struct tuff_model_config *c = &m->config;
    struct gpt1 *own = m->own;
    int64_t w = c->hidden_size, f = 4 * w;
    tuff_model_scope(m, "transformer.");
    tuff_model_weight(m, &own->tokens, "tokens_embed.weight", c->vocab_size, w, TUFF_INIT_NORMAL);
    tuff_model_weight(m, &own->positions, "positions_embed.weight", c->max_position_embeddings, w,
                      TUFF_INIT_NORMAL);
    for (int64_t i = 0; i < c->num_hidden_layers; i++) {
        struct layer *b = (struct layer *) m->layers + i;
        tuff_model_scope(m, "transformer.h.%lld.", (long long) i);
        tuff_model_weight_by_input(m, &b->attn_weight, "attn.c_attn.weight", w, 3 * w, TUFF_INIT_NORMAL);
        tuff_model_weight(m, &b->attn_bias, "attn.c_attn.bias", 3 * w, 0, TUFF_INIT_ZEROS);
        tuff_model_weight_by_input(m, &b->proj_weight, "attn.c_proj.weight", w, w, TUFF_INIT_NORMAL);
        tuff_model_weight(m, &b->proj_bias, "attn.c_proj.bias", w, 0, TUFF_INIT_ZEROS);
        tuff_model_weight(m, &b->ln_1_weight, "ln_1.weight", w, 0, TUFF_INIT_ONES);
        tuff_model_weight(m, &b->ln_1_bias, "ln_1.bias", w, 0, TUFF_INIT_ZEROS);
        tuff_model_weight_by_input(m, &b->fc_weight, "mlp.c_fc.weight", w, f, TUFF_INIT_NORMAL);
        tuff_model_weight(m, &b->fc_bias, "mlp.c_fc.bias", f, 0, TUFF_INIT_ZEROS);
        tuff_model_weight_by_input(m, &b->out_weight, "mlp.c_proj.weight", f, w, TUFF_INIT_NORMAL);
        tuff_model_weight(m, &b->out_bias, "mlp.c_proj.bias", w, 0, TUFF_INIT_ZEROS);
        tuff_model_weight(m, &b->ln_2_weight, "ln_2.weight", w, 0, TUFF_INIT_ONES);
        tuff_model_weight(m, &b->ln_2_bias, "ln_2.bias", w, 0, TUFF_INIT_ZEROS);
    }
    tuff_model_head(m, own->tokens);
}

static struct tuff_tensor *block(struct tuff_graph *g, struct tuff_model *m, int64_t layer,
                                 const struct tuff_model_inputs *in, struct tuff_tensor *x)
{
    const struct layer *b = (struct layer *) m->layers + layer;
    uint32_t stream = 1 + 3 * (uint32_t) layer;
    struct tuff_tensor *qkv = tuff_block_linear(g, x, b->attn_weight, b->attn_bias, TUFF_ACT_NONE);
    struct tuff_tensor *a = tuff_block_attend(
        g, m, layer, in, qkv, NULL, NULL,
        &(struct tuff_attention_args) {.heads = (int) m->config.num_attention_heads,
                                       .stream = stream});
    x = tuff_block_residual(
        g, a, x,
        &(struct tuff_block_residual_args) {b->proj_weight, b->proj_bias, true,
                                            m->config.resid_pdrop, in->seed, stream + 1});
    x = tuff_block_norm(g, m, x, b->ln_1_weight, b->ln_1_bias);
    x = tuff_block_mlp(g, m, x, x,
                       &(struct tuff_block_mlp_args) {b->fc_weight, b->fc_bias, b->out_weight,
                                                      b->out_bias, true, in->seed, stream + 2});
    return tuff_block_norm(g, m, x, b->ln_2_weight, b->ln_2_bias);
}

static struct tuff_tensor *hidden(struct tuff_graph *g, struct tuff_model *m,
                                  const struct tuff_model_inputs *in)
{
    const struct gpt1 *own = m->own;
    struct tuff_tensor *x = tuff_block_embed(g, m, in, own->tokens, own->positions);
    for (int64_t i = 0; i < m->config.num_hidden_layers; i++) {
        tuff_graph_block(g, true);
        x = block(g, m, i, in, x);
    }
    tuff_graph_block(g, false);
    return x;
}

const struct tuff_family tuff_family_gpt1 = {
    .model_type = "openai-gpt",
    .architectures =
        (const struct tuff_architecture[]) {{"OpenAIGPTLMHeadModel", TUFF_TASK_CAUSAL_LM}, {0}},
    .defaults = {.vocab_size = 40478,
                 .max_position_embeddings = 512,
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
    .check = check,
    .needs = TUFF_NEEDS_POSITIONS | TUFF_NEEDS_POSITION_BUCKETS | TUFF_TAKES_TOKEN_TYPES |
             TUFF_WEIGHTS_BY_INPUT,
    .prefix = "transformer.",
    .tied = "lm_head.weight",
    .ignored = (const char *const[]) {"attn.bias", "position_ids", NULL},
    .own_size = sizeof(struct gpt1),
    .layer_size = sizeof(struct layer),
    .declare = declare,
    .hidden = hidden,
};
