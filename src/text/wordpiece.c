/* text/wordpiece: the model of BERT. A word is cut into the longest token it starts with, then
 * the longest token (spelled with "##") that the rest starts with, and so on; where none fits, the
 * whole word is unknown. */
#include "text/tokenizer_impl.h"
#include "text/unicode.h"

void tuff_wordpiece_fini(struct tuff_wordpiece *wordpiece)
{
    tuff_trie_fini(&wordpiece->starts);
    tuff_trie_fini(&wordpiece->goes_on);
}

static enum tuff_status read(struct tuff_ctx *ctx, const char *name, const json_t *model,
                             uint64_t limit, struct tuff_tokenizer *tok)
{
    int64_t max_chars = 100;
    const char *unk = "[UNK]", *prefix = "##";
    TUFF_TRY(tuff_json_int(ctx, name, model, "max_input_chars_per_word", &max_chars));
    TUFF_TRY(tuff_json_string(ctx, name, model, "unk_token", &unk));
    TUFF_TRY(tuff_json_string(ctx, name, model, "continuing_subword_prefix", &prefix));
    TUFF_TRY(tuff_model_read_vocab(ctx, name, model, limit, tok));
    if (max_chars < 0)
        return tuff_fail(ctx, TUFF_E_FORMAT,
                         "%s: model.max_input_chars_per_word must not be negative", name);
    tok->wordpiece.max_chars = (size_t) max_chars;
    tok->wordpiece.unk = tuff_vocab_find(&tok->vocab, unk, strlen(unk));
    if (tok->wordpiece.unk == TUFF_NO_ID)
        return tuff_fail(ctx, TUFF_E_FORMAT,
                         "%s: model.unk_token \"%.60s\" is not in the vocabulary", name, unk);
    return TUFF_OK;
}

static enum tuff_status finish(struct tuff_ctx *ctx, const char *name, struct tuff_tokenizer *tok)
{
    const char *prefix = "##";
    TUFF_TRY(tuff_json_string(ctx, name, tok->settings, "continuing_subword_prefix", &prefix));
    size_t n_prefix = strlen(prefix);
    bool good = true;
    for (size_t id = 0; id < tok->vocab.n && good; id++) {
        const struct tuff_vocab_entry *entry = &tok->vocab.items[id];
        if (!entry->length || entry->outside)
            continue;
        /* A token with the prefix can start a word that is spelled so. */
        good = tuff_trie_put(&tok->wordpiece.starts, entry->text, entry->length, (uint32_t) id);
        if (good && entry->length > n_prefix && !memcmp(entry->text, prefix, n_prefix))
            good = tuff_trie_put(&tok->wordpiece.goes_on, entry->text + n_prefix,
                                 entry->length - n_prefix, (uint32_t) id);
    }
    return good ? TUFF_OK : tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", name);
}

static bool write(const struct tuff_tokenizer *tok, json_t *model)
{
    return json_object_set_new(model, "vocab", tuff_model_vocab_to_json(tok)) == 0;
}

static size_t count_chars(const uint8_t *s, size_t n)
{
    size_t chars = 0;
    for (size_t i = 0; i < n; i++)
        chars += (s[i] & 0xc0) != 0x80;
    return chars;
}

static enum tuff_status encode(struct tuff_ctx *ctx, const struct tuff_tokenizer *tok,
                               struct tuff_model_scratch *scratch, const uint8_t *word, size_t n,
                               struct tuff_ids *ids, struct tuff_lengths *lengths)
{
    (void) scratch;
    const struct tuff_wordpiece *model = &tok->wordpiece;
    size_t n_before = ids->n, lengths_before = lengths ? lengths->n : 0;
    bool good = true, known = n <= model->max_chars || count_chars(word, n) <= model->max_chars;
    for (size_t i = 0; i < n && known && good;) {
        size_t length = 0;
        uint32_t id = tuff_trie_longest(i ? &model->goes_on : &model->starts, word + i, n - i,
                                        &length);
        known = id != TUFF_TRIE_NONE;
        if (known)
            good = tuff_model_token(ids, lengths, id, length);
        i += length;
    }
    if (!known) {
        ids->n = n_before;
        if (lengths)
            lengths->n = lengths_before;
        good = tuff_model_token(ids, lengths, model->unk, n);
    }
    return good ? TUFF_OK : tuff_fail(ctx, TUFF_E_NOMEM, "encoding: out of host memory");
}

const struct tuff_model_kind tuff_model_wordpiece = {"WordPiece", read, finish, write, encode, NULL};
