/* text/tokenizer: encoding, and the small questions. Decoding is in detokenizer.c, files in
 * tokenizer_json.c. */
#include "text/tokenizer_impl.h"
#include "text/bytelevel.h"
#include "text/unicode.h"

void tuff_ids_fini(struct tuff_ids *ids)
{
    free(ids->items);
    *ids = (struct tuff_ids){0};
}

void tuff_tokenizer_destroy(struct tuff_tokenizer *tok)
{
    if (!tok)
        return;
    tuff_vocab_fini(&tok->vocab);
    tuff_added_fini(&tok->added);
    tuff_pretok_fini(&tok->pretok);
    tuff_bpe_fini(&tok->bpe);
    json_decref(tok->parts);
    free(tok->id_flags);
    free(tok->bytes);
    free(tok->bytes_start);
    free(tok);
}

enum tuff_status tuff_tokenizer_finish(struct tuff_ctx *ctx, const char *name,
                                       struct tuff_tokenizer *tok)
{
    const struct tuff_vocab *vocab = &tok->vocab;
    size_t n_bytes = 0;
    for (size_t id = 0; id < vocab->n; id++)
        n_bytes += vocab->items[id].length;
    tok->id_flags = tuff_calloc(vocab->n, 1);
    tok->bytes = tuff_calloc(n_bytes, 1);
    tok->bytes_start = tuff_calloc(vocab->n + 1, sizeof *tok->bytes_start);
    if (!tok->id_flags || !tok->bytes || !tok->bytes_start || !tuff_added_index(&tok->added))
        return tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", name);
    for (size_t id = 0; id < vocab->n; id++) {
        size_t start = tok->bytes_start[id], length = 0;
        if (vocab->items[id].text)
            length = tuff_token_bytes(vocab->items[id].text, vocab->items[id].length,
                                      tok->bytes + start);
        tok->bytes_start[id + 1] = start + length;
    }
    for (size_t i = 0; i < tok->added.n; i++) {
        const struct tuff_added_token *token = &tok->added.items[i];
        tok->id_flags[token->id] = (uint8_t) ((token->special ? TUFF_ID_SPECIAL : 0) |
                                              (token->in_model ? 0 : TUFF_ID_NOT_IN_MODEL));
    }
    for (int byte = 0; byte < 256; byte++) {
        char text[3];
        size_t n = tuff_byte_to_utf8((uint8_t) byte, text);
        uint32_t id = tuff_vocab_find(vocab, text, n);
        if (id != TUFF_NO_ID && tok->id_flags[id] & TUFF_ID_NOT_IN_MODEL)
            id = TUFF_NO_ID;
        tok->bpe.byte_ids[byte] = id;
    }
    return TUFF_OK;
}

/* Words repeat: an entry remembers where in the output an earlier occurrence of the word went. */
struct seen_word {
    const uint8_t *word;
    size_t at;
    uint32_t length, n_ids;
};
#define SEEN_MAX_LENGTH 64

struct encoder {
    struct tuff_ctx *ctx;
    const struct tuff_tokenizer *tok;
    bool special_as_text;
    struct tuff_ids *ids;
    struct tuff_bpe_scratch scratch;
    struct tuff_arena copies; /* lives as long as `seen` points into it */
    struct seen_word *seen;
    size_t seen_mask;
};

static size_t word_hash(const uint8_t *word, size_t n)
{
    uint64_t h = n;
    for (; n >= 8; word += 8, n -= 8) {
        uint64_t v;
        memcpy(&v, word, 8);
        h = (h ^ v) * 0x9e3779b97f4a7c15u;
        h ^= h >> 32;
    }
    uint64_t v = 0;
    while (n)
        v = v << 8 | word[--n];
    h = (h ^ v) * 0x9e3779b97f4a7c15u;
    return (size_t) (h >> 32);
}

static enum tuff_status no_memory(struct tuff_ctx *ctx)
{
    return tuff_fail(ctx, TUFF_E_NOMEM, "encoding: out of host memory");
}

