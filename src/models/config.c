/* models/config: config.json of any family, by its table of keys. */
#include "base/os.h"
#include "models/model.h"

static const struct tuff_family *const families[] = {
#define TUFF_FAMILY(name) &tuff_family_##name,
#include "models/models.def"
#undef TUFF_FAMILY
};

const char *tuff_model_types(size_t i)
{
    return i < TUFF_COUNT(families) ? families[i]->model_type : NULL;
}

const struct tuff_family *tuff_family_find(const char *model_type)
{
    for (size_t i = 0; i < TUFF_COUNT(families) && model_type; i++)
        if (!strcmp(families[i]->model_type, model_type))
            return families[i];
    return NULL;
}

/* The families' names in one line. */
static const char *list_types(char text[512])
{
    size_t n = 0;
    for (size_t i = 0; i < TUFF_COUNT(families) && n < 500; i++)
        n += (size_t) snprintf(text + n, 512 - n, "%s%s", i ? ", " : "", families[i]->model_type);
    return text;
}

static int64_t *int_of(const struct tuff_model_config *c, const struct tuff_config_key *k)
{
    return (int64_t *) (uintptr_t) ((const char *) c + k->offset);
}

static double *real_of(const struct tuff_model_config *c, const struct tuff_config_key *k)
{
    return (double *) (uintptr_t) ((const char *) c + k->offset);
}

static bool *bool_of(const struct tuff_model_config *c, const struct tuff_config_key *k)
{
    return (bool *) (uintptr_t) ((const char *) c + k->offset);
}

static enum tuff_activation *activation_of(const struct tuff_model_config *c,
                                           const struct tuff_config_key *k)
{
    return (enum tuff_activation *) (uintptr_t) ((const char *) c + k->offset);
}

/* ---- reading ---- */

static enum tuff_status read_activation(struct tuff_ctx *ctx, const char *path,
                                        const json_t *root, const struct tuff_family *family,
                                        const struct tuff_config_key *k,
                                        struct tuff_model_config *c)
{
    const char *name = NULL;
    TUFF_TRY(tuff_json_string(ctx, path, root, k->key, &name));
    if (!name)
        return TUFF_OK;
    char names[256] = "";
    for (const struct tuff_activation_name *a = family->activations; a->name; a++) {
        if (!strcmp(a->name, name)) {
            *activation_of(c, k) = a->activation;
            return TUFF_OK;
        }
        size_t n = strlen(names);
        snprintf(names + n, sizeof names - n, "%s%s", n ? ", " : "", a->name);
    }
    return tuff_fail(ctx, TUFF_E_UNSUPPORTED, "%s: \"%s\" is \"%s\"; supported are %s", path, k->key,
                     name, names);
}

/* One id, or a list of which the first counts (published checkpoints have both). */
static enum tuff_status read_token(struct tuff_ctx *ctx, const char *path, const json_t *root,
                                   const char *key, int64_t *id)
{
    const json_t *value = json_object_get(root, key);
    if (value && json_is_array(value) && json_is_integer(json_array_get(value, 0))) {
        *id = json_integer_value(json_array_get(value, 0));
        return TUFF_OK;
    }
    return tuff_json_int(ctx, path, root, key, id);
}

/* The task by the architecture's name; `where` and `code` are the error's. */
static enum tuff_status set_head(struct tuff_ctx *ctx, enum tuff_status code, const char *where,
                                 const struct tuff_family *family, struct tuff_model_config *c,
                                 const char *name)
{
    char names[512] = "";
    for (const struct tuff_architecture *a = family->architectures; a->name; a++) {
        if (!strcmp(a->name, name)) {
            c->task = a->task;
            return TUFF_OK;
        }
        size_t n = strlen(names);
        snprintf(names + n, sizeof names - n, "%s%s", n ? ", " : "", a->name);
    }
    return tuff_fail(ctx, code, "%s: \"architectures\" is \"%s\"; supported for \"%s\": %s", where,
                     name, family->model_type, names);
}

enum tuff_status tuff_model_config_set_head(struct tuff_ctx *ctx, struct tuff_model_config *c,
                                            const char *architecture)
{
    const struct tuff_family *family = tuff_family_find(c->model_type);
    return family ? set_head(ctx, TUFF_E_ARG, "head", family, c, architecture)
                  : tuff_fail(ctx, TUFF_E_ARG, "head: the config has no model_type");
}

