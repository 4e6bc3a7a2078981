/* text/marian_files: Marian's folders as the hub has them, read into the tokenizer.json that stands
 * for them (marian.c): source.spm, a Unigram model with its normalizer; vocab.json, the ids, of both
 * languages; target.spm, which cuts texts of the target language and decodes only where the two
 * languages have vocabularies of their own. Those, and pieces that sentencepiece treats in ways of
 * their own, are refused. */
#include "base/os.h"
#include "text/spm.h"

static enum tuff_status no_memory(struct tuff_ctx *ctx, const char *name)
{
    return tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", name);
}

static enum tuff_status check_source(struct tuff_ctx *ctx, const char *name,
                                     const struct tuff_spm *source)
{
    if (source->type != 1)
        return tuff_fail(ctx, TUFF_E_UNSUPPORTED,
                         "%s: a BPE model; of Marian's those of type Unigram are supported", name);
    for (size_t i = 0; i < json_array_size(source->pieces); i++) {
        const json_t *piece = json_array_get(source->pieces, i);
        json_int_t type = json_integer_value(json_array_get(piece, 2));
        if (type == TUFF_SPM_USER || type == TUFF_SPM_BYTE)
            return tuff_fail(ctx, TUFF_E_UNSUPPORTED,
                             "%s: piece \"%.60s\" is %s, which is not supported", name,
                             json_string_value(json_array_get(piece, 0)),
                             type == TUFF_SPM_USER ? "defined by the user" : "a byte");
    }
    return TUFF_OK;
}

static enum tuff_status check_vocab(struct tuff_ctx *ctx, const char *name, json_t *vocab)
{
    static const char *const needed[] = {"<unk>", "</s>"};
    const char *text;
    json_t *id;
    if (!json_is_object(vocab))
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: not an object of tokens", name);
    json_object_foreach(vocab, text, id)
    {
        if (!json_is_integer(id))
            return tuff_fail(ctx, TUFF_E_FORMAT, "%s: the id of \"%.60s\" must be an integer", name,
                             text);
    }
    for (size_t i = 0; i < TUFF_COUNT(needed); i++)
        if (!json_object_get(vocab, needed[i]))
            return tuff_fail(ctx, TUFF_E_FORMAT, "%s: lacks the token %s", name, needed[i]);
    return TUFF_OK;
}

static void replace(json_t *list, const char *kind, const char *what, const char *by)
{
    json_array_append_new(list, json_pack("{s:s, s:{s:s}, s:s}", "type", "Replace", "pattern", kind,
                                          what, "content", by));
}

/* As sentencepiece does it: rules, blanks at the start go and rows of them are one, a sign takes each
 * one's place, and signs at the end go, which may be the text's own. */
static json_t *normalizer_of(const struct tuff_spm *source)
{
    static const char sign[] = "\xe2\x96\x81";
    json_t *list = json_array();
    if (source->charsmap)
        json_array_append_new(list, json_pack("{s:s, s:s, s:b}", "type", "Precompiled",
                                              "precompiled_charsmap", source->charsmap, "longest",
                                              1));
    if (source->one_blank) {
        replace(list, "Regex", "\\A +", "");
        replace(list, "Regex", " {2,}", " ");
    }
    if (source->prefix)
        json_array_append_new(list, json_pack("{s:s, s:s}", "type", "Prepend", "prepend", sign));
    replace(list, "String", " ", sign);
    if (source->one_blank)
        replace(list, "Regex", "(?:\xe2\x96\x81)+\\z", "");
    return json_pack("{s:s, s:o}", "type", "Sequence", "normalizers", list);
}

/* The text, or both of a pair, and </s>. */
static json_t *post_of(json_int_t end)
{
    json_t *eos = json_pack("{s:{s:s, s:i}}", "SpecialToken", "id", "</s>", "type_id", 0);
    json_t *a = json_pack("{s:{s:s, s:i}}", "Sequence", "id", "A", "type_id", 0);
    json_t *b = json_pack("{s:{s:s, s:i}}", "Sequence", "id", "B", "type_id", 0);
    json_t *post = json_pack("{s:s, s:[O, O], s:[O, O, O], s:{s:{s:s, s:[I], s:[s]}}}", "type",
                             "TemplateProcessing", "single", a, eos, "pair", a, b, eos,
                             "special_tokens", "</s>", "id", "</s>", "ids", end, "tokens", "</s>");
    json_decref(eos);
    json_decref(a);
    json_decref(b);
    return post;
}

