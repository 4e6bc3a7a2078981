/* text/tokenizer_json: Hugging Face's tokenizer.json, read and written. Each component's type is
 * looked at, and one that is not built here is refused by name: a tokenizer that is almost right
 * is worse than none. */
#include "text/tokenizer_impl.h"
#include "base/os.h"

#define MAX_STEPS 16

static enum tuff_status out_of_memory(struct tuff_ctx *ctx, const char *name)
{
    return tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", name);
}

static const json_t *member(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_null(value) ? NULL : value;
}

/* The member's value must be absent, null, false, "" or 0: what switches the thing off. */
static enum tuff_status must_be_off(struct tuff_ctx *ctx, const char *name, const char *where,
                                    const json_t *object, const char *key)
{
    const json_t *value = member(object, key);
    if (!value || json_is_false(value) || (json_is_string(value) && !json_string_length(value)) ||
        (json_is_number(value) && json_number_value(value) == 0))
        return TUFF_OK;
    const char *type = json_string_value(json_object_get(value, "type"));
    return tuff_fail(ctx, TUFF_E_UNSUPPORTED, "%s: %s%s%s%s is not supported", name, where, key,
                     type ? " " : "", type ? type : "");
}

/* The "type" of a component; "" is none given. */
static enum tuff_status type_of(struct tuff_ctx *ctx, const char *name, const char *what,
                                const json_t *json, const char **type)
{
    *type = json_string_value(json_object_get(json, "type"));
    return *type ? TUFF_OK
                 : tuff_fail(ctx, TUFF_E_FORMAT, "%s: %s must be an object with a \"type\"", name,
                             what);
}

static enum tuff_status read_split(struct tuff_ctx *ctx, const char *name, const json_t *json,
                                   struct tuff_pretok_step *step)
{
    const char *behavior = NULL;
    TUFF_TRY(tuff_json_string(ctx, name, json, "behavior", &behavior));
    TUFF_TRY(tuff_json_bool(ctx, name, json, "invert", &step->invert));
    if (!behavior || (strcmp(behavior, "Isolated") && strcmp(behavior, "Removed")))
        return tuff_fail(ctx, TUFF_E_UNSUPPORTED,
                         "%s: Split behavior \"%s\" is not supported "
                         "(Isolated, Removed are)",
                         name, behavior ? behavior : "");
    step->remove = !strcmp(behavior, "Removed");
    const json_t *pattern = json_object_get(json, "pattern");
    const json_t *regex = json_object_get(pattern, "Regex");
    const json_t *text = regex ? regex : json_object_get(pattern, "String");
    if (!json_is_string(text))
        return tuff_fail(ctx, TUFF_E_FORMAT,
                         "%s: Split needs \"pattern\": {\"Regex\": ...} or {\"String\": ...}",
                         name);
    if (regex && !strcmp(json_string_value(regex), tuff_gpt2_pattern))
        return TUFF_OK;
    return tuff_regex_compile(ctx, name, json_string_value(text), json_string_length(text), !regex,
                              &step->regex);
}

static enum tuff_status read_step(struct tuff_ctx *ctx, const char *name, const json_t *json,
                                  struct tuff_pretok *pretok)
{
    const char *type;
    TUFF_TRY(type_of(ctx, name, "pre_tokenizer", json, &type));
    struct tuff_pretok_step *step = TUFF_PUSH(pretok);
    if (!step)
        return out_of_memory(ctx, name);
    if (!strcmp(type, "Split")) {
        step->kind = TUFF_PRETOK_SPLIT;
        return read_split(ctx, name, json, step);
    }
    if (strcmp(type, "ByteLevel"))
        return tuff_fail(ctx, TUFF_E_UNSUPPORTED,
                         "%s: pre_tokenizer %s is not supported "
                         "(ByteLevel, and a Sequence of Split and ByteLevel are)",
                         name, type);
    step->kind = TUFF_PRETOK_BYTELEVEL;
    step->use_regex = true;
    TUFF_TRY(tuff_json_bool(ctx, name, json, "add_prefix_space", &step->add_prefix_space));
    return tuff_json_bool(ctx, name, json, "use_regex", &step->use_regex);
}

