/* text/encode: see encode.h. Texts without added tokens, normalizer and copies, as GPT-2's, run
 * through on pointers into the text itself; what else there is to know about a token is made only
 * when it is asked for. */
#include "text/encode.h"
#include "text/tokenizer_impl.h"

/* Words repeat: an entry remembers where in the output an earlier occurrence of the word went. */
struct tuff_seen_word {
    const uint8_t *word;
    size_t at;
    uint32_t length, n_ids;
};
#define SEEN_MAX_LENGTH 64

void tuff_encoder_fini(struct tuff_encoder *e)
{
    tuff_model_scratch_fini(&e->scratch);
    tuff_ids_fini(&e->word_ids);
    free(e->lengths.items);
    tuff_normal_fini(&e->buffers[0]);
    tuff_normal_fini(&e->buffers[1]);
    tuff_arena_fini(&e->copies);
    free(e->seen);
}

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

static enum tuff_status no_memory(struct tuff_encoder *e)
{
    return tuff_fail(e->ctx, TUFF_E_NOMEM, "encoding: out of host memory");
}

/* Ids alone: a word met before is copied from the output. */
static enum tuff_status put_word(void *user, const struct tuff_piece *piece)
{
    struct tuff_encoder *e = user;
    struct tuff_ids *ids = e->ids;
    const uint8_t *word = piece->s;
    size_t n = piece->n;
    struct tuff_seen_word *seen = NULL;
    if (e->seen_mask && n <= SEEN_MAX_LENGTH) {
        seen = &e->seen[word_hash(word, n) & e->seen_mask];
        if (seen->word && seen->length == n && !memcmp(seen->word, word, n)) {
            if (!tuff_grow((void **) &ids->items, &ids->cap, ids->n + seen->n_ids,
                           sizeof *ids->items))
                return no_memory(e);
            for (uint32_t i = 0; i < seen->n_ids; i++)
                ids->items[ids->n + i] = ids->items[seen->at + i];
            ids->n += seen->n_ids;
            return TUFF_OK;
        }
    }
    size_t at = ids->n;
    TUFF_TRY(e->tok->kind->encode(e->ctx, e->tok, &e->scratch, word, n, ids, NULL));
    if (!seen)
        return TUFF_OK;
    if (e->tok->makes_copies) { /* the word will be gone */
        uint8_t *copy = tuff_arena_alloc(&e->copies, n);
        if (!copy)
            return no_memory(e);
        memcpy(copy, word, n);
        word = copy;
    }
    *seen = (struct tuff_seen_word){word, at, (uint32_t) n, (uint32_t) (ids->n - at)};
    return TUFF_OK;
}

/* Blanks, or the sign for one, that a text starts or ends with: what trimming leaves out. */
static void count_blanks(const uint8_t *s, size_t n, struct tuff_row *row)
{
    size_t i = 0, run = 0, chars = 0;
    while (i < n) {
        struct tuff_utf8 c = tuff_utf8_next(s + i, n - i);
        bool blank = c.cp == 0x120 || tuff_char_is_space(c.cp);
        i += c.length;
        run = blank ? run + 1 : 0;
        chars++;
        if (run == chars)
            row->lead = (uint32_t) run;
    }
    row->trail = (uint32_t) run;
}

static enum tuff_status put_rows(void *user, const struct tuff_piece *word)
{
    struct tuff_encoder *e = user;
    e->word_ids.n = e->lengths.n = 0;
    TUFF_TRY(e->tok->kind->encode(e->ctx, e->tok, &e->scratch, word->s, word->n, &e->word_ids,
                                  &e->lengths));
    size_t from = 0;
    for (size_t i = 0; i < e->word_ids.n; i++) {
        struct tuff_row *row = TUFF_PUSH(e->rows);
        if (!row)
            return no_memory(e);
        /* Length 0: shares the place of the next one that has a length. */
        size_t last = i;
        while (!e->lengths.items[last] && last + 1 < e->lengths.n)
            last++;
        from = TUFF_MIN(from, word->n - 1);
        size_t to = TUFF_MIN(from + TUFF_MAX(e->lengths.items[last], 1u), word->n);
        row->id = e->word_ids.items[i];
        row->word = e->n_words;
        row->range = tuff_piece_range(word, from, to);
        if (e->tok->post.trim) {
            const struct tuff_vocab_entry *entry = &e->tok->vocab.items[row->id];
            if (e->tok->kind == &tuff_model_unigram && row->id == e->tok->unigram.unk)
                count_blanks(word->s + from, to - from, row); /* the text it stands for */
            else
                count_blanks((const uint8_t *) entry->text, entry->length, row);
        }
        from += e->lengths.items[i];
    }
    e->n_words++;
    return TUFF_OK;
}

