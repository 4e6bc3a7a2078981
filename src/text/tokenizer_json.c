/* text/tokenizer_json: Hugging Face's tokenizer.json, read and written. Each component's type is
 * looked at, and one that is not built here is refused by name: a tokenizer that is almost right
 * is worse than none. */
#include "base/os.h"
#include "text/spm.h"
#include "text/tokenizer_impl.h"

static enum tuff_status out_of_memory(struct tuff_ctx *ctx, const char *name)
{
    return tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", name);
}

static enum tuff_status read_added(struct tuff_ctx *ctx, const char *name, const json_t *json,
                                   uint64_t limit, struct tuff_tokenizer *tok)
{
    const char *text = NULL;
    int64_t id = -1;
    struct tuff_added_token token = {.normalized = true};
    TUFF_TRY(tuff_json_string(ctx, name, json, "content", &text));
    TUFF_TRY(tuff_json_int(ctx, name, json, "id", &id));
    TUFF_TRY(tuff_json_bool(ctx, name, json, "single_word", &token.single_word));
    TUFF_TRY(tuff_json_bool(ctx, name, json, "lstrip", &token.lstrip));
    TUFF_TRY(tuff_json_bool(ctx, name, json, "rstrip", &token.rstrip));
    TUFF_TRY(tuff_json_bool(ctx, name, json, "normalized", &token.normalized));
    TUFF_TRY(tuff_json_bool(ctx, name, json, "special", &token.special));
    if (!text || strlen(text) != json_string_length(json_object_get(json, "content")))
        return tuff_fail(ctx, TUFF_E_FORMAT,
                         "%s: added_tokens: each needs a \"content\" without "
                         "NUL",
                         name);
    if (!text[0])
        return TUFF_OK; /* matches nothing; Hugging Face leaves it out too */
    uint32_t known = tuff_vocab_find(&tok->vocab, text, strlen(text));
    if (known == TUFF_NO_ID)
        TUFF_TRY(tuff_model_put(ctx, name, tok, "added_tokens", text, strlen(text), id,
                                limit));
    else if (known != (uint64_t) id)
        return tuff_fail(ctx, TUFF_E_FORMAT,
                         "%s: added_tokens: \"%.60s\" has id %lld here and %lu "
                         "in the vocabulary",
                         name, text, (long long) id, (unsigned long) known);
    struct tuff_added_token *slot = TUFF_PUSH(&tok->added);
    if (!slot)
        return out_of_memory(ctx, name);
    if (known == TUFF_NO_ID)
        tok->vocab.items[id].outside = true;
    token.id = (uint32_t) id;
    token.text = tok->vocab.items[id].text;
    token.length = tok->vocab.items[id].length;
    *slot = token;
    return TUFF_OK;
}

static int by_id(const void *a, const void *b)
{
    uint32_t x = ((const struct tuff_added_token *) a)->id;
    uint32_t y = ((const struct tuff_added_token *) b)->id;
    return (x > y) - (x < y);
}

static enum tuff_status sort_added(struct tuff_ctx *ctx, const char *name, struct tuff_added *added)
{
    if (added->n)
        qsort(added->items, added->n, sizeof *added->items, by_id);
    for (size_t i = 1; i < added->n; i++)
        if (added->items[i].id == added->items[i - 1].id)
            return tuff_fail(ctx, TUFF_E_FORMAT, "%s: added_tokens: \"%.60s\" is there twice", name,
                             added->items[i].text);
    return TUFF_OK;
}