enum tuff_status tuff_pretok_from_json(struct tuff_ctx *ctx, const char *name, const json_t *json,
                                       struct tuff_pretok *pretok)
{
    if (!json || json_is_null(json))
        return tuff_fail(ctx, TUFF_E_UNSUPPORTED,
                         "%s: no pre_tokenizer; byte-level BPE needs ByteLevel", name);
    const char *type;
    TUFF_TRY(type_of(ctx, name, "pre_tokenizer", json, &type));
    if (strcmp(type, "Sequence")) {
        TUFF_TRY(read_step(ctx, name, json, pretok));
    } else {
        const json_t *list = json_object_get(json, "pretokenizers");
        size_t n = json_array_size(list);
        if (n > MAX_STEPS)
            return tuff_fail(ctx, TUFF_E_UNSUPPORTED,
                             "%s: %zu pre-tokenizers in a row (at most %d)", name, n, MAX_STEPS);
        for (size_t i = 0; i < n; i++)
            TUFF_TRY(read_step(ctx, name, json_array_get(list, i), pretok));
    }
    for (size_t i = 0; i < pretok->n || !pretok->n; i++) {
        bool last = i + 1 >= pretok->n;
        if (!pretok->n || last != (pretok->items[i].kind == TUFF_PRETOK_BYTELEVEL))
            return tuff_fail(ctx, TUFF_E_UNSUPPORTED,
                             "%s: pre_tokenizer must end with its only ByteLevel", name);
    }
    return TUFF_OK;
}

static enum tuff_status put_token(struct tuff_ctx *ctx, const char *name,
                                  struct tuff_tokenizer *tok, const char *where, const char *text,
                                  size_t n, int64_t id, uint64_t limit)
{
    if (id < 0 || (uint64_t) id >= limit)
        return tuff_fail(ctx, TUFF_E_FORMAT,
                         "%s: %s: token \"%.60s\" has id %lld, far outside "
                         "the vocabulary",
                         name, where, text, (long long) id);
    enum tuff_status status = tuff_vocab_put(&tok->vocab, text, n, (uint32_t) id);
    if (status == TUFF_E_NOMEM)
        return out_of_memory(ctx, name);
    if (status != TUFF_OK)
        return tuff_fail(ctx, TUFF_E_FORMAT,
                         "%s: %s: token \"%.60s\" with id %lld: text or id "
                         "is there twice",
                         name, where, text, (long long) id);
    return TUFF_OK;
}

static enum tuff_status read_vocab(struct tuff_ctx *ctx, const char *name, json_t *vocab,
                                   uint64_t limit, struct tuff_tokenizer *tok)
{
    if (!json_is_object(vocab))
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: model.vocab must be an object", name);
    const char *text;
    json_t *id;
    json_object_foreach(vocab, text, id)
    {
        if (!json_is_integer(id))
            return tuff_fail(ctx, TUFF_E_FORMAT,
                             "%s: model.vocab: the id of \"%.60s\" must be an "
                             "integer",
                             name, text);
        TUFF_TRY(put_token(ctx, name, tok, "model.vocab", text, strlen(text),
                           json_integer_value(id), limit));
    }
    return TUFF_OK;
}

/* "a b" or ["a", "b"]. */
static bool merge_parts(const json_t *json, const char *part[2], size_t n[2])
{
    if (json_is_string(json)) {
        const char *text = json_string_value(json), *end = text + json_string_length(json);
        const char *blank = memchr(text, ' ', (size_t) (end - text));
        if (!blank || memchr(blank + 1, ' ', (size_t) (end - blank - 1)))
            return false;
        part[0] = text;
        n[0] = (size_t) (blank - text);
        part[1] = blank + 1;
        n[1] = (size_t) (end - blank - 1);
        return true;
    }
    for (size_t k = 0; k < 2; k++) {
        const json_t *text = json_array_get(json, k);
        part[k] = json_string_value(text);
        n[k] = json_string_length(text);
    }
    return json_array_size(json) == 2 && part[0] && part[1];
}

static enum tuff_status unknown_in_merge(struct tuff_ctx *ctx, const char *name, size_t i,
                                         const char *text, size_t n)
{
    return tuff_fail(ctx, TUFF_E_FORMAT,
                     "%s: model.merges[%zu] names \"%.*s\", which is not in "
                     "the vocabulary",
                     name, i, (int) TUFF_MIN(n, (size_t) 60), text);
}