enum tuff_status tuff_model_config_set_task(struct tuff_ctx *ctx, struct tuff_model_config *c,
                                            enum tuff_task task)
{
    static const char *const tasks[] = {
        [TUFF_TASK_CAUSAL_LM] = "continuing a text", [TUFF_TASK_MASKED_LM] = "masked words",
        [TUFF_TASK_NEXT_SENTENCE] = "the next sentence", [TUFF_TASK_PRETRAINING] = "pretraining",
        [TUFF_TASK_SEQUENCE_CLASSIFICATION] = "classifying texts",
        [TUFF_TASK_TOKEN_CLASSIFICATION] = "classifying words", [TUFF_TASK_ENCODE] = "encoding",
        [TUFF_TASK_TRANSLATION] = "translation"};
    const struct tuff_family *family = tuff_family_find(c->model_type);
    for (const struct tuff_architecture *a = family ? family->architectures : NULL; a && a->name; a++)
        if (a->task == task) {
            c->task = task;
            return TUFF_OK;
        }
    return tuff_fail(ctx, TUFF_E_UNSUPPORTED, "the family %s has no head for %s",
                     family ? family->model_type : "(none)", tasks[task]);
}

static enum tuff_status read_task(struct tuff_ctx *ctx, const char *path, const json_t *root,
                                  const struct tuff_family *family, struct tuff_model_config *c)
{
    const json_t *list = json_object_get(root, "architectures");
    const char *name = json_string_value(json_array_get(list, 0));
    c->task = family->architectures[0].task;
    return name ? set_head(ctx, TUFF_E_UNSUPPORTED, path, family, c, name) : TUFF_OK;
}

static enum tuff_status parse(struct tuff_ctx *ctx, const char *path, const json_t *root,
                              struct tuff_model_config *c)
{
    const char *type = NULL;
    char types[512];
    if (!json_is_object(root))
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: must be a JSON object", path);
    TUFF_TRY(tuff_json_string(ctx, path, root, "model_type", &type));
    const struct tuff_family *family = tuff_family_find(type);
    if (!family)
        return tuff_fail(ctx, TUFF_E_UNSUPPORTED, "%s: \"model_type\" is \"%s\"; supported: %s",
                         path, type ? type : "(missing)", list_types(types));
    *c = family->defaults;
    c->model_type = family->model_type;
    TUFF_TRY(read_task(ctx, path, root, family, c));
    for (const struct tuff_config_key *k = family->keys; k->key; k++) {
        if (k->kind == TUFF_KEY_INT)
            TUFF_TRY(tuff_json_int(ctx, path, root, k->key, int_of(c, k)));
        else if (k->kind == TUFF_KEY_REAL)
            TUFF_TRY(tuff_json_real(ctx, path, root, k->key, real_of(c, k)));
        else if (k->kind == TUFF_KEY_BOOL)
            TUFF_TRY(tuff_json_bool(ctx, path, root, k->key, bool_of(c, k)));
        else
            TUFF_TRY(read_activation(ctx, path, root, family, k, c));
    }
    TUFF_TRY(tuff_json_bool(ctx, path, root, "tie_word_embeddings", &c->tie_word_embeddings));
    TUFF_TRY(read_token(ctx, path, root, "bos_token_id", &c->bos_token_id));
    TUFF_TRY(read_token(ctx, path, root, "eos_token_id", &c->eos_token_id));
    TUFF_TRY(read_token(ctx, path, root, "pad_token_id", &c->pad_token_id));
    if (family->read)
        TUFF_TRY(family->read(ctx, path, root, c));
    tuff_config_complete(c);
    return tuff_model_config_check(ctx, path, c);
}

enum tuff_status tuff_model_config_load(struct tuff_ctx *ctx, const char *path,
                                        struct tuff_model_config *config)
{
    char *inside = tuff_os_path_kind(path) == TUFF_PATH_DIR ? tuff_os_path_join(path, "config.json")
                                                            : strdup(path);
    struct tuff_map map;
    memset(config, 0, sizeof *config);
    if (!inside)
        return tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", path);
    enum tuff_status status = tuff_os_map(ctx, inside, &map);
    if (status == TUFF_OK) {
        status = tuff_model_config_load_text(ctx, inside, map.data, map.size, config);
        tuff_os_unmap(&map);
    }
    free(inside);
    return status;
}

enum tuff_status tuff_model_config_load_text(struct tuff_ctx *ctx, const char *name,
                                             const void *text, size_t size,
                                             struct tuff_model_config *config)
{
    json_t *root = NULL;
    memset(config, 0, sizeof *config);
    TUFF_TRY(tuff_json_parse(ctx, name, text, size, &root));
    enum tuff_status status = parse(ctx, name, root, config);
    json_decref(root);
    return status;
}

/* ---- checking ---- */