/* A token that is a stretch of the text as it stands. */
static enum tuff_status put_whole(struct tuff_encoder *e, const struct tuff_piece *piece,
                                  const uint8_t *text, size_t n, uint32_t id)
{
    if (!e->rows) {
        uint32_t *slot = TUFF_PUSH(e->ids);
        if (!slot)
            return no_memory(e);
        *slot = id;
        return TUFF_OK;
    }
    struct tuff_row *row = TUFF_PUSH(e->rows);
    if (!row)
        return no_memory(e);
    size_t from = (size_t) (text - piece->s);
    *row = (struct tuff_row){.id = id, .word = e->n_words++};
    row->range = tuff_piece_range(piece, from, from + TUFF_MAX(n, (size_t) 1));
    count_blanks(text, n, row);
    return TUFF_OK;
}

/* A piece of text on its way through a round of looking for added tokens. */
struct round {
    struct tuff_encoder *e;
    const struct tuff_piece *piece;
};

static enum tuff_status second_round(void *user, const uint8_t *text, size_t n,
                                     const struct tuff_added_token *token)
{
    struct round *r = user;
    struct tuff_encoder *e = r->e;
    if (token)
        return put_whole(e, r->piece, text, n, token->id);
    size_t from = (size_t) (text - r->piece->s);
    struct tuff_piece part = tuff_piece_slice(r->piece, from, from + n);
    return tuff_pretok_words(e->ctx, &e->tok->pretok, e->tracked, &part,
                             e->rows ? put_rows : put_word, e);
}

static enum tuff_status first_round(void *user, const uint8_t *text, size_t n,
                                    const struct tuff_added_token *token)
{
    struct round *r = user;
    struct tuff_encoder *e = r->e;
    if (token)
        return put_whole(e, r->piece, text, n, token->id);
    uint32_t id = 0;
    size_t head = e->tok->kind->head ? e->tok->kind->head(e->tok, text, n, &id) : 0;
    if (head)
        TUFF_TRY(put_whole(e, r->piece, text, head, id));
    if (head == n)
        return TUFF_OK;
    size_t from = (size_t) (text - r->piece->s);
    struct tuff_piece part = tuff_piece_slice(r->piece, from + head, from + n), normal;
    TUFF_TRY(tuff_normalizer_run(e->ctx, &e->tok->normalizer, &part, e->buffers, &normal));
    struct round next = {e, &normal};
    if (!normal.n)
        return TUFF_OK;
    return tuff_added_split(&e->tok->added, 1, e->special_as_text, normal.s, normal.n, second_round,
                            &next);
}

/* Valid UTF-8 out of any bytes; each byte knows where it was. */
static void clean(struct tuff_normal *out, const uint8_t *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        struct tuff_utf8 c = tuff_utf8_next(s + i, n - i);
        struct tuff_range range = {(uint32_t) i, (uint32_t) (i + c.length)};
        if (c.kind == TUFF_UTF8_VALID)
            tuff_normal_add(out, s + i, c.length, range);
        else
            tuff_normal_add(out, "\xef\xbf\xbd", 3, range);
        i += c.length;
    }
}

/* A table of about one entry for three words, up to what stays in a core's cache. What is random
 * is not remembered. */
static void prepare_seen(struct tuff_encoder *e, size_t n_bytes)
{
    size_t n = 256;
    while (n < 16384 && n * 16 < n_bytes)
        n *= 2;
    e->seen_mask = 0;
    if (n_bytes < 1024 || e->rows || e->scratch.dropout > 0 || e->scratch.samples)
        return;
    if (n > e->seen_size) {
        free(e->seen);
        e->seen = tuff_calloc(n, sizeof *e->seen);
        e->seen_size = e->seen ? n : 0;
    } else {
        memset(e->seen, 0, n * sizeof *e->seen);
    }
    e->seen_mask = e->seen ? n - 1 : 0;
}