enum tuff_status tuff_tokenizer_read_parts(struct tuff_ctx *ctx, const char *name,
                                           const json_t *root, struct tuff_tokenizer *tok)
{
    static const char *const parts[] = {"version",       "truncation",     "padding", "normalizer",
                                        "pre_tokenizer", "post_processor", "decoder"};
    TUFF_TRY(tuff_normalizer_from_json(ctx, name, json_object_get(root, "normalizer"),
                                       &tok->normalizer));
    TUFF_TRY(
        tuff_pretok_from_json(ctx, name, json_object_get(root, "pre_tokenizer"), &tok->pretok));
    TUFF_TRY(tuff_post_from_json(ctx, name, root, &tok->post));
    TUFF_TRY(tuff_decoder_from_json(ctx, name, json_object_get(root, "decoder"), &tok->decoder));
    tok->parts = json_object();
    for (size_t i = 0; i < TUFF_COUNT(parts); i++) {
        json_t *part = json_object_get(root, parts[i]);
        if (json_object_set_new(tok->parts, parts[i], part ? json_incref(part) : json_null()) != 0)
            return out_of_memory(ctx, name);
    }
    return TUFF_OK;
}

/* The model's settings, in their order; what is large and the model writes itself is null. */
static json_t *settings_of(json_t *model)
{
    json_t *settings = json_object(), *value;
    const char *key;
    json_object_foreach(model, key, value)
    {
        bool large = !strcmp(key, "vocab") || !strcmp(key, "merges");
        json_object_set_new(settings, key, large ? json_null() : json_incref(value));
    }
    return settings;
}

/* Files of before the library wrote types have a BPE, or what their members tell. */
static const char *guess_model(const json_t *model)
{
    if (json_is_array(json_object_get(model, "vocab")) && !json_object_get(model, "merges"))
        return "Unigram";
    return json_object_get(model, "max_input_chars_per_word") ? "WordPiece" : "BPE";
}

/* Special tokens that the post-processor adds must be tokens. */
static enum tuff_status check_post(struct tuff_ctx *ctx, const char *name,
                                   const struct tuff_tokenizer *tok)
{
    for (int pair = 0; pair < 2; pair++)
        for (size_t i = 0; i < tok->post.templates[pair].n; i++) {
            const struct tuff_post_item *item = &tok->post.templates[pair].items[i];
            for (size_t k = 0; k < item->n_ids; k++)
                if (!tuff_tokenizer_token_text(tok, item->ids[k]))
                    return tuff_fail(ctx, TUFF_E_FORMAT,
                                     "%s: post_processor adds id %lu, which names no token", name,
                                     (unsigned long) item->ids[k]);
        }
    return TUFF_OK;
}

static enum tuff_status read_root(struct tuff_ctx *ctx, const char *name, json_t *root,
                                  struct tuff_tokenizer *tok)
{
    json_t *model = json_object_get(root, "model");
    const json_t *added = json_object_get(root, "added_tokens");
    if (json_is_null(added))
        added = NULL;
    if (!json_is_object(model))
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: no \"model\" object: not a tokenizer.json", name);
    if (added && !json_is_array(added))
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: added_tokens must be an array", name);
    TUFF_TRY(tuff_tokenizer_read_parts(ctx, name, root, tok));
    const char *type = guess_model(model);
    TUFF_TRY(tuff_json_string(ctx, name, model, "type", &type));
    tok->kind = tuff_model_of(ctx, name, type);
    if (!tok->kind)
        return TUFF_E_UNSUPPORTED;
    tok->settings = settings_of(model);
    const json_t *vocab = json_object_get(model, "vocab");
    uint64_t limit = tuff_id_limit(json_object_size(vocab) + json_array_size(vocab) +
                                   json_array_size(added));
    TUFF_TRY(tok->kind->read(ctx, name, model, limit, tok));
    for (size_t i = 0; i < json_array_size(added); i++)
        TUFF_TRY(read_added(ctx, name, json_array_get(added, i), limit, tok));
    TUFF_TRY(sort_added(ctx, name, &tok->added));
    TUFF_TRY(check_post(ctx, name, tok));
    return tuff_tokenizer_finish(ctx, name, tok);
}

