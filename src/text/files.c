/* text/files: vocabularies in the formats from before tokenizer.json, read into the tokenizer.json
 * that stands for them, and written:
 *
 *   vocab.txt                BERT: a token a line, its id the line's number
 *   vocab.json, merges.txt   GPT-2 and RoBERTa: {token: id}, and a merge a line
 *   *.model                  sentencepiece: a protocol buffer of pieces, scores and settings, in
 *                            the way of T5 and XLNet (Unigram) and Llama (BPE with byte fallback)
 *   source.spm, target.spm, vocab.json   Marian: marian_files.c */
#include "base/os.h"
#include "text/spm.h"
#include "text/tokenizer_impl.h"

static enum tuff_status no_memory(struct tuff_ctx *ctx, const char *name)
{
    return tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", name);
}

static json_t *special_token(json_int_t id, const char *text)
{
    return json_pack("{s:I, s:s, s:b, s:b, s:b, s:b, s:b}", "id", id, "content", text,
                     "single_word", 0, "lstrip", 0, "rstrip", 0, "normalized", 0, "special", 1);
}

/* The lines of a file as JSON strings, with a table of their numbers. */
static enum tuff_status read_lines(struct tuff_ctx *ctx, const char *path, json_t *vocab)
{
    struct tuff_map map;
    json_int_t number = 0;
    TUFF_TRY(tuff_os_map(ctx, path, &map));
    enum tuff_status status = TUFF_OK;
    for (size_t i = 0; i < map.size && status == TUFF_OK; number++) {
        const uint8_t *newline = memchr(map.data + i, '\n', map.size - i);
        size_t end = newline ? (size_t) (newline - map.data) : map.size, n = end - i;
        if (n && map.data[end - 1] == '\r')
            n--;
        char *text = tuff_calloc(n + 1, 1);
        if (!text) {
            status = no_memory(ctx, path);
            break;
        }
        memcpy(text, map.data + i, n);
        if (strlen(text) != n || !tuff_utf8_is_valid((uint8_t *) text, n) ||
            json_object_get(vocab, text))
            status = tuff_fail(ctx, TUFF_E_FORMAT,
                               "%s:%lld: \"%.60s\" is there twice or is not UTF-8", path,
                               (long long) number + 1, text);
        else
            json_object_set_new(vocab, text, json_integer(number));
        free(text);
        i = end + 1;
    }
    tuff_os_unmap(&map);
    return status;
}

/* A root around a model; takes all that it is given. */
static json_t *root_of(json_t *added, json_t *normalizer, json_t *pretok, json_t *post,
                       json_t *decoder, json_t *model)
{
    return json_pack("{s:s, s:n, s:n, s:o, s:o?, s:o?, s:o?, s:o?, s:o}", "version", "1.0",
                     "truncation", "padding", "added_tokens", added, "normalizer", normalizer,
                     "pre_tokenizer", pretok, "post_processor", post, "decoder", decoder, "model",
                     model);
}

static json_t *bert_post(const json_t *vocab)
{
    const json_t *cls = json_object_get(vocab, "[CLS]"), *sep = json_object_get(vocab, "[SEP]");
    if (!cls || !sep)
        return NULL;
    return json_pack("{s:s, s:[s, I], s:[s, I]}", "type", "BertProcessing", "sep", "[SEP]",
                     json_integer_value(sep), "cls", "[CLS]", json_integer_value(cls));
}

/* Whether a vocabulary is of an uncased model: no token but the special ones has a capital. */
static bool is_uncased(json_t *vocab)
{
    const char *text;
    json_t *id;
    json_object_foreach(vocab, text, id)
    {
        if (text[0] == '[')
            continue;
        for (const char *c = text; *c; c++)
            if (*c >= 'A' && *c <= 'Z')
                return false;
    }
    return true;
}

