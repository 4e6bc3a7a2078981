/* models/gpt_neo: GPT-3's alternation of layers that see all and layers that see a window (Brown et
 * al. 2020, arXiv:2005.14165, after Child et al. 2019, arXiv:1904.10509), in the form in which there
 * are open weights: GPT-2's block, its query, key and value apart and without bias, scores not
 * scaled. Black et al. 2021, doi:10.5281/zenodo.5297715. */
#include "models/model.h"

struct layer {
    struct tuff_variable *ln_1_weight, *ln_1_bias, *q, *k, *v, *out_weight, *out_bias, *ln_2_weight,
        *ln_2_bias, *fc_weight, *fc_bias, *proj_weight, *proj_bias;
};

struct gpt_neo {
    struct tuff_variable *wte, *wpe, *ln_f_weight, *ln_f_bias;
};

/* ---- config.json ---- */

static const struct tuff_config_key keys[] = {
    TUFF_SIZE("vocab_size", vocab_size, 1 << 24),
    TUFF_SIZE("max_position_embeddings", max_position_embeddings, 1 << 24),
    TUFF_SIZE("hidden_size", hidden_size, 1 << 20),
    TUFF_SIZE("num_layers", num_hidden_layers, TUFF_LAYERS_MAX),
    TUFF_SIZE("num_heads", num_attention_heads, 1 << 16),
    TUFF_SIZE("intermediate_size", intermediate_size, 1 << 22),
    TUFF_SIZE("window_size", sliding_window, 1 << 24),
    TUFF_RATE("embed_dropout", embd_pdrop),
    TUFF_RATE("resid_dropout", resid_pdrop),
    TUFF_RATE("attention_dropout", attn_pdrop),
    {"layer_norm_epsilon", TUFF_KEY_REAL, TUFF_FIELD(norm_eps), 1e-12, 1, false},
    {"initializer_range", TUFF_KEY_REAL, TUFF_FIELD(initializer_range), 0, 100, false},
    {"activation_function", TUFF_KEY_ACTIVATION, TUFF_FIELD(activation), 0, 0, false},
    {0}};

static const struct tuff_activation_name activations[] = {{"gelu_new", TUFF_ACT_GELU_TANH},
                                                          {"gelu_pytorch_tanh", TUFF_ACT_GELU_TANH},
                                                          {"gelu", TUFF_ACT_GELU_ERF},
                                                          {"relu", TUFF_ACT_RELU},
                                                          {0}};

static const struct tuff_size sizes[] = {{"gpt-neo-125m", 12, 12, 0, 768, 0, 2048},
                                         {"gpt-neo-1.3B", 24, 16, 0, 2048, 0, 2048},
                                         {"gpt-neo-2.7B", 32, 20, 0, 2560, 0, 2048},
                                         {0}};

/* "attention_types": [[["global", "local"], 6]]: lists of kinds, each as often as its number says. */
static enum tuff_status read(struct tuff_ctx *ctx, const char *path, const json_t *root,
                             struct tuff_model_config *c)
{
    const json_t *groups = json_object_get(root, "attention_types");
    int64_t layer = 0, most = TUFF_MIN(c->num_hidden_layers, TUFF_LAYERS_MAX);
    if (!groups || json_is_null(groups))
        return TUFF_OK; /* every second layer, as the defaults say */
    memset(c->windowed, 0, sizeof c->windowed);
    for (size_t i = 0; i < json_array_size(groups); i++) {
        const json_t *group = json_array_get(groups, i), *kinds = json_array_get(group, 0);
        json_int_t times = json_integer_value(json_array_get(group, 1));
        for (json_int_t k = 0; k < times && json_array_size(kinds) && layer <= most; k++)
            for (size_t j = 0; j < json_array_size(kinds) && layer <= most; j++, layer++) {
                const char *kind = json_string_value(json_array_get(kinds, j));
                bool local = kind && !strcmp(kind, "local");
                if (!kind || (!local && strcmp(kind, "global")))
                    return tuff_fail(ctx, TUFF_E_UNSUPPORTED, "%s: \"attention_types\" has \"%s\"; "
                                     "supported are global and local", path, kind ? kind : "(none)");
                if (local && layer < most)
                    c->windowed[layer / 64] |= (uint64_t) 1 << (layer % 64);
            }
    }
    if (layer != c->num_hidden_layers)
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: \"attention_types\" names %s layers than \"num_layers\" "
                         "%lld", path, layer > most ? "more" : "fewer",
                         (long long) c->num_hidden_layers);
    return TUFF_OK;
}

