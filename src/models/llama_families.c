/* models/llama_families: the families of the Llama shape: their config.json and what each changes. */
#include "models/llama.h"

/* ---- keys ---- */

#define SHARED_KEYS                                                                                \
    TUFF_SIZE("vocab_size", vocab_size, 1 << 24),                                                  \
        TUFF_SIZE("hidden_size", hidden_size, 1 << 20),                                            \
        TUFF_SIZE("intermediate_size", intermediate_size, 1 << 22),                                \
        TUFF_SIZE("num_hidden_layers", num_hidden_layers, TUFF_LAYERS_MAX),                        \
        TUFF_SIZE("num_attention_heads", num_attention_heads, 1 << 16),                            \
        TUFF_SIZE("num_key_value_heads", num_key_value_heads, 1 << 16),                            \
        TUFF_SIZE("head_dim", head_dim, 1 << 16),                                                  \
        TUFF_SIZE("max_position_embeddings", max_position_embeddings, 1 << 24),                    \
        TUFF_RATE("attention_dropout", attn_pdrop),                                                \
        {"rms_norm_eps", TUFF_KEY_REAL, TUFF_FIELD(norm_eps), 1e-12, 1, false},                    \
        {"initializer_range", TUFF_KEY_REAL, TUFF_FIELD(initializer_range), 0, 100, false}
#define BIAS_KEY {"attention_bias", TUFF_KEY_BOOL, TUFF_FIELD(attention_bias), 0, 0, false}
#define ACTIVATION_KEY(name) {name, TUFF_KEY_ACTIVATION, TUFF_FIELD(activation), 0, 0, false}

static const struct tuff_config_key llama_keys[] = {
    SHARED_KEYS, BIAS_KEY, {"mlp_bias", TUFF_KEY_BOOL, TUFF_FIELD(mlp_bias), 0, 0, false},
    ACTIVATION_KEY("hidden_act"), {0}};
static const struct tuff_config_key mistral_keys[] = {SHARED_KEYS, ACTIVATION_KEY("hidden_act"),
                                                      {0}};
static const struct tuff_config_key qwen3_keys[] = {SHARED_KEYS, BIAS_KEY,
                                                    ACTIVATION_KEY("hidden_act"), {0}};
static const struct tuff_config_key gemma_keys[] = {
    SHARED_KEYS,
    BIAS_KEY,
    ACTIVATION_KEY("hidden_activation"),
    {"attn_logit_softcapping", TUFF_KEY_REAL, TUFF_FIELD(attn_logit_softcapping), 0, 1e6, false},
    {"final_logit_softcapping", TUFF_KEY_REAL, TUFF_FIELD(final_logit_softcapping), 0, 1e6, false},
    {0}};

static const struct tuff_activation_name activations[] = {{"silu", TUFF_ACT_SILU},
                                                          {"swish", TUFF_ACT_SILU},
                                                          {"gelu_pytorch_tanh", TUFF_ACT_GELU_TANH},
                                                          {"gelu_new", TUFF_ACT_GELU_TANH},
                                                          {"gelu", TUFF_ACT_GELU_ERF},
                                                          {"relu", TUFF_ACT_RELU},
                                                          {0}};

/* ---- what keys do not say ---- */

static const struct tuff_llama_variant *variant_of(const struct tuff_model_config *c)
{
    return tuff_family_find(c->model_type)->variant;
}

static void set_windowed(struct tuff_model_config *c, int64_t layer)
{
    c->windowed[layer / 64] |= (uint64_t) 1 << (layer % 64);
}

static enum tuff_status read_layer_types(struct tuff_ctx *ctx, const char *path,
                                         const json_t *list, struct tuff_model_config *c)
{
    if (!json_is_array(list) || (int64_t) json_array_size(list) != c->num_hidden_layers)
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: \"layer_types\" must have an entry for each of %lld "
                         "layers", path, (long long) c->num_hidden_layers);
    for (int64_t i = 0; i < c->num_hidden_layers; i++) {
        const char *type = json_string_value(json_array_get(list, (size_t) i));
        if (type && !strcmp(type, "sliding_attention"))
            set_windowed(c, i);
        else if (!type || strcmp(type, "full_attention"))
            return tuff_fail(ctx, TUFF_E_UNSUPPORTED, "%s: \"layer_types\" has \"%s\"; supported are "
                             "full_attention and sliding_attention", path, type ? type : "(none)");
    }
    return TUFF_OK;
}

