/* text/bpe_model: BPE as a component: its settings and vocabulary from and to tokenizer.json, and
 * the way from a word to the symbols that are merged. The merging itself is in bpe.c. */
#include "text/bytelevel.h"
#include "text/tokenizer_impl.h"
#include "text/unicode.h"

static enum tuff_status no_memory(struct tuff_ctx *ctx, const char *name)
{
    return tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", name);
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
                     "%s: model.merges[%zu] names \"%.*s\", which is not in the vocabulary", name, i,
                     (int) TUFF_MIN(n, (size_t) 60), text);
}

/* One merge: the joined token is a's text and b's without the prefix. */
static enum tuff_status read_merge(struct tuff_ctx *ctx, const char *name, const json_t *merge,
                                   size_t i, uint32_t rank, struct tuff_text *joined,
                                   struct tuff_tokenizer *tok)
{
    const char *part[2];
    size_t n[2], n_prefix = strlen(tok->bpe.prefix);
    uint32_t id[3];
    if (!merge_parts(merge, part, n))
        return tuff_fail(ctx, TUFF_E_FORMAT,
                         "%s: model.merges[%zu] must be \"a b\" or [\"a\", \"b\"]", name, i);
    for (size_t k = 0; k < 2; k++) {
        id[k] = tuff_vocab_find(&tok->vocab, part[k], n[k]);
        if (id[k] == TUFF_NO_ID)
            return unknown_in_merge(ctx, name, i, part[k], n[k]);
    }
    joined->n = 0;
    size_t skip = TUFF_MIN(n_prefix, n[1]);
    tuff_text_add(joined, part[0], n[0]);
    tuff_text_add(joined, part[1] + skip, n[1] - skip);
    if (joined->failed)
        return no_memory(ctx, name);
    id[2] = tuff_vocab_find(&tok->vocab, joined->s, joined->n);
    if (id[2] == TUFF_NO_ID)
        return unknown_in_merge(ctx, name, i, joined->s, joined->n);
    return tuff_bpe_put(&tok->bpe, id[0], id[1], rank, id[2]) ? TUFF_OK : no_memory(ctx, name);
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
        if (!json_is_string(merge) || strncmp(json_string_value(merge), "#version", 8) != 0)
            status = read_merge(ctx, name, merge, i, rank++, &joined, tok);
    }
    tuff_text_fini(&joined);
    return status;
}

static enum tuff_status read(struct tuff_ctx *ctx, const char *name, const json_t *model,
                             uint64_t limit, struct tuff_tokenizer *tok)
{
    struct tuff_bpe *bpe = &tok->bpe;
    const char *unk = NULL;
    bpe->prefix = bpe->suffix = "";
    TUFF_TRY(tuff_json_string(ctx, name, tok->settings, "continuing_subword_prefix", &bpe->prefix));
    TUFF_TRY(tuff_json_string(ctx, name, tok->settings, "end_of_word_suffix", &bpe->suffix));
    TUFF_TRY(tuff_json_bool(ctx, name, model, "byte_fallback", &bpe->byte_fallback));
    TUFF_TRY(tuff_json_bool(ctx, name, model, "ignore_merges", &bpe->ignore_merges));
    TUFF_TRY(tuff_json_bool(ctx, name, model, "fuse_unk", &bpe->fuse_unk));
    TUFF_TRY(tuff_json_real(ctx, name, model, "dropout", &bpe->dropout));
    TUFF_TRY(tuff_json_string(ctx, name, model, "unk_token", &unk));
    if (!(bpe->dropout >= 0 && bpe->dropout <= 1))
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: model.dropout must be from 0 to 1", name);
    TUFF_TRY(tuff_model_read_vocab(ctx, name, model, limit, tok));
    TUFF_TRY(read_merges(ctx, name, json_object_get(model, "merges"), tok));
    bpe->unk = unk ? tuff_vocab_find(&tok->vocab, unk, strlen(unk)) : TUFF_NO_ID;
    if (unk && *unk && bpe->unk == TUFF_NO_ID)
        return tuff_fail(ctx, TUFF_E_FORMAT,
                         "%s: model.unk_token \"%.60s\" is not in the vocabulary", name, unk);
    return TUFF_OK;
}