void tuff_config_complete(struct tuff_model_config *c)
{
    if (!c->num_key_value_heads)
        c->num_key_value_heads = c->num_attention_heads;
    if (!c->head_dim && c->num_attention_heads > 0)
        c->head_dim = c->hidden_size / c->num_attention_heads;
    if (!c->intermediate_size && c->hidden_size <= 1 << 20)
        c->intermediate_size = 4 * c->hidden_size;
}

enum tuff_status tuff_model_config_check(struct tuff_ctx *ctx, const char *where,
                                         const struct tuff_model_config *config)
{
    const struct tuff_family *family = tuff_family_find(config->model_type);
    struct tuff_model_config full = *config, *c = &full;
    char types[512];
    tuff_config_complete(c);
    if (!family)
        return tuff_fail(ctx, TUFF_E_UNSUPPORTED, "%s: model_type \"%s\"; supported: %s", where,
                         c->model_type ? c->model_type : "(none)", list_types(types));
    for (const struct tuff_config_key *k = family->keys; k->key; k++) {
        if (k->alias)
            continue;
        if (k->kind == TUFF_KEY_INT && !((double) *int_of(c, k) >= k->least &&
                                         (double) *int_of(c, k) <= k->most))
            return tuff_fail(ctx, TUFF_E_FORMAT, "%s: \"%s\" is %lld; it must be %.0f to %.0f",
                             where, k->key, (long long) *int_of(c, k), k->least, k->most);
        if (k->kind == TUFF_KEY_REAL && !(*real_of(c, k) >= k->least && *real_of(c, k) <= k->most))
            return tuff_fail(ctx, TUFF_E_FORMAT, "%s: \"%s\" is %g; it must be %g to %g", where,
                             k->key, *real_of(c, k), k->least, k->most);
    }
    return family->check ? family->check(ctx, where, c) : TUFF_OK;
}

enum tuff_status tuff_config_check_heads(struct tuff_ctx *ctx, const char *where,
                                         const struct tuff_model_config *c, const char *width,
                                         const char *heads)
{
    if (c->num_attention_heads > 0 && c->hidden_size % c->num_attention_heads)
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: \"%s\" %lld is no multiple of \"%s\" %lld", where,
                         width, (long long) c->hidden_size, heads,
                         (long long) c->num_attention_heads);
    return TUFF_OK;
}

enum tuff_status tuff_model_context_check(struct tuff_ctx *ctx, const struct tuff_model_config *c,
                                          int64_t context)
{
    const struct tuff_family *family = tuff_family_find(c->model_type);
    int64_t most = family && family->context ? family->context(c) : c->max_position_embeddings;
    return context <= most ? TUFF_OK
                           : tuff_fail(ctx, TUFF_E_RANGE, "context %lld is longer than the model's "
                                       "%lld positions", (long long) context, (long long) most);
}

int64_t tuff_model_positions(const struct tuff_model_config *c)
{
    const struct tuff_family *family = tuff_family_find(c->model_type);
    int64_t most = family && family->context ? family->context(c) : INT64_MAX;
    return most < INT64_MAX ? most : c->max_position_embeddings;
}

bool tuff_model_has_dropout(const struct tuff_model_config *c)
{
    return c->embd_pdrop > 0 || c->resid_pdrop > 0 || c->attn_pdrop > 0 || c->classifier_pdrop > 0;
}

void tuff_model_set_dropout(struct tuff_model_config *c, double rate)
{
    c->embd_pdrop = c->resid_pdrop = c->attn_pdrop = c->classifier_pdrop = rate;
}

/* ---- writing ---- */

static json_t *token(int64_t id)
{
    return id < 0 ? json_null() : json_integer(id);
}

static json_t *value_of(const struct tuff_family *family, const struct tuff_config_key *k,
                        const struct tuff_model_config *c)
{
    const struct tuff_activation_name *a = family->activations;
    switch (k->kind) {
    case TUFF_KEY_INT:
        return json_integer(*int_of(c, k));
    case TUFF_KEY_REAL:
        return json_real(*real_of(c, k));
    case TUFF_KEY_BOOL:
        return json_boolean(*bool_of(c, k));
    case TUFF_KEY_ACTIVATION:
        break;
    }
    while (a->name && a->activation != *activation_of(c, k))
        a++;
    return a->name ? json_string(a->name) : NULL;
}