enum tuff_status tuff_tokenizer_from_root(struct tuff_ctx *ctx, const char *name, json_t *root,
                                          struct tuff_tokenizer **tok)
{
    struct tuff_tokenizer *made = tuff_calloc(1, sizeof *made);
    enum tuff_status status = made ? read_root(ctx, name, root, made) : out_of_memory(ctx, name);
    json_decref(root);
    if (status != TUFF_OK) {
        tuff_tokenizer_destroy(made);
        return status;
    }
    *tok = made;
    return TUFF_OK;
}

enum tuff_status tuff_tokenizer_load_text(struct tuff_ctx *ctx, const char *name, const void *json,
                                          size_t n_bytes, struct tuff_tokenizer **tok)
{
    json_t *root;
    *tok = NULL;
    TUFF_TRY(tuff_json_parse(ctx, name, json, n_bytes, &root));
    return tuff_tokenizer_from_root(ctx, name, root, tok);
}

/* `path` itself, or the tokenizer.json in it when it is a folder. free() it. */
static char *file_at(const char *path)
{
    if (tuff_os_path_kind(path) == TUFF_PATH_DIR)
        return tuff_os_path_join(path, "tokenizer.json");
    char *copy = tuff_calloc(strlen(path) + 1, 1);
    return copy ? strcpy(copy, path) : NULL;
}

enum tuff_status tuff_tokenizer_load(struct tuff_ctx *ctx, const char *path,
                                     struct tuff_tokenizer **tok)
{
    *tok = NULL;
    char *file = file_at(path);
    if (!file)
        return out_of_memory(ctx, path);
    json_t *root = NULL;
    bool older = false;
    enum tuff_status status = TUFF_OK;
    if (tuff_os_path_kind(file) != TUFF_PATH_FILE || file[strlen(file) - 1] != 'n')
        status = tuff_files_read(ctx, path, &older, &root);
    if (status == TUFF_OK && !older)
        status = tuff_json_load(ctx, file, &root);
    if (status == TUFF_OK)
        status = tuff_tokenizer_from_root(ctx, older ? path : file, root, tok);
    free(file);
    return status;
}

static json_t *added_to_json(const struct tuff_tokenizer *tok)
{
    json_t *list = json_array();
    for (size_t i = 0; i < tok->added.n; i++) {
        const struct tuff_added_token *t = &tok->added.items[i];
        json_array_append_new(list,
                              json_pack("{s:I, s:s, s:b, s:b, s:b, s:b, s:b}", "id",
                                        (json_int_t) t->id, "content", t->text, "single_word",
                                        t->single_word, "lstrip", t->lstrip, "rstrip", t->rstrip,
                                        "normalized", t->normalized, "special", t->special));
    }
    return list;
}

json_t *tuff_tokenizer_to_root(const struct tuff_tokenizer *tok)
{
    static const char *const order[] = {"version",        "truncation", "padding",
                                        "added_tokens",   "normalizer", "pre_tokenizer",
                                        "post_processor", "decoder",    "model"};
    json_t *root = json_object(), *model = json_copy(tok->settings);
    bool good = root && model && tok->kind->write(tok, model);
    for (size_t i = 0; good && i < TUFF_COUNT(order); i++) {
        json_t *part;
        if (!strcmp(order[i], "added_tokens"))
            part = added_to_json(tok);
        else if (!strcmp(order[i], "model"))
            part = json_incref(model);
        else
            part = json_incref(json_object_get(tok->parts, order[i]));
        good = part && json_object_set_new(root, order[i], part) == 0;
    }
    json_decref(model);
    if (good)
        return root;
    json_decref(root);
    return NULL;
}

enum tuff_status tuff_tokenizer_save(struct tuff_ctx *ctx, const struct tuff_tokenizer *tok,
                                     const char *path)
{
    char *file = file_at(path);
    json_t *root = tuff_tokenizer_to_root(tok);
    enum tuff_status status =
        file && root ? tuff_json_save(ctx, file, root) : out_of_memory(ctx, path);
    json_decref(root);
    free(file);
    return status;
}