static enum tuff_status read_merges(struct tuff_ctx *ctx, const char *name, const json_t *merges,
                                    struct tuff_tokenizer *tok)
{
    if (!json_is_array(merges) || json_array_size(merges) >= UINT32_MAX)
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: model.merges must be an array", name);
    struct tuff_text joined = {0};
    enum tuff_status status = TUFF_OK;
    uint32_t rank = 0;
    for (size_t i = 0; i < json_array_size(merges) && status == TUFF_OK; i++) {
        const json_t *merge = json_array_get(merges, i);
        const char *part[2];
        size_t n[2];
        if (json_is_string(merge) && !strncmp(json_string_value(merge), "#version", 8))
            continue;
        if (!merge_parts(merge, part, n)) {
            status = tuff_fail(ctx, TUFF_E_FORMAT,
                               "%s: model.merges[%zu] must be \"a b\" or "
                               "[\"a\", \"b\"]",
                               name, i);
            break;
        }
        joined.n = 0;
        uint32_t id[3];
        for (size_t k = 0; k < 2; k++) {
            id[k] = tuff_vocab_find(&tok->vocab, part[k], n[k]);
            tuff_text_add(&joined, part[k], n[k]);
        }
        if (joined.failed) {
            status = out_of_memory(ctx, name);
            break;
        }
        id[2] = tuff_vocab_find(&tok->vocab, joined.s, joined.n);
        if (id[0] == TUFF_NO_ID || id[1] == TUFF_NO_ID) {
            size_t k = id[0] != TUFF_NO_ID;
            status = unknown_in_merge(ctx, name, i, part[k], n[k]);
        } else if (id[2] == TUFF_NO_ID) {
            status = unknown_in_merge(ctx, name, i, joined.s, joined.n);
        } else if (!tuff_bpe_put(&tok->bpe, id[0], id[1], rank++, id[2])) {
            status = out_of_memory(ctx, name);
        }
    }
    tuff_text_fini(&joined);
    return status;
}

static enum tuff_status read_model(struct tuff_ctx *ctx, const char *name, const json_t *model,
                                   uint64_t limit, struct tuff_tokenizer *tok)
{
    static const char *const off[] = {"dropout", "continuing_subword_prefix", "end_of_word_suffix",
                                      "byte_fallback", "ignore_merges"};
    const char *type = "BPE", *unk = NULL;
    TUFF_TRY(tuff_json_string(ctx, name, model, "type", &type));
    if (strcmp(type, "BPE"))
        return tuff_fail(ctx, TUFF_E_UNSUPPORTED, "%s: model %s is not supported (BPE is)", name,
                         type);
    for (size_t i = 0; i < TUFF_COUNT(off); i++)
        TUFF_TRY(must_be_off(ctx, name, "model.", model, off[i]));
    TUFF_TRY(tuff_json_bool(ctx, name, model, "fuse_unk", &tok->bpe.fuse_unk));
    TUFF_TRY(tuff_json_string(ctx, name, model, "unk_token", &unk));
    TUFF_TRY(read_vocab(ctx, name, json_object_get(model, "vocab"), limit, tok));
    TUFF_TRY(read_merges(ctx, name, json_object_get(model, "merges"), tok));
    tok->bpe.unk = unk ? tuff_vocab_find(&tok->vocab, unk, strlen(unk)) : TUFF_NO_ID;
    if (unk && tok->bpe.unk == TUFF_NO_ID)
        return tuff_fail(ctx, TUFF_E_FORMAT,
                         "%s: model.unk_token \"%.60s\" is not in the "
                         "vocabulary",
                         name, unk);
    return TUFF_OK;
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
    token.in_model = known != TUFF_NO_ID;
    if (!token.in_model)
        TUFF_TRY(put_token(ctx, name, tok, "added_tokens", text, strlen(text), id, limit));
    else if (known != (uint64_t) id)
        return tuff_fail(ctx, TUFF_E_FORMAT,
                         "%s: added_tokens: \"%.60s\" has id %lld here and %lu "
                         "in the vocabulary",
                         name, text, (long long) id, (unsigned long) known);
    struct tuff_added_token *slot = TUFF_PUSH(&tok->added);
    if (!slot)
        return out_of_memory(ctx, name);
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

static enum tuff_status read_decoder(struct tuff_ctx *ctx, const char *name, const json_t *root)
{
    const char *type;
    const json_t *decoder = member(root, "decoder"), *post = member(root, "post_processor");
    if (!decoder)
        return tuff_fail(ctx, TUFF_E_UNSUPPORTED, "%s: no decoder; byte-level BPE needs ByteLevel",
                         name);
    TUFF_TRY(type_of(ctx, name, "decoder", decoder, &type));
    if (strcmp(type, "ByteLevel"))
        return tuff_fail(ctx, TUFF_E_UNSUPPORTED, "%s: decoder %s is not supported (ByteLevel is)",
                         name, type);
    if (!post)
        return TUFF_OK;
    TUFF_TRY(type_of(ctx, name, "post_processor", post, &type));
    if (strcmp(type, "ByteLevel"))
        return tuff_fail(ctx, TUFF_E_UNSUPPORTED,
                         "%s: post_processor %s is not supported "
                         "(ByteLevel and none are)",
                         name, type);
    return TUFF_OK;
}

static enum tuff_status read_root(struct tuff_ctx *ctx, const char *name, json_t *root,
                                  struct tuff_tokenizer *tok)
{
    static const char *const off[] = {"truncation", "padding", "normalizer"};
    static const char *const parts[] = {"version",       "truncation",     "padding", "normalizer",
                                        "pre_tokenizer", "post_processor", "decoder"};
    const json_t *model = json_object_get(root, "model");
    const json_t *added = member(root, "added_tokens");
    if (!json_is_object(model))
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: no \"model\" object: not a tokenizer.json", name);
    if (added && !json_is_array(added))
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: added_tokens must be an array", name);
    for (size_t i = 0; i < TUFF_COUNT(off); i++)
        TUFF_TRY(must_be_off(ctx, name, "", root, off[i]));
    TUFF_TRY(read_decoder(ctx, name, root));
    TUFF_TRY(
        tuff_pretok_from_json(ctx, name, json_object_get(root, "pre_tokenizer"), &tok->pretok));
    uint64_t limit =
        tuff_id_limit(json_object_size(json_object_get(model, "vocab")) + json_array_size(added));
    TUFF_TRY(read_model(ctx, name, model, limit, tok));
    for (size_t i = 0; i < json_array_size(added); i++)
        TUFF_TRY(read_added(ctx, name, json_array_get(added, i), limit, tok));
    TUFF_TRY(sort_added(ctx, name, &tok->added));
    tok->parts = json_object();
    for (size_t i = 0; i < TUFF_COUNT(parts); i++) {
        json_t *part = json_object_get(root, parts[i]);
        if (json_object_set_new(tok->parts, parts[i], part ? json_incref(part) : json_null()) != 0)
            return out_of_memory(ctx, name);
    }
    return tuff_tokenizer_finish(ctx, name, tok);
}