static enum tuff_status finish(struct tuff_ctx *ctx, const char *name, struct tuff_tokenizer *tok)
{
    struct tuff_bpe *bpe = &tok->bpe;
    (void) ctx, (void) name;
    /* ByteLevel as the last step spells bytes as characters, and the model takes characters. In
     * between nothing happens, so the model takes the bytes. */
    const struct tuff_pretok *pretok = &tok->pretok;
    bpe->raw_bytes = pretok->n && pretok->items[pretok->n - 1].kind == TUFF_PRETOK_BYTELEVEL &&
                     !bpe->prefix[0] && !bpe->suffix[0] && !bpe->byte_fallback;
    for (size_t i = 0; i + 1 < pretok->n; i++) /* one before spells, and the last spells what it spelled */
        bpe->raw_bytes &= pretok->items[i].kind != TUFF_PRETOK_BYTELEVEL;
    tok->pretok.raw_bytes = bpe->raw_bytes;
    for (int byte = 0; byte < 256; byte++) {
        char text[3];
        size_t n = tuff_byte_to_utf8((uint8_t) byte, text);
        bpe->byte_ids[byte] = tuff_vocab_find_model(&tok->vocab, text, n);
    }
    tuff_model_fallback_ids(tok, bpe->fallback_ids);
    return TUFF_OK;
}

static bool write(const struct tuff_tokenizer *tok, json_t *model)
{
    struct tuff_merge *merges = tuff_calloc(tok->bpe.n_merges, sizeof *merges);
    json_t *list = merges ? json_array() : NULL;
    if (merges)
        tuff_bpe_ranked(&tok->bpe, merges);
    for (size_t i = 0; merges && i < tok->bpe.n_merges; i++)
        json_array_append_new(list, json_pack("[s, s]", tok->vocab.items[merges[i].a].text,
                                              tok->vocab.items[merges[i].b].text));
    free(merges);
    return json_object_set_new(model, "vocab", tuff_model_vocab_to_json(tok)) == 0 &&
           json_object_set_new(model, "merges", list) == 0;
}

/* The symbols of a word, and what of it each stands for. */
struct symbols {
    const struct tuff_tokenizer *tok;
    struct tuff_ids *ids;
    struct tuff_lengths *lengths;
    bool has_unk; /* an unknown stretch that may grow, not yet put */
    size_t unk_length;
};

static bool put_unk(struct symbols *s)
{
    bool had = s->has_unk;
    s->has_unk = false;
    return !had || tuff_model_token(s->ids, s->lengths, s->tok->bpe.unk, s->unk_length);
}

/* A symbol without a token: its bytes' tokens, the unknown token or nothing. */
static bool put_missing(struct symbols *s, const char *text, size_t n, size_t length)
{
    const struct tuff_bpe *bpe = &s->tok->bpe;
    bool bytes = bpe->byte_fallback;
    for (size_t i = 0; i < n && bytes; i++)
        bytes = bpe->fallback_ids[(uint8_t) text[i]] != TUFF_NO_ID;
    if (bytes) {
        for (size_t i = 0; i < n; i++)
            if (!tuff_model_token(s->ids, s->lengths, bpe->fallback_ids[(uint8_t) text[i]], 1))
                return false;
        return true;
    }
    if (bpe->unk == TUFF_NO_ID)
        return true;
    if (s->has_unk && bpe->fuse_unk) {
        s->unk_length += length;
        return true;
    }
    bool good = put_unk(s);
    s->has_unk = true;
    s->unk_length = length;
    return good;
}

static bool put_symbol(struct symbols *s, const char *text, size_t n, size_t length, uint32_t id)
{
    if (id == TUFF_NO_ID)
        return put_missing(s, text, n, length);
    return put_unk(s) && tuff_model_token(s->ids, s->lengths, id, length);
}

static bool char_symbols(struct symbols *s, struct tuff_text *text, const uint8_t *word, size_t n)
{
    const struct tuff_bpe *bpe = &s->tok->bpe;
    for (size_t i = 0; i < n;) {
        size_t length = tuff_utf8_next(word + i, n - i).length;
        text->n = 0;
        if (i && bpe->prefix[0])
            tuff_text_add(text, bpe->prefix, strlen(bpe->prefix));
        tuff_text_add(text, (const char *) word + i, length);
        if (i + length == n && bpe->suffix[0])
            tuff_text_add(text, bpe->suffix, strlen(bpe->suffix));
        if (text->failed || !put_symbol(s, text->s, text->n, length,
                                        tuff_vocab_find_model(&s->tok->vocab, text->s, text->n)))
            return false;
        i += length;
    }
    return true;
}

static bool symbols_of(struct symbols *s, struct tuff_text *text, const uint8_t *word, size_t n)
{
    const struct tuff_bpe *bpe = &s->tok->bpe;
    bool good = true;
    if (!bpe->raw_bytes)
        good = char_symbols(s, text, word, n);
    for (size_t i = 0; i < n && bpe->raw_bytes && good; i++)
        good = put_symbol(s, NULL, 0, 1, bpe->byte_ids[word[i]]);
    return good && put_unk(s);
}