/* NULL: no memory, or no family. */
static json_t *to_json(const struct tuff_model_config *config)
{
    struct tuff_model_config full = *config, *c = &full;
    tuff_config_complete(c);
    const struct tuff_family *family = tuff_family_find(c->model_type);
    const struct tuff_architecture *a = family ? family->architectures : NULL;
    while (a && a->name && a->task != c->task)
        a++;
    json_t *root = a && a->name ? json_pack("{s:s, s:[s], s:s}", "model_type", family->model_type,
                                            "architectures", a->name, "dtype", "float32")
                                : NULL;
    if (!root)
        return NULL;
    int bad = 0;
    for (const struct tuff_config_key *k = family->keys; k->key; k++)
        if (!k->alias)
            bad |= json_object_set_new(root, k->key, value_of(family, k, c));
    bad |= json_object_set_new(root, "tie_word_embeddings", json_boolean(c->tie_word_embeddings));
    bad |= json_object_set_new(root, "bos_token_id", token(c->bos_token_id));
    bad |= json_object_set_new(root, "eos_token_id", token(c->eos_token_id));
    bad |= json_object_set_new(root, "pad_token_id", token(c->pad_token_id));
    if (!bad && (!family->write || family->write(root, c)))
        return root;
    json_decref(root);
    return NULL;
}

enum tuff_status tuff_model_config_save(struct tuff_ctx *ctx, const char *folder,
                                        const struct tuff_model_config *c)
{
    json_t *root = to_json(c);
    char *path = tuff_os_path_join(folder, "config.json");
    enum tuff_status status = root && path
                                  ? tuff_json_save(ctx, path, root)
                                  : tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", folder);
    json_decref(root);
    free(path);
    return status;
}

bool tuff_model_config_equal(const struct tuff_model_config *a, const struct tuff_model_config *b)
{
    static const char *const others[] = {"initializer_range", "bos_token_id", "eos_token_id",
                                         "pad_token_id", "id2label", "label2id"};
    json_t *x = to_json(a), *y = to_json(b);
    for (size_t i = 0; i < TUFF_COUNT(others); i++) {
        json_object_del(x, others[i]);
        json_object_del(y, others[i]);
    }
    bool equal = x && y && json_equal(x, y);
    json_decref(x);
    json_decref(y);
    return equal;
}

/* ---- sizes by name ---- */

/* Sizes every family has. */
static const struct tuff_size common[] = {{"tiny", 2, 4, 0, 64, 0, 128},
                                          {"mini", 4, 4, 0, 128, 0, 128},
                                          {"small", 6, 6, 0, 384, 0, 256},
                                          {NULL, 0, 0, 0, 0, 0, 0}};

static const struct tuff_size *size_in(const struct tuff_size *list, const char *name)
{
    for (; list && list->name; list++)
        if (!strcmp(list->name, name))
            return list;
    return NULL;
}

static void list_sizes(struct tuff_text *text, const struct tuff_size *list)
{
    for (; list && list->name; list++)
        tuff_text_printf(text, "%s%s", text->n ? ", " : "", list->name);
}

static enum tuff_status no_size(struct tuff_ctx *ctx, const char *name,
                                const struct tuff_family *family)
{
    struct tuff_text text = {0};
    list_sizes(&text, common);
    for (size_t i = 0; i < TUFF_COUNT(families); i++)
        if (!family || family == families[i])
            list_sizes(&text, families[i]->sizes);
    enum tuff_status status = tuff_fail(ctx, TUFF_E_ARG, "preset \"%s\": there is %s", name,
                                        text.s ? text.s : "");
    tuff_text_fini(&text);
    return status;
}

enum tuff_status tuff_model_preset(struct tuff_ctx *ctx, const char *model_type, const char *name,
                                   struct tuff_model_config *config)
{
    char types[512];
    const struct tuff_family *family = model_type ? tuff_family_find(model_type) : families[0];
    memset(config, 0, sizeof *config);
    if (!family)
        return tuff_fail(ctx, TUFF_E_ARG, "model \"%s\": supported: %s", model_type,
                         list_types(types));
    const struct tuff_size *s = size_in(common, name);
    if (!s)
        s = size_in(family->sizes, name);
    for (size_t i = 0; !s && !model_type && i < TUFF_COUNT(families); i++)
        if ((s = size_in(families[i]->sizes, name)))
            family = families[i];
    if (!s)
        return no_size(ctx, name, model_type ? family : NULL);
    *config = family->defaults;
    config->model_type = family->model_type;
    config->task = family->architectures[0].task;
    config->num_hidden_layers = s->layers;
    config->num_decoder_layers = config->num_decoder_layers ? s->layers : 0;
    config->num_attention_heads = s->heads;
    config->num_key_value_heads = s->kv_heads;
    config->hidden_size = s->width;
    config->head_dim = 0;
    config->intermediate_size = s->inner;
    config->max_position_embeddings = s->context;
    tuff_config_complete(config);
    return tuff_model_config_check(ctx, name, config);
}