static bool windowed(const struct tuff_model_config *c, int64_t layer)
{
    return c->windowed[layer / 64] >> (layer % 64) & 1;
}

static bool write(json_t *root, const struct tuff_model_config *c)
{
    json_t *kinds = json_array(), *layers = json_array();
    int bad = 0;
    for (int64_t i = 0; i < c->num_hidden_layers; i++) {
        const char *kind = windowed(c, i) ? "local" : "global";
        bad |= json_array_append_new(kinds, json_string(kind));
        bad |= json_array_append_new(layers, json_string(kind));
    }
    bad |= json_object_set_new(root, "attention_types", json_pack("[[o, i]]", kinds, 1));
    bad |= json_object_set_new(root, "attention_layers", layers);
    return !bad;
}

static enum tuff_status check(struct tuff_ctx *ctx, const char *where,
                              const struct tuff_model_config *c)
{
    return tuff_config_check_heads(ctx, where, c, "hidden_size", "num_heads");
}

/* ---- parameters ---- */

static void declare(struct tuff_model *m)
{
    const struct tuff_model_config *c = &m->config;
    struct gpt_neo *own = m->own;
    int64_t w = c->hidden_size, f = c->intermediate_size;
    tuff_model_scope(m, "transformer.");
    tuff_model_weight(m, &own->wte, "wte.weight", c->vocab_size, w, TUFF_INIT_NORMAL);
    tuff_model_weight(m, &own->wpe, "wpe.weight", c->max_position_embeddings, w, TUFF_INIT_NORMAL);
    for (int64_t i = 0; i < c->num_hidden_layers; i++) {
        struct layer *b = (struct layer *) m->layers + i;
        tuff_model_scope(m, "transformer.h.%lld.", (long long) i);
        tuff_model_weight(m, &b->ln_1_weight, "ln_1.weight", w, 0, TUFF_INIT_ONES);
        tuff_model_weight(m, &b->ln_1_bias, "ln_1.bias", w, 0, TUFF_INIT_ZEROS);
        tuff_model_weight(m, &b->q, "attn.attention.q_proj.weight", w, w, TUFF_INIT_NORMAL);
        tuff_model_weight(m, &b->k, "attn.attention.k_proj.weight", w, w, TUFF_INIT_NORMAL);
        tuff_model_weight(m, &b->v, "attn.attention.v_proj.weight", w, w, TUFF_INIT_NORMAL);
        tuff_model_weight(m, &b->out_weight, "attn.attention.out_proj.weight", w, w,
                          TUFF_INIT_NORMAL);
        tuff_model_weight(m, &b->out_bias, "attn.attention.out_proj.bias", w, 0, TUFF_INIT_ZEROS);
        tuff_model_weight(m, &b->ln_2_weight, "ln_2.weight", w, 0, TUFF_INIT_ONES);
        tuff_model_weight(m, &b->ln_2_bias, "ln_2.bias", w, 0, TUFF_INIT_ZEROS);
        tuff_model_weight(m, &b->fc_weight, "mlp.c_fc.weight", f, w, TUFF_INIT_NORMAL);
        tuff_model_weight(m, &b->fc_bias, "mlp.c_fc.bias", f, 0, TUFF_INIT_ZEROS);
        tuff_model_weight(m, &b->proj_weight, "mlp.c_proj.weight", w, f, TUFF_INIT_NORMAL);
        tuff_model_weight(m, &b->proj_bias, "mlp.c_proj.bias", w, 0, TUFF_INIT_ZEROS);
    }
    tuff_model_scope(m, "transformer.");
    tuff_model_weight(m, &own->ln_f_weight, "ln_f.weight", w, 0, TUFF_INIT_ONES);
    tuff_model_weight(m, &own->ln_f_bias, "ln_f.bias", w, 0, TUFF_INIT_ZEROS);
    tuff_model_head(m, own->wte);
}