static json_t *added_of(const json_t *vocab)
{
    static const char *const special[] = {"</s>", "<unk>", "<pad>"};
    json_t *added = json_array();
    for (size_t i = 0; i < TUFF_COUNT(special); i++) {
        const json_t *id = json_object_get(vocab, special[i]);
        if (id)
            json_array_append_new(
                added, json_pack("{s:I, s:s, s:b, s:b, s:b, s:b, s:b}", "id", json_integer_value(id),
                                 "content", special[i], "single_word", 0, "lstrip", 0, "rstrip", 0,
                                 "normalized", 0, "special", 1));
    }
    return added;
}

enum tuff_status tuff_marian_root(struct tuff_ctx *ctx, const char *spm_name,
                                  const struct tuff_spm *source, const char *vocab_name,
                                  json_t *vocab, json_t **root)
{
    enum tuff_status status = check_source(ctx, spm_name, source);
    if (status == TUFF_OK)
        status = check_vocab(ctx, vocab_name, vocab);
    if (status == TUFF_OK) {
        *root = json_pack("{s:s, s:n, s:n, s:o, s:o, s:n, s:o, s:{s:s}, "
                          "s:{s:s, s:I, s:s, s:O, s:O}}",
                          "version", "1.0", "truncation", "padding", "added_tokens",
                          added_of(vocab), "normalizer", normalizer_of(source), "pre_tokenizer",
                          "post_processor",
                          post_of(json_integer_value(json_object_get(vocab, "</s>"))), "decoder",
                          "type", "Marian", "model", "type", "Marian", "unk_id",
                          (json_int_t) source->unk, "unk_token", "<unk>", "pieces", source->pieces,
                          "vocab", vocab);
        status = *root ? TUFF_OK : no_memory(ctx, vocab_name);
    }
    json_decref(vocab);
    return status;
}

/* vocab.json holds the target language's tokens as well, unless tokenizer_config.json says so. */
static enum tuff_status check_config(struct tuff_ctx *ctx, const char *folder)
{
    char *path = tuff_os_path_join(folder, "tokenizer_config.json");
    json_t *config = NULL;
    bool separate = false;
    enum tuff_status status = path ? TUFF_OK : no_memory(ctx, folder);
    if (path && tuff_os_path_kind(path) == TUFF_PATH_FILE) {
        status = tuff_json_load(ctx, path, &config);
        if (status == TUFF_OK)
            status = tuff_json_bool(ctx, path, config, "separate_vocabs", &separate);
        if (status == TUFF_OK && separate)
            status = tuff_fail(ctx, TUFF_E_UNSUPPORTED,
                               "%s: separate_vocabs: vocabularies of their own for source and "
                               "target are not supported",
                               path);
    }
    json_decref(config);
    free(path);
    return status;
}

enum tuff_status tuff_marian_read(struct tuff_ctx *ctx, const char *folder, json_t **root)
{
    char *spm_path = tuff_os_path_join(folder, "source.spm");
    char *vocab_path = tuff_os_path_join(folder, "vocab.json");
    struct tuff_spm source = {0};
    json_t *vocab = NULL;
    *root = NULL;
    enum tuff_status status = spm_path && vocab_path ? check_config(ctx, folder)
                                                     : no_memory(ctx, folder);
    if (status == TUFF_OK)
        status = tuff_spm_load(ctx, spm_path, &source);
    if (status == TUFF_OK)
        status = tuff_json_load(ctx, vocab_path, &vocab);
    if (status == TUFF_OK)
        status = tuff_marian_root(ctx, spm_path, &source, vocab_path, vocab, root);
    tuff_spm_fini(&source);
    free(spm_path);
    free(vocab_path);
    return status;
}
