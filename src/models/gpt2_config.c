/* models/gpt2_config: GPT-2's config.json and presets. */
#include "base/json.h"
#include "base/os.h"
#include "tuff/models.h"

static const struct tuff_gpt2_config defaults = {.vocab_size = 50257,
                                                 .n_positions = 1024,
                                                 .n_embd = 768,
                                                 .n_layer = 12,
                                                 .n_head = 12,
                                                 .layer_norm_epsilon = 1e-5,
                                                 .initializer_range = 0.02,
                                                 .embd_pdrop = 0.1,
                                                 .resid_pdrop = 0.1,
                                                 .attn_pdrop = 0.1,
                                                 .tie_word_embeddings = true,
                                                 .bos_token_id = 50256,
                                                 .eos_token_id = 50256};

/* Sizes: GPT-2 from the released checkpoints; GPT-3 from Brown et al. 2020, table 2.1. */
static const struct {
    const char *name;
    int64_t layers, heads, width, context;
} presets[] = {
    {"tiny", 2, 4, 64, 128},         {"mini", 4, 4, 128, 128},
    {"small", 6, 6, 384, 256},       {"gpt2", 12, 12, 768, 1024},
    {"gpt2-medium", 24, 16, 1024, 1024}, {"gpt2-large", 36, 20, 1280, 1024},
    {"gpt2-xl", 48, 25, 1600, 1024}, {"gpt3-small", 12, 12, 768, 2048},
    {"gpt3-medium", 24, 16, 1024, 2048}, {"gpt3-large", 24, 16, 1536, 2048},
    {"gpt3-xl", 24, 16, 2048, 2048},
};

enum tuff_status tuff_gpt2_preset(struct tuff_ctx *ctx, const char *name,
                                  struct tuff_gpt2_config *config)
{
    char names[256] = "";
    for (size_t i = 0; i < TUFF_COUNT(presets); i++) {
        if (!strcmp(presets[i].name, name)) {
            *config = defaults;
            config->n_layer = presets[i].layers;
            config->n_head = presets[i].heads;
            config->n_embd = presets[i].width;
            config->n_inner = 4 * presets[i].width;
            config->n_positions = presets[i].context;
            return TUFF_OK;
        }
        snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", i ? ", " : "",
                 presets[i].name);
    }
    return tuff_fail(ctx, TUFF_E_ARG, "preset \"%s\": there is %s", name, names);
}

enum tuff_status tuff_gpt2_config_check(struct tuff_ctx *ctx, const char *where,
                                        const struct tuff_gpt2_config *c)
{
    const struct {
        const char *name;
        int64_t value, most;
    } sizes[] = {{"vocab_size", c->vocab_size, 1 << 24}, {"n_positions", c->n_positions, 1 << 24},
                 {"n_embd", c->n_embd, 1 << 20},         {"n_layer", c->n_layer, 4096},
                 {"n_head", c->n_head, 1 << 16},         {"n_inner", c->n_inner, 1 << 22}};
    for (size_t i = 0; i < TUFF_COUNT(sizes); i++)
        if (sizes[i].value < 1 || sizes[i].value > sizes[i].most)
            return tuff_fail(ctx, TUFF_E_FORMAT, "%s: \"%s\" is %lld; it must be 1 to %lld", where,
                             sizes[i].name, (long long) sizes[i].value, (long long) sizes[i].most);
    if (c->n_embd % c->n_head)
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: \"n_embd\" %lld is no multiple of \"n_head\" %lld",
                         where, (long long) c->n_embd, (long long) c->n_head);
    const struct {
        const char *name;
        double value, least, most;
    } numbers[] = {{"embd_pdrop", c->embd_pdrop, 0, 0.99},
                   {"resid_pdrop", c->resid_pdrop, 0, 0.99},
                   {"attn_pdrop", c->attn_pdrop, 0, 0.99},
                   {"layer_norm_epsilon", c->layer_norm_epsilon, 1e-12, 1},
                   {"initializer_range", c->initializer_range, 0, 100}};
    for (size_t i = 0; i < TUFF_COUNT(numbers); i++)
        if (!(numbers[i].value >= numbers[i].least && numbers[i].value <= numbers[i].most))
            return tuff_fail(ctx, TUFF_E_FORMAT, "%s: \"%s\" is %g; it must be %g to %g", where,
                             numbers[i].name, numbers[i].value, numbers[i].least, numbers[i].most);
    return TUFF_OK;
}