static enum tuff_status from_root(struct tuff_ctx *ctx, const char *name, json_t *root,
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
    return from_root(ctx, name, root, tok);
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
    json_t *root;
    enum tuff_status status = tuff_json_load(ctx, file, &root);
    if (status == TUFF_OK)
        status = from_root(ctx, file, root, tok);
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

static json_t *merges_to_json(const struct tuff_tokenizer *tok)
{
    struct tuff_merge *merges = tuff_calloc(tok->bpe.n_merges, sizeof *merges);
    json_t *list = merges ? json_array() : NULL;
    if (merges)
        tuff_bpe_ranked(&tok->bpe, merges);
    for (size_t i = 0; merges && i < tok->bpe.n_merges; i++)
        json_array_append_new(list, json_pack("[s, s]", tok->vocab.items[merges[i].a].text,
                                              tok->vocab.items[merges[i].b].text));
    free(merges);
    return list;
}

static json_t *model_to_json(const struct tuff_tokenizer *tok)
{
    json_t *vocab = json_object();
    for (size_t id = 0; id < tok->vocab.n; id++)
        if (tok->vocab.items[id].text && !(tok->id_flags[id] & TUFF_ID_NOT_IN_MODEL))
            json_object_set_new(vocab, tok->vocab.items[id].text, json_integer((json_int_t) id));
    const char *unk = tok->bpe.unk == TUFF_NO_ID ? NULL : tok->vocab.items[tok->bpe.unk].text;
    return json_pack("{s:s, s:n, s:s?, s:n, s:n, s:b, s:b, s:b, s:o, s:o}", "type", "BPE",
                     "dropout", "unk_token", unk, "continuing_subword_prefix", "end_of_word_suffix",
                     "fuse_unk", tok->bpe.fuse_unk, "byte_fallback", 0, "ignore_merges", 0, "vocab",
                     vocab, "merges", merges_to_json(tok));
}

enum tuff_status tuff_tokenizer_save(struct tuff_ctx *ctx, const struct tuff_tokenizer *tok,
                                     const char *path)
{
    static const char *const order[] = {"version",        "truncation", "padding",
                                        "added_tokens",   "normalizer", "pre_tokenizer",
                                        "post_processor", "decoder",    "model"};
    char *file = file_at(path);
    json_t *root = json_object();
    bool good = file && root;
    for (size_t i = 0; good && i < TUFF_COUNT(order); i++) {
        json_t *part;
        if (!strcmp(order[i], "added_tokens"))
            part = added_to_json(tok);
        else if (!strcmp(order[i], "model"))
            part = model_to_json(tok);
        else
            part = json_incref(json_object_get(tok->parts, order[i]));
        good = part && json_object_set_new(root, order[i], part) == 0;
    }
    enum tuff_status status = good ? tuff_json_save(ctx, file, root) : out_of_memory(ctx, path);
    json_decref(root);
    free(file);
    return status;
}