static enum tuff_status from_vocab_txt(struct tuff_ctx *ctx, const char *path, json_t **root)
{
    static const char *const special[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
    json_t *vocab = json_object(), *added = json_array();
    enum tuff_status status = read_lines(ctx, path, vocab);
    if (status != TUFF_OK) {
        json_decref(vocab);
        json_decref(added);
        return status;
    }
    for (size_t i = 0; i < TUFF_COUNT(special); i++) {
        const json_t *id = json_object_get(vocab, special[i]);
        if (id)
            json_array_append_new(added, special_token(json_integer_value(id), special[i]));
    }
    json_t *normalizer =
        json_pack("{s:s, s:b, s:b, s:n, s:b}", "type", "BertNormalizer", "clean_text", 1,
                  "handle_chinese_chars", 1, "strip_accents", "lowercase", is_uncased(vocab));
    *root = root_of(added, normalizer, json_pack("{s:s}", "type", "BertPreTokenizer"),
                    bert_post(vocab),
                    json_pack("{s:s, s:s, s:b}", "type", "WordPiece", "prefix", "##", "cleanup", 1),
                    json_pack("{s:s, s:s, s:s, s:i, s:o}", "type", "WordPiece", "unk_token",
                              "[UNK]", "continuing_subword_prefix", "##",
                              "max_input_chars_per_word", 100, "vocab", vocab));
    return *root ? TUFF_OK : no_memory(ctx, path);
}

static enum tuff_status read_merge_lines(struct tuff_ctx *ctx, const char *path, json_t *merges)
{
    struct tuff_map map;
    TUFF_TRY(tuff_os_map(ctx, path, &map));
    enum tuff_status status = TUFF_OK;
    for (size_t i = 0; i < map.size && status == TUFF_OK;) {
        const uint8_t *newline = memchr(map.data + i, '\n', map.size - i);
        size_t end = newline ? (size_t) (newline - map.data) : map.size, n = end - i;
        if (n && map.data[end - 1] == '\r')
            n--;
        bool comment = n >= 8 && !memcmp(map.data + i, "#version", 8);
        json_t *line = n && !comment ? json_stringn((const char *) map.data + i, n) : NULL;
        if (line)
            json_array_append_new(merges, line);
        else if (n && !comment)
            status = tuff_fail(ctx, TUFF_E_FORMAT, "%s: line at byte %zu is not UTF-8", path, i);
        i = end + 1;
    }
    tuff_os_unmap(&map);
    return status;
}

/* GPT-2's and RoBERTa's way: byte-level, or of characters where tokens end in </w>. */
static enum tuff_status from_vocab_json(struct tuff_ctx *ctx, const char *vocab_path,
                                        const char *merges_path, json_t **root)
{
    static const char *const special[] = {"<|endoftext|>", "<s>",    "</s>",
                                          "<pad>",         "<unk>", "<mask>"};
    json_t *vocab = NULL, *merges = json_array(), *added = json_array();
    enum tuff_status status = tuff_json_load(ctx, vocab_path, &vocab);
    if (status == TUFF_OK && !json_is_object(vocab))
        status = tuff_fail(ctx, TUFF_E_FORMAT, "%s: not an object of tokens", vocab_path);
    if (status == TUFF_OK)
        status = read_merge_lines(ctx, merges_path, merges);
    if (status != TUFF_OK) {
        json_decref(vocab);
        json_decref(merges);
        json_decref(added);
        return status;
    }
    bool ends = false;
    const char *text;
    json_t *id;
    json_object_foreach(vocab, text, id)
    {
        size_t n = strlen(text);
        ends |= n > 4 && !strcmp(text + n - 4, "</w>");
    }
    for (size_t i = 0; i < TUFF_COUNT(special); i++)
        if (json_is_integer(json_object_get(vocab, special[i])))
            json_array_append_new(
                added, special_token(json_integer_value(json_object_get(vocab, special[i])),
                                     special[i]));
    json_t *level = json_pack("{s:s, s:b, s:b, s:b}", "type", "ByteLevel", "add_prefix_space", 0,
                              "trim_offsets", 1, "use_regex", 1);
    json_t *model = json_pack(
        "{s:s, s:n, s:s?, s:n, s:s?, s:b, s:b, s:b, s:o, s:o}", "type", "BPE", "dropout",
        "unk_token", ends && json_object_get(vocab, "<unk>") ? "<unk>" : NULL,
        "continuing_subword_prefix", "end_of_word_suffix", ends ? "</w>" : NULL, "fuse_unk", 0,
        "byte_fallback", 0, "ignore_merges", 0, "vocab", vocab, "merges", merges);
    if (ends)
        *root = root_of(added,
                        json_pack("{s:s, s:b, s:b, s:n, s:b}", "type", "BertNormalizer",
                                  "clean_text", 1, "handle_chinese_chars", 1, "strip_accents",
                                  "lowercase", 1),
                        json_pack("{s:s}", "type", "BertPreTokenizer"), NULL,
                        json_pack("{s:s, s:s}", "type", "BPEDecoder", "suffix", "</w>"), model);
    else
        *root = root_of(added, NULL, json_incref(level), NULL, json_incref(level), model);
    json_decref(level);
    return *root ? TUFF_OK : no_memory(ctx, vocab_path);
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), n_end = strlen(end);
    return n >= n_end && !strcmp(text + n - n_end, end);
}

static bool is_file(const char *folder, const char *name, char **path)
{
    *path = tuff_os_path_join(folder, name);
    if (*path && tuff_os_path_kind(*path) == TUFF_PATH_FILE)
        return true;
    free(*path);
    *path = NULL;
    return false;
}