/* The window, and the layers that have it. */
static enum tuff_status read_windows(struct tuff_ctx *ctx, const char *path, const json_t *root,
                                     struct tuff_model_config *c)
{
    const struct tuff_llama_variant *v = variant_of(c);
    const json_t *types = json_object_get(root, "layer_types");
    const json_t *window = json_object_get(root, "sliding_window");
    bool use = v->windows != TUFF_WINDOW_UPPER; /* Qwen asks to be told */
    int64_t first = c->num_hidden_layers, pattern = v->pattern;
    TUFF_TRY(tuff_json_bool(ctx, path, root, "use_sliding_window", &use));
    TUFF_TRY(tuff_json_int(ctx, path, root, "max_window_layers", &first));
    TUFF_TRY(tuff_json_int(ctx, path, root, "sliding_window_pattern", &pattern));
    TUFF_TRY(tuff_json_int(ctx, path, root, "sliding_window", &c->sliding_window));
    if (!use || v->windows == TUFF_WINDOW_NONE || (window && json_is_null(window)))
        c->sliding_window = 0;
    if (c->sliding_window < 0 || c->sliding_window > 1 << 24 || pattern < 0)
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: \"sliding_window\" is %lld", path,
                         (long long) c->sliding_window);
    if (!c->sliding_window || c->num_hidden_layers < 1 || c->num_hidden_layers > TUFF_LAYERS_MAX)
        return TUFF_OK;
    if (types && !json_is_null(types))
        return read_layer_types(ctx, path, types, c);
    for (int64_t i = 0; i < c->num_hidden_layers; i++)
        if (v->windows == TUFF_WINDOW_ALL || (v->windows == TUFF_WINDOW_UPPER && i >= first) ||
            (v->windows == TUFF_WINDOW_PATTERN && pattern && (i + 1) % pattern))
            set_windowed(c, i);
    return TUFF_OK;
}

static enum tuff_status read(struct tuff_ctx *ctx, const char *path, const json_t *root,
                             struct tuff_model_config *c)
{
    const struct tuff_llama_variant *v = variant_of(c);
    c->output_bias = c->attention_bias && !v->qkv_bias;
    TUFF_TRY(read_windows(ctx, path, root, c));
    return tuff_rope_read(ctx, path, root, &c->rope);
}

/* Gemma's scores are scaled by a number of its own; Gemma 3 turns by another theta in layers with a
 * window, and has an object of rope parameters for each kind of layer. */
static enum tuff_status read_gemma(struct tuff_ctx *ctx, const char *path, const json_t *root,
                                   struct tuff_model_config *c)
{
    double scalar = 256;
    bool both_ways = false;
    TUFF_TRY(tuff_json_real(ctx, path, root, "query_pre_attn_scalar", &scalar));
    TUFF_TRY(tuff_json_bool(ctx, path, root, "use_bidirectional_attention", &both_ways));
    if (!(scalar > 0 && scalar < 1e12))
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: \"query_pre_attn_scalar\" is %g", path, scalar);
    if (both_ways)
        return tuff_fail(ctx, TUFF_E_UNSUPPORTED, "%s: \"use_bidirectional_attention\" is not "
                         "supported", path);
    c->attention_scale = 1 / sqrt(scalar);
    if (json_is_null(json_object_get(root, "attn_logit_softcapping")))
        c->attn_logit_softcapping = 0;
    if (json_is_null(json_object_get(root, "final_logit_softcapping")))
        c->final_logit_softcapping = 0;
    if (!c->rope_local.theta)
        return read(ctx, path, root, c);
    const json_t *both = json_object_get(root, "rope_parameters");
    const json_t *full = json_object_get(both, "full_attention");
    TUFF_TRY(tuff_json_real(ctx, path, root, "rope_local_base_freq", &c->rope_local.theta));
    c->output_bias = c->attention_bias;
    TUFF_TRY(read_windows(ctx, path, root, c));
    if (!full)
        return tuff_rope_read(ctx, path, root, &c->rope);
    json_t *wrapped = json_pack("{s:O}", "rope_parameters", full);
    enum tuff_status status = tuff_rope_read(ctx, path, wrapped, &c->rope);
    json_decref(wrapped);
    const json_t *local = json_object_get(both, "sliding_attention");
    if (status == TUFF_OK && local) {
        wrapped = json_pack("{s:O}", "rope_parameters", local);
        status = tuff_rope_read(ctx, path, wrapped, &c->rope_local);
        json_decref(wrapped);
    }
    return status;
}

static bool write_rope(json_t *root, const struct tuff_model_config *c)
{
    json_t *rope = tuff_rope_write(&c->rope);
    if (c->rope_local.theta > 0)
        rope = json_pack("{s:o, s:o}", "full_attention", rope, "sliding_attention",
                         tuff_rope_write(&c->rope_local));
    int bad = json_object_set_new(root, "rope_parameters", rope);
    /* For readers that know the older keys only. */
    bad |= json_object_set_new(root, "rope_theta", json_real(c->rope.theta));
    if (c->rope_local.theta > 0)
        bad |= json_object_set_new(root, "rope_local_base_freq", json_real(c->rope_local.theta));
    if (c->rope.type != TUFF_ROPE_DEFAULT)
        bad |= json_object_set_new(root, "rope_scaling", tuff_rope_write(&c->rope));
    return !bad;
}