static enum tuff_status run(struct tuff_encoder *e, const char *text, size_t n_bytes)
{
    const uint8_t *s = (const uint8_t *) text;
    struct tuff_piece whole = {s, n_bytes, NULL, 0};
    struct tuff_normal valid = {0};
    if (n_bytes >= (size_t) 1 << 31)
        return tuff_fail(e->ctx, TUFF_E_RANGE,
                         "encoding: a text of %zu bytes is too long; encode it in pieces below "
                         "2 GiB",
                         n_bytes);
    if (!n_bytes)
        return TUFF_OK;
    e->tracked = e->rows || e->tok->needs_places;
    if (!tuff_utf8_is_valid(s, n_bytes)) {
        valid.tracked = e->tracked;
        clean(&valid, s, n_bytes);
        whole = tuff_normal_piece(&valid, &whole);
    }
    e->buffers[0].tracked = e->buffers[1].tracked = e->tracked;
    e->n_words = 0;
    prepare_seen(e, n_bytes);
    struct round first = {e, &whole};
    enum tuff_status status =
        valid.failed ? no_memory(e)
                     : tuff_added_split(&e->tok->added, 0, e->special_as_text, whole.s, whole.n,
                                        first_round, &first);
    tuff_normal_fini(&valid);
    tuff_arena_fini(&e->copies);
    return status;
}

enum tuff_status tuff_encoder_ids(struct tuff_encoder *e, const char *text, size_t n,
                                  struct tuff_ids *ids)
{
    size_t n_before = ids->n;
    e->ids = ids;
    e->rows = NULL;
    enum tuff_status status = run(e, text, n);
    if (status != TUFF_OK)
        ids->n = n_before;
    return status;
}

enum tuff_status tuff_encoder_rows(struct tuff_encoder *e, const char *text, size_t n,
                                   struct tuff_rows *rows)
{
    rows->text = (const uint8_t *) text;
    rows->n_bytes = n;
    e->rows = rows;
    return run(e, text, n);
}

void tuff_encoder_init(struct tuff_encoder *e, struct tuff_ctx *ctx,
                       const struct tuff_tokenizer *tok, unsigned flags)
{
    *e = (struct tuff_encoder){.ctx = ctx, .tok = tok};
    e->special_as_text = flags & TUFF_ENCODE_SPECIAL_AS_TEXT;
    e->scratch.greedy = flags & TUFF_ENCODE_GREEDY;
    e->scratch.dropout = tok->bpe.dropout;
    if (e->scratch.dropout > 0)
        tuff_rng_init(&e->scratch.rng, 0, 0);
}

enum tuff_status tuff_tokenizer_encode(struct tuff_ctx *ctx, const struct tuff_tokenizer *tok,
                                       const char *text, size_t n_bytes, unsigned flags,
                                       struct tuff_ids *ids)
{
    struct tuff_encoder e;
    const struct tuff_post_template *t = &tok->post.templates[0];
    size_t n_before = ids->n;
    bool adds = flags & TUFF_ENCODE_ADD_SPECIAL, had_text = false;
    enum tuff_status status = TUFF_OK;
    tuff_encoder_init(&e, ctx, tok, flags);
    for (size_t i = 0; i < t->n && status == TUFF_OK; i++) {
        for (size_t k = 0; k < t->items[i].n_ids && adds && status == TUFF_OK; k++) {
            uint32_t *slot = TUFF_PUSH(ids);
            if (!slot)
                status = no_memory(&e);
            else
                *slot = t->items[i].ids[k];
        }
        if (t->items[i].sequence == 0 && status == TUFF_OK && (adds || !had_text)) {
            status = tuff_encoder_ids(&e, text, n_bytes, ids);
            had_text = true;
        }
    }
    if (status != TUFF_OK)
        ids->n = n_before;
    tuff_encoder_fini(&e);
    return status;
}