/* The text as the vocabulary spells it. */
static bool spell(const struct tuff_bpe *bpe, struct tuff_text *text, const uint8_t *word, size_t n)
{
    text->n = 0;
    for (size_t i = 0; i < n && bpe->raw_bytes; i++) {
        char spelled[3];
        tuff_text_add(text, spelled, tuff_byte_to_utf8(word[i], spelled));
    }
    if (!bpe->raw_bytes)
        tuff_text_add(text, (const char *) word, n);
    return !text->failed;
}

/* The longest token that the word has at i, in its place (prefix, suffix); 0: none. */
static size_t longest(const struct tuff_tokenizer *tok, struct tuff_text *text,
                      const uint8_t *word, size_t i, size_t n, uint32_t *id)
{
    const struct tuff_bpe *bpe = &tok->bpe;
    for (size_t end = TUFF_MIN(n, i + tok->longest); end > i; end--) {
        if (!bpe->raw_bytes && end < n && (word[end] & 0xc0) == 0x80)
            continue;
        struct tuff_text piece = *text;
        piece.n = 0;
        if (i)
            tuff_text_add(&piece, bpe->prefix, strlen(bpe->prefix));
        for (size_t k = i; k < end && bpe->raw_bytes; k++) {
            char spelled[3];
            tuff_text_add(&piece, spelled, tuff_byte_to_utf8(word[k], spelled));
        }
        if (!bpe->raw_bytes)
            tuff_text_add(&piece, (const char *) word + i, end - i);
        if (end == n)
            tuff_text_add(&piece, bpe->suffix, strlen(bpe->suffix));
        *text = piece;
        *id = piece.failed ? TUFF_NO_ID : tuff_vocab_find_model(&tok->vocab, piece.s, piece.n);
        if (*id != TUFF_NO_ID)
            return end - i;
    }
    return 0;
}

static bool greedy(struct symbols *s, struct tuff_text *text, const uint8_t *word, size_t n)
{
    bool good = true;
    for (size_t i = 0; i < n && good;) {
        uint32_t id = TUFF_NO_ID;
        size_t length = longest(s->tok, text, word, i, n, &id);
        if (!length)
            length = s->tok->bpe.raw_bytes ? 1 : tuff_utf8_next(word + i, n - i).length;
        good = put_symbol(s, (const char *) word + i, length, length, id);
        i += length;
    }
    return good && put_unk(s);
}

static enum tuff_status encode(struct tuff_ctx *ctx, const struct tuff_tokenizer *tok,
                               struct tuff_model_scratch *scratch, const uint8_t *word, size_t n,
                               struct tuff_ids *ids, struct tuff_lengths *lengths)
{
    const struct tuff_bpe *bpe = &tok->bpe;
    size_t ids_before = ids->n, lengths_before = lengths ? lengths->n : 0;
    bool plain = !scratch->greedy && !(scratch->dropout > 0), good;
    if (plain && bpe->raw_bytes && !bpe->ignore_merges && !lengths)
        return tuff_bpe_word(bpe, &scratch->bpe, word, n, ids) ? TUFF_OK
                                                               : no_memory(ctx, "encoding");
    if (plain && bpe->ignore_merges && n <= tok->longest) {
        if (!spell(bpe, &scratch->text, word, n))
            return no_memory(ctx, "encoding");
        uint32_t id = tuff_vocab_find_model(&tok->vocab, scratch->text.s, scratch->text.n);
        if (id != TUFF_NO_ID)
            return tuff_model_token(ids, lengths, id, n) ? TUFF_OK : no_memory(ctx, "encoding");
    }
    struct symbols s = {.tok = tok, .ids = ids, .lengths = lengths};
    if (scratch->greedy) {
        good = greedy(&s, &scratch->text, word, n);
    } else {
        good = symbols_of(&s, &scratch->text, word, n);
        size_t n_symbols = ids->n - ids_before;
        if (good && n_symbols)
            good = tuff_bpe_merge(bpe, &scratch->bpe, ids->items + ids_before,
                                  lengths ? lengths->items + lengths_before : NULL, &n_symbols,
                                  scratch->dropout, scratch->dropout > 0 ? &scratch->rng : NULL);
        ids->n = ids_before + n_symbols;
        if (lengths)
            lengths->n = lengths_before + n_symbols;
    }
    return good ? TUFF_OK : no_memory(ctx, "encoding");
}

const struct tuff_model_kind tuff_model_bpe = {"BPE", read, finish, write, encode, NULL};