/* transformers reads whole numbers only. */
static json_t *scalar_of(const struct tuff_model_config *c)
{
    double scalar = 1 / (c->attention_scale * c->attention_scale), whole = round(scalar);
    return fabs(scalar - whole) < 1e-9 * scalar ? json_integer((json_int_t) whole)
                                                : json_real(scalar);
}

static bool write(json_t *root, const struct tuff_model_config *c)
{
    const struct tuff_llama_variant *v = variant_of(c);
    int bad = !write_rope(root, c);
    /* No cap is null: transformers divides by what stands there. */
    if (json_object_get(root, "attn_logit_softcapping") && !(c->attn_logit_softcapping > 0))
        bad |= json_object_set_new(root, "attn_logit_softcapping", json_null());
    if (json_object_get(root, "final_logit_softcapping") && !(c->final_logit_softcapping > 0))
        bad |= json_object_set_new(root, "final_logit_softcapping", json_null());
    if (v->windows == TUFF_WINDOW_NONE)
        return !bad;
    json_t *list = json_array();
    for (int64_t i = 0; i < c->num_hidden_layers; i++)
        bad |= json_array_append_new(
            list, json_string(c->sliding_window > 0 && (c->windowed[i / 64] >> (i % 64) & 1)
                                  ? "sliding_attention"
                                  : "full_attention"));
    /* Mistral's window is of all layers and needs no list. */
    if (v->windows == TUFF_WINDOW_ALL)
        json_decref(list);
    else
        bad |= json_object_set_new(root, "layer_types", list);
    bad |= json_object_set_new(root, "sliding_window",
                               c->sliding_window ? json_integer(c->sliding_window) : json_null());
    if (v->windows == TUFF_WINDOW_UPPER)
        bad |= json_object_set_new(root, "use_sliding_window", json_boolean(c->sliding_window > 0));
    if (c->attention_scale > 0)
        bad |= json_object_set_new(root, "query_pre_attn_scalar", scalar_of(c));
    return !bad;
}

static enum tuff_status check(struct tuff_ctx *ctx, const char *where,
                              const struct tuff_model_config *c)
{
    if (c->num_attention_heads % c->num_key_value_heads)
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: \"num_attention_heads\" %lld is no multiple of "
                         "\"num_key_value_heads\" %lld", where, (long long) c->num_attention_heads,
                         (long long) c->num_key_value_heads);
    if (c->rope_local.theta > 0)
        TUFF_TRY(tuff_rope_check(ctx, where, c, &c->rope_local));
    return tuff_rope_check(ctx, where, c, &c->rope);
}

/* ---- the families ---- */

#define SHARED                                                                                     \
    .activations = activations, .write = write, .check = check, .context = tuff_llama_context,     \
    .needs = TUFF_NEEDS_POSITIONS, .prefix = "model.", .tied = "lm_head.weight",                   \
    .ignored = (const char *const[]) {"rotary_emb.inv_freq", NULL},                                \
    .own_size = sizeof(struct tuff_llama), .layer_size = sizeof(struct tuff_llama_layer),          \
    .declare = tuff_llama_declare, .hidden = tuff_llama_hidden
#define ARCHITECTURE(name)                                                                         \
    .architectures = (const struct tuff_architecture[]) {{name, TUFF_TASK_CAUSAL_LM}, {0}}
#define VARIANT(...) .variant = &(const struct tuff_llama_variant) {__VA_ARGS__}
#define NO_TOKENS .bos_token_id = -1, .eos_token_id = -1, .pad_token_id = -1

/* From the releases' config.json. */
const struct tuff_family tuff_family_llama = {
    .model_type = "llama",
    ARCHITECTURE("LlamaForCausalLM"),
    .defaults = {.vocab_size = 32000, .max_position_embeddings = 2048, .hidden_size = 4096,
                 .intermediate_size = 11008, .num_hidden_layers = 32, .num_attention_heads = 32,
                 .norm_eps = 1e-6, .initializer_range = 0.02, .activation = TUFF_ACT_SILU,
                 .bos_token_id = 1, .eos_token_id = 2, .pad_token_id = -1, .rope.theta = 10000},
    .keys = llama_keys,
    .sizes = (const struct tuff_size[]) {{"smollm-135m", 30, 9, 3, 576, 1536, 2048},
                                         {"smollm-360m", 32, 15, 5, 960, 2560, 2048},
                                         {"llama-7b", 32, 32, 0, 4096, 11008, 2048},
                                         {0}},
    .read = read,
    VARIANT(0),
    SHARED,
};