static enum tuff_status encode_word(void *user, const uint8_t *word, size_t n)
{
    struct encoder *e = user;
    struct tuff_ids *ids = e->ids;
    struct seen_word *seen = NULL;
    if (e->seen && n <= SEEN_MAX_LENGTH) {
        seen = &e->seen[word_hash(word, n) & e->seen_mask];
        if (seen->word && seen->length == n && !memcmp(seen->word, word, n)) {
            if (!tuff_grow((void **) &ids->items, &ids->cap, ids->n + seen->n_ids,
                           sizeof *ids->items))
                return no_memory(e->ctx);
            for (uint32_t i = 0; i < seen->n_ids; i++)
                ids->items[ids->n + i] = ids->items[seen->at + i];
            ids->n += seen->n_ids;
            return TUFF_OK;
        }
    }
    size_t at = ids->n;
    if (!tuff_bpe_word(&e->tok->bpe, &e->scratch, word, n, ids))
        return no_memory(e->ctx);
    if (seen)
        *seen = (struct seen_word){word, at, (uint32_t) n, (uint32_t) (ids->n - at)};
    return TUFF_OK;
}

static enum tuff_status put_id(struct encoder *e, uint32_t id)
{
    uint32_t *slot = TUFF_PUSH(e->ids);
    if (!slot)
        return no_memory(e->ctx);
    *slot = id;
    return TUFF_OK;
}

static enum tuff_status second_round(void *user, const uint8_t *text, size_t n,
                                     const struct tuff_added_token *token)
{
    struct encoder *e = user;
    if (token)
        return put_id(e, token->id);
    return tuff_pretok_words(e->ctx, &e->tok->pretok, &e->copies, text, n, encode_word, e);
}

static enum tuff_status first_round(void *user, const uint8_t *text, size_t n,
                                    const struct tuff_added_token *token)
{
    struct encoder *e = user;
    if (token)
        return put_id(e, token->id);
    return tuff_added_split(&e->tok->added, 1, e->special_as_text, text, n, second_round, e);
}

enum tuff_status tuff_tokenizer_encode(struct tuff_ctx *ctx, const struct tuff_tokenizer *tok,
                                       const char *text, size_t n_bytes, unsigned flags,
                                       struct tuff_ids *ids)
{
    if (n_bytes >= (size_t) 1 << 31)
        return tuff_fail(ctx, TUFF_E_RANGE,
                         "encoding: a text of %zu bytes is too long; encode it in pieces below "
                         "2 GiB",
                         n_bytes);
    struct encoder e = {
        .ctx = ctx, .tok = tok, .ids = ids, .special_as_text = flags & TUFF_ENCODE_SPECIAL_AS_TEXT};
    const uint8_t *s = (const uint8_t *) text;
    struct tuff_text clean = {0};
    size_t n_before = ids->n;
    enum tuff_status status = TUFF_OK;
    if (!tuff_utf8_is_valid(s, n_bytes)) {
        tuff_utf8_add_lossy(&clean, s, n_bytes, NULL);
        if (clean.failed)
            status = no_memory(ctx);
        s = (const uint8_t *) clean.s;
        n_bytes = clean.n;
    }
    /* About one entry for three words, up to what stays in a core's cache. */
    size_t n_seen = 256;
    while (n_seen < 16384 && n_seen * 16 < n_bytes)
        n_seen *= 2;
    if (n_bytes >= 1024 && (e.seen = tuff_calloc(n_seen, sizeof *e.seen)))
        e.seen_mask = n_seen - 1;
    if (status == TUFF_OK && n_bytes)
        status = tuff_added_split(&tok->added, 0, e.special_as_text, s, n_bytes, first_round, &e);
    if (status != TUFF_OK)
        ids->n = n_before;
    free(e.seen);
    tuff_arena_fini(&e.copies);
    tuff_bpe_scratch_fini(&e.scratch);
    tuff_text_fini(&clean);
    return status;
}

uint32_t tuff_tokenizer_vocab_size(const struct tuff_tokenizer *tok)
{
    return (uint32_t) tok->vocab.n;
}

const char *tuff_tokenizer_token_text(const struct tuff_tokenizer *tok, uint32_t id)
{
    return id < tok->vocab.n ? tok->vocab.items[id].text : NULL;
}

bool tuff_tokenizer_id_of(const struct tuff_tokenizer *tok, const char *text, uint32_t *id)
{
    uint32_t found = tuff_vocab_find(&tok->vocab, text, strlen(text));
    if (found != TUFF_NO_ID)
        *id = found;
    return found != TUFF_NO_ID;
}

bool tuff_tokenizer_is_special(const struct tuff_tokenizer *tok, uint32_t id)
{
    return id < tok->vocab.n && tok->id_flags[id] & TUFF_ID_SPECIAL;
}