/* ---- the forward pass ---- */

static struct tuff_tensor *block(struct tuff_graph *g, struct tuff_model *m, int64_t layer,
                                 const struct tuff_model_inputs *in, struct tuff_tensor *x)
{
    const struct layer *b = (struct layer *) m->layers + layer;
    const struct tuff_model_config *c = &m->config;
    uint32_t stream = 1 + 3 * (uint32_t) layer;
    struct tuff_tensor *h = tuff_block_norm(g, m, x, b->ln_1_weight, b->ln_1_bias);
    struct tuff_tensor *a = tuff_block_attend(
        g, m, layer, in, tuff_block_linear(g, h, b->q, NULL, TUFF_ACT_NONE),
        tuff_block_linear(g, h, b->k, NULL, TUFF_ACT_NONE),
        tuff_block_linear(g, h, b->v, NULL, TUFF_ACT_NONE),
        &(struct tuff_attention_args) {.heads = (int) c->num_attention_heads,
                                       .scale = 1,
                                       .window = windowed(c, layer) ? c->sliding_window : 0,
                                       .stream = stream});
    x = tuff_block_residual(
        g, a, x,
        &(struct tuff_block_residual_args) {b->out_weight, b->out_bias, true, c->resid_pdrop,
                                            in->seed, stream + 1});
    h = tuff_block_norm(g, m, x, b->ln_2_weight, b->ln_2_bias);
    return tuff_block_mlp(g, m, h, x,
                          &(struct tuff_block_mlp_args) {b->fc_weight, b->fc_bias, b->proj_weight,
                                                         b->proj_bias, true, in->seed, stream + 2});
}

static struct tuff_tensor *hidden(struct tuff_graph *g, struct tuff_model *m,
                                  const struct tuff_model_inputs *in)
{
    const struct gpt_neo *own = m->own;
    struct tuff_tensor *x = tuff_block_embed(g, m, in, own->wte, own->wpe);
    for (int64_t i = 0; i < m->config.num_hidden_layers; i++) {
        tuff_graph_block(g, true);
        x = block(g, m, i, in, x);
    }
    tuff_graph_block(g, false);
    return tuff_block_norm(g, m, x, own->ln_f_weight, own->ln_f_bias);
}

const struct tuff_family tuff_family_gpt_neo = {
    .model_type = "gpt_neo",
    .architectures =
        (const struct tuff_architecture[]) {{"GPTNeoForCausalLM", TUFF_TASK_CAUSAL_LM}, {0}},
    .defaults = {.vocab_size = 50257,
                 .max_position_embeddings = 2048,
                 .hidden_size = 2048,
                 .num_hidden_layers = 24,
                 .num_attention_heads = 16,
                 .norm_eps = 1e-5,
                 .initializer_range = 0.02,
                 .activation = TUFF_ACT_GELU_TANH,
                 .tie_word_embeddings = true,
                 .bos_token_id = 50256,
                 .eos_token_id = 50256,
                 .pad_token_id = -1,
                 .sliding_window = 256,
                 .windowed = {0xaaaaaaaaaaaaaaaau, 0xaaaaaaaaaaaaaaaau}},
    .keys = keys,
    .activations = activations,
    .sizes = sizes,
    .read = read,
    .write = write,
    .check = check,
    .needs = TUFF_NEEDS_POSITIONS | TUFF_NEEDS_POSITION_BUCKETS | TUFF_TAKES_TOKEN_TYPES,
    .prefix = "transformer.",
    .tied = "lm_head.weight",
    .ignored = (const char *const[]) {"attn.attention.bias", "attn.attention.masked_bias", NULL},
    .own_size = sizeof(struct gpt_neo),
    .layer_size = sizeof(struct layer),
    .declare = declare,
    .hidden = hidden,
};