const struct tuff_family tuff_family_mistral = {
    .model_type = "mistral",
    ARCHITECTURE("MistralForCausalLM"),
    .defaults = {.vocab_size = 32000, .max_position_embeddings = 131072, .hidden_size = 4096,
                 .intermediate_size = 14336, .num_hidden_layers = 32, .num_attention_heads = 32,
                 .num_key_value_heads = 8, .norm_eps = 1e-6, .initializer_range = 0.02,
                 .activation = TUFF_ACT_SILU, .bos_token_id = 1, .eos_token_id = 2,
                 .pad_token_id = -1, .sliding_window = 4096, .rope.theta = 10000},
    .keys = mistral_keys,
    .read = read,
    VARIANT(.windows = TUFF_WINDOW_ALL),
    SHARED,
};

const struct tuff_family tuff_family_qwen2 = {
    .model_type = "qwen2",
    ARCHITECTURE("Qwen2ForCausalLM"),
    .defaults = {.vocab_size = 151936, .max_position_embeddings = 32768, .hidden_size = 4096,
                 .intermediate_size = 22016, .num_hidden_layers = 32, .num_attention_heads = 32,
                 .num_key_value_heads = 32, .norm_eps = 1e-6, .initializer_range = 0.02,
                 .activation = TUFF_ACT_SILU, NO_TOKENS, .attention_bias = true,
                 .sliding_window = 4096, .rope.theta = 10000},
    .keys = mistral_keys,
    .read = read,
    VARIANT(.qkv_bias = true, .windows = TUFF_WINDOW_UPPER),
    SHARED,
};

const struct tuff_family tuff_family_qwen3 = {
    .model_type = "qwen3",
    ARCHITECTURE("Qwen3ForCausalLM"),
    .defaults = {.vocab_size = 151936, .max_position_embeddings = 32768, .hidden_size = 4096,
                 .intermediate_size = 22016, .num_hidden_layers = 32, .num_attention_heads = 32,
                 .num_key_value_heads = 32, .head_dim = 128, .norm_eps = 1e-6,
                 .initializer_range = 0.02, .activation = TUFF_ACT_SILU, NO_TOKENS,
                 .sliding_window = 4096, .rope.theta = 10000},
    .keys = qwen3_keys,
    .read = read,
    VARIANT(.qk_norm = true, .windows = TUFF_WINDOW_UPPER),
    SHARED,
};

const struct tuff_family tuff_family_gemma2 = {
    .model_type = "gemma2",
    ARCHITECTURE("Gemma2ForCausalLM"),
    .defaults = {.vocab_size = 256000, .max_position_embeddings = 8192, .hidden_size = 2304,
                 .intermediate_size = 9216, .num_hidden_layers = 26, .num_attention_heads = 8,
                 .num_key_value_heads = 4, .head_dim = 256, .norm_eps = 1e-6,
                 .initializer_range = 0.02, .activation = TUFF_ACT_GELU_TANH,
                 .tie_word_embeddings = true, .bos_token_id = 2, .eos_token_id = 1,
                 .pad_token_id = 0, .sliding_window = 4096, .rope.theta = 10000,
                 .attention_scale = 1.0 / 16, .attn_logit_softcapping = 50,
                 .final_logit_softcapping = 30},
    .keys = gemma_keys,
    .read = read_gemma,
    VARIANT(.unit_norm = true, .post_norms = true, .scaled_embedding = true,
            .windows = TUFF_WINDOW_PATTERN, .pattern = 2),
    .logits = tuff_llama_logits,
    SHARED,
};

const struct tuff_family tuff_family_gemma3 = {
    .model_type = "gemma3_text",
    ARCHITECTURE("Gemma3ForCausalLM"),
    .defaults = {.vocab_size = 262208, .max_position_embeddings = 131072, .hidden_size = 2304,
                 .intermediate_size = 9216, .num_hidden_layers = 26, .num_attention_heads = 8,
                 .num_key_value_heads = 4, .head_dim = 256, .norm_eps = 1e-6,
                 .initializer_range = 0.02, .activation = TUFF_ACT_GELU_TANH,
                 .tie_word_embeddings = true, .bos_token_id = 2, .eos_token_id = 1,
                 .pad_token_id = 0, .sliding_window = 4096, .rope.theta = 1e6,
                 .rope_local.theta = 10000, .attention_scale = 1.0 / 16},
    .keys = gemma_keys,
    .read = read_gemma,
    VARIANT(.qk_norm = true, .unit_norm = true, .post_norms = true, .scaled_embedding = true,
            .windows = TUFF_WINDOW_PATTERN, .pattern = 6),
    .logits = tuff_llama_logits,
    SHARED,
};