static enum tuff_status parse(struct tuff_ctx *ctx, const char *path, const json_t *root,
                              struct tuff_gpt2_config *c)
{
    const char *type = NULL, *activation = "gelu_new";
    bool by_layer = false, cross = false, scaled = true;
    if (!json_is_object(root))
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: must be a JSON object", path);
    TUFF_TRY(tuff_json_string(ctx, path, root, "model_type", &type));
    if (!type || strcmp(type, "gpt2"))
        return tuff_fail(ctx, TUFF_E_UNSUPPORTED,
                         "%s: \"model_type\" is \"%s\"; supported is \"gpt2\"", path,
                         type ? type : "(missing)");
    const struct {
        const char *key;
        int64_t *to;
    } ints[] = {{"vocab_size", &c->vocab_size},     {"n_positions", &c->n_positions},
                {"n_embd", &c->n_embd},             {"n_layer", &c->n_layer},
                {"n_head", &c->n_head},             {"n_inner", &c->n_inner},
                {"bos_token_id", &c->bos_token_id}, {"eos_token_id", &c->eos_token_id}};
    for (size_t i = 0; i < TUFF_COUNT(ints); i++)
        TUFF_TRY(tuff_json_int(ctx, path, root, ints[i].key, ints[i].to));
    const struct {
        const char *key;
        double *to;
    } reals[] = {{"layer_norm_epsilon", &c->layer_norm_epsilon},
                 {"initializer_range", &c->initializer_range},
                 {"embd_pdrop", &c->embd_pdrop},
                 {"resid_pdrop", &c->resid_pdrop},
                 {"attn_pdrop", &c->attn_pdrop}};
    for (size_t i = 0; i < TUFF_COUNT(reals); i++)
        TUFF_TRY(tuff_json_real(ctx, path, root, reals[i].key, reals[i].to));
    TUFF_TRY(tuff_json_string(ctx, path, root, "activation_function", &activation));
    TUFF_TRY(tuff_json_bool(ctx, path, root, "tie_word_embeddings", &c->tie_word_embeddings));
    TUFF_TRY(tuff_json_bool(ctx, path, root, "scale_attn_by_inverse_layer_idx", &by_layer));
    TUFF_TRY(tuff_json_bool(ctx, path, root, "add_cross_attention", &cross));
    TUFF_TRY(tuff_json_bool(ctx, path, root, "scale_attn_weights", &scaled));
    if (by_layer || cross || !scaled)
        return tuff_fail(ctx, TUFF_E_UNSUPPORTED, "%s: \"%s\" is not supported", path,
                         by_layer ? "scale_attn_by_inverse_layer_idx"
                         : cross  ? "add_cross_attention"
                                  : "scale_attn_weights: false");
    if (strcmp(activation, "gelu_new") && strcmp(activation, "gelu") &&
        strcmp(activation, "gelu_pytorch_tanh"))
        return tuff_fail(ctx, TUFF_E_UNSUPPORTED,
                         "%s: \"activation_function\" is \"%s\"; supported are gelu_new, "
                         "gelu_pytorch_tanh and gelu", path, activation);
    c->activation_erf = !strcmp(activation, "gelu");
    if (!c->n_inner)
        c->n_inner = c->n_embd <= INT64_MAX / 4 ? 4 * c->n_embd : c->n_embd;
    return tuff_gpt2_config_check(ctx, path, c);
}

enum tuff_status tuff_gpt2_config_load(struct tuff_ctx *ctx, const char *path,
                                       struct tuff_gpt2_config *config)
{
    char *inside = tuff_os_path_kind(path) == TUFF_PATH_DIR ? tuff_os_path_join(path, "config.json")
                                                            : strdup(path);
    struct tuff_map map;
    *config = defaults;
    if (!inside)
        return tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", path);
    enum tuff_status status = tuff_os_map(ctx, inside, &map);
    if (status == TUFF_OK) {
        status = tuff_gpt2_config_load_text(ctx, inside, map.data, map.size, config);
        tuff_os_unmap(&map);
    }
    free(inside);
    return status;
}

enum tuff_status tuff_gpt2_config_load_text(struct tuff_ctx *ctx, const char *name,
                                            const void *text, size_t size,
                                            struct tuff_gpt2_config *config)
{
    json_t *root = NULL;
    *config = defaults;
    config->bos_token_id = config->eos_token_id = -1;
    TUFF_TRY(tuff_json_parse(ctx, name, text, size, &root));
    enum tuff_status status = parse(ctx, name, root, config);
    json_decref(root);
    return status;
}

enum tuff_status tuff_gpt2_config_save(struct tuff_ctx *ctx, const char *folder,
                                       const struct tuff_gpt2_config *c)
{
    json_t *root = json_pack(
        "{s:s, s:[s], s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:b}",
        "model_type", "gpt2", "architectures", "GPT2LMHeadModel", "dtype", "float32",
        "activation_function", c->activation_erf ? "gelu" : "gelu_new", "vocab_size",
        (json_int_t) c->vocab_size, "n_positions", (json_int_t) c->n_positions, "n_embd",
        (json_int_t) c->n_embd, "n_layer", (json_int_t) c->n_layer, "n_head",
        (json_int_t) c->n_head, "n_inner", (json_int_t) c->n_inner, "layer_norm_epsilon",
        c->layer_norm_epsilon, "initializer_range", c->initializer_range, "embd_pdrop",
        c->embd_pdrop, "resid_pdrop", c->resid_pdrop, "attn_pdrop", c->attn_pdrop,
        "tie_word_embeddings", (int) c->tie_word_embeddings);
    char *path = tuff_os_path_join(folder, "config.json");
    enum tuff_status status = TUFF_E_NOMEM;
    if (root && path) {
        json_object_set_new(root, "bos_token_id",
                            c->bos_token_id < 0 ? json_null() : json_integer(c->bos_token_id));
        json_object_set_new(root, "eos_token_id",
                            c->eos_token_id < 0 ? json_null() : json_integer(c->eos_token_id));
        status = tuff_json_save(ctx, path, root);
    } else {
        tuff_fail(ctx, status, "%s: out of host memory", folder);
    }
    json_decref(root);
    free(path);
    return status;
}

int64_t tuff_gpt2_parameter_count(const struct tuff_gpt2_config *c)
{
    int64_t w = c->n_embd, f = c->n_inner;
    int64_t layer = 4 * w /* norms */ + 3 * w * w + 3 * w + w * w + w + 2 * w * f + f + w;
    return c->vocab_size * w * (c->tie_word_embeddings ? 1 : 2) + c->n_positions * w +
           c->n_layer * layer + 2 * w;
}