/* A folder without tokenizer.json: the first of the older formats that is there. */
static enum tuff_status from_folder(struct tuff_ctx *ctx, const char *folder, json_t **root)
{
    static const char *const models[] = {"tokenizer.model", "spiece.model", "sentencepiece.bpe.model"};
    char *path = NULL, *merges = NULL;
    enum tuff_status status = TUFF_E_IO;
    bool found = false;
    for (size_t i = 0; i < TUFF_COUNT(models) && !found; i++)
        if ((found = is_file(folder, models[i], &path)))
            status = tuff_spm_read(ctx, path, root);
    if (!found && is_file(folder, "source.spm", &path)) {
        found = true;
        status = tuff_marian_read(ctx, folder, root);
    }
    if (!found && is_file(folder, "vocab.json", &path)) {
        found = true;
        merges = tuff_os_path_join(folder, "merges.txt");
        status = merges ? from_vocab_json(ctx, path, merges, root) : no_memory(ctx, folder);
    }
    if (!found && is_file(folder, "vocab.txt", &path)) {
        found = true;
        status = from_vocab_txt(ctx, path, root);
    }
    free(path);
    free(merges);
    if (!found)
        return tuff_fail(ctx, TUFF_E_IO,
                         "%s: no tokenizer.json there, nor tokenizer.model, spiece.model, "
                         "source.spm with vocab.json, vocab.json with merges.txt, vocab.txt",
                         folder);
    return status;
}

enum tuff_status tuff_files_read(struct tuff_ctx *ctx, const char *path, bool *known, json_t **root)
{
    *root = NULL;
    *known = true;
    if (tuff_os_path_kind(path) == TUFF_PATH_DIR)
        return from_folder(ctx, path, root);
    if (ends_with(path, ".txt"))
        return from_vocab_txt(ctx, path, root);
    if (ends_with(path, ".model"))
        return tuff_spm_read(ctx, path, root);
    *known = false;
    return TUFF_OK;
}

/* ---- writing ---- */

static enum tuff_status write_text(struct tuff_ctx *ctx, const char *folder, const char *name,
                                   struct tuff_text *text)
{
    char *path = tuff_os_path_join(folder, name);
    tuff_text_add(text, "", 0);
    enum tuff_status status = path && !text->failed
                                  ? tuff_os_write_file(ctx, path, text->s, text->n)
                                  : no_memory(ctx, folder);
    free(path);
    tuff_text_fini(text);
    return status;
}

static enum tuff_status write_vocab_txt(struct tuff_ctx *ctx, const struct tuff_tokenizer *tok,
                                        const char *folder)
{
    struct tuff_text text = {0};
    for (size_t id = 0; id < tok->vocab.n; id++) {
        const struct tuff_vocab_entry *entry = &tok->vocab.items[id];
        if (!entry->text || strchr(entry->text, '\n')) {
            tuff_text_fini(&text);
            return tuff_fail(ctx, TUFF_E_UNSUPPORTED,
                             "%s: vocab.txt has a line for every id, and id %zu has no token or "
                             "one with a newline",
                             folder, id);
        }
        tuff_text_printf(&text, "%s\n", entry->text);
    }
    return write_text(ctx, folder, "vocab.txt", &text);
}

static enum tuff_status write_vocab_json(struct tuff_ctx *ctx, const struct tuff_tokenizer *tok,
                                         const char *folder)
{
    struct tuff_text merges = {0};
    struct tuff_merge *ranked = tuff_calloc(tok->bpe.n_merges + 1, sizeof *ranked);
    json_t *vocab = tuff_model_vocab_to_json(tok);
    char *path = tuff_os_path_join(folder, "vocab.json");
    enum tuff_status status =
        ranked && vocab && path ? tuff_json_save(ctx, path, vocab) : no_memory(ctx, folder);
    if (ranked)
        tuff_bpe_ranked(&tok->bpe, ranked);
    tuff_text_printf(&merges, "#version: 0.2\n");
    for (size_t i = 0; ranked && i < tok->bpe.n_merges; i++)
        tuff_text_printf(&merges, "%s %s\n", tok->vocab.items[ranked[i].a].text,
                         tok->vocab.items[ranked[i].b].text);
    if (status == TUFF_OK)
        status = write_text(ctx, folder, "merges.txt", &merges);
    else
        tuff_text_fini(&merges);
    free(ranked);
    free(path);
    json_decref(vocab);
    return status;
}

enum tuff_status tuff_tokenizer_save_vocab(struct tuff_ctx *ctx, const struct tuff_tokenizer *tok,
                                           const char *folder)
{
    if (tok->kind == &tuff_model_wordpiece)
        return write_vocab_txt(ctx, tok, folder);
    if (tok->kind == &tuff_model_bpe)
        return write_vocab_json(ctx, tok, folder);
    if (tok->kind == &tuff_model_marian)
        return tuff_fail(ctx, TUFF_E_UNSUPPORTED,
                         "%s: Marian's vocabulary is three files, source.spm, target.spm and "
                         "vocab.json, of which target.spm is not kept: copy them",
                         folder);
    return tuff_spm_write(ctx, tok, folder);
}
