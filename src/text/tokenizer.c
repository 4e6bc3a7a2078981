/* text/tokenizer: what a tokenizer is made of, and the small questions. Encoding is in encode.c,
 * decoding in detokenizer.c, files in tokenizer_json.c. */
#include "text/bytelevel.h"
#include "text/tokenizer_impl.h"

void tuff_ids_fini(struct tuff_ids *ids)
{
    free(ids->items);
    *ids = (struct tuff_ids){0};
}

void tuff_tokenizer_destroy(struct tuff_tokenizer *tok)
{
    if (!tok)
        return;
    tuff_added_fini(&tok->added);
    tuff_vocab_fini(&tok->vocab);
    tuff_normalizer_fini(&tok->normalizer);
    tuff_pretok_fini(&tok->pretok);
    tuff_bpe_fini(&tok->bpe);
    tuff_wordpiece_fini(&tok->wordpiece);
    tuff_unigram_fini(&tok->unigram);
    free(tok->marian.ids);
    tuff_post_fini(&tok->post);
    tuff_decoder_fini(&tok->decoder);
    json_decref(tok->parts);
    json_decref(tok->settings);
    free(tok->is_special);
    free(tok->is_skipped);
    free(tok->added_index);
    free(tok->bytes);
    free(tok->bytes_start);
    free(tok);
}

/* Tokens with the flag `normalized` are looked for in normalized text, in their own normalized
 * form. */
static enum tuff_status normalize_added(struct tuff_ctx *ctx, const char *name,
                                        struct tuff_tokenizer *tok)
{
    struct tuff_normal buffers[2] = {{0}, {0}};
    enum tuff_status status = TUFF_OK;
    for (size_t i = 0; i < tok->added.n && status == TUFF_OK; i++) {
        struct tuff_added_token *token = &tok->added.items[i];
        token->match = token->text;
        token->n_match = token->length;
        if (!token->normalized || !tok->normalizer.n || !token->length)
            continue;
        struct tuff_piece in = {(const uint8_t *) token->text, token->length, NULL, 0}, out;
        status = tuff_normalizer_run(ctx, &tok->normalizer, &in, buffers, &out);
        char *copy = status == TUFF_OK ? tuff_calloc(out.n + 1, 1) : NULL;
        if (!copy) {
            status = status != TUFF_OK
                         ? status
                         : tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", name);
            break;
        }
        memcpy(copy, out.s, out.n);
        token->match = copy;
        token->n_match = out.n;
    }
    tuff_normal_fini(&buffers[0]);
    tuff_normal_fini(&buffers[1]);
    return status;
}

const char *tuff_tokenizer_shown(const struct tuff_tokenizer *tok, uint32_t id, size_t *n)
{
    if (tok->added_index[id]) {
        const struct tuff_added_token *token = &tok->added.items[tok->added_index[id] - 1];
        *n = token->n_match;
        return token->match;
    }
    *n = tok->vocab.items[id].length;
    return tok->vocab.items[id].text;
}

/* What every token's bytes are to a ByteLevel decoder. */
static bool spell_bytes(struct tuff_tokenizer *tok)
{
    size_t n_bytes = 0, n;
    for (uint32_t id = 0; id < tok->vocab.n; id++)
        if (tok->vocab.items[id].text) {
            tuff_tokenizer_shown(tok, id, &n);
            n_bytes += n;
        }
    tok->bytes = tuff_calloc(n_bytes, 1);
    tok->bytes_start = tuff_calloc(tok->vocab.n + 1, sizeof *tok->bytes_start);
    for (uint32_t id = 0; tok->bytes && tok->bytes_start && id < tok->vocab.n; id++) {
        size_t start = tok->bytes_start[id], length = 0;
        if (tok->vocab.items[id].text) {
            const char *text = tuff_tokenizer_shown(tok, id, &n);
            length = tuff_token_bytes(text, n, tok->bytes + start);
        }
        tok->bytes_start[id + 1] = start + length;
    }
    return tok->bytes && tok->bytes_start;
}

static void look_at_words(struct tuff_tokenizer *tok)
{
    tok->makes_copies = tok->normalizer.n > 0;
    for (size_t i = 0; i < tok->pretok.n; i++) {
        const struct tuff_pretok_step *step = &tok->pretok.items[i];
        if (step->kind == TUFF_PRETOK_METASPACE)
            tok->makes_copies = true;
        if (step->kind == TUFF_PRETOK_BYTELEVEL)
            tok->makes_copies |= step->add_prefix_space || !tok->pretok.raw_bytes;
        /* Whether a piece is the text's first is seen from its place, which normalizers and other
         * steps can only keep by following it. */
        if (step->kind == TUFF_PRETOK_METASPACE && step->scheme == TUFF_PREPEND_FIRST)
            tok->needs_places |= tok->normalizer.n > 0 || i > 0;
    }
}

enum tuff_status tuff_tokenizer_finish(struct tuff_ctx *ctx, const char *name,
                                       struct tuff_tokenizer *tok)
{
    const struct tuff_vocab *vocab = &tok->vocab;
    TUFF_TRY(normalize_added(ctx, name, tok));
    tok->is_special = tuff_calloc(vocab->n, 1);
    tok->is_skipped = tuff_calloc(vocab->n, 1);
    tok->added_index = tuff_calloc(vocab->n, sizeof *tok->added_index);
    if (!tok->is_special || !tok->is_skipped || !tok->added_index || !tuff_added_index(&tok->added))
        return tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", name);
    for (size_t id = 0; id < vocab->n; id++)
        tok->longest = TUFF_MAX(tok->longest, (size_t) vocab->items[id].length);
    for (size_t i = 0; i < tok->added.n; i++) {
        const struct tuff_added_token *token = &tok->added.items[i];
        tok->is_special[token->id] = token->special;
        tok->is_skipped[token->id] = token->special && token->n_match == token->length &&
                                     !memcmp(token->match, token->text, token->length);
        tok->added_index[token->id] = (uint32_t) i + 1;
    }
    if (tok->decoder.byte_level && !spell_bytes(tok))
        return tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", name);
    if (tok->kind->finish)
        TUFF_TRY(tok->kind->finish(ctx, name, tok));
    look_at_words(tok);
    return TUFF_OK;
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
    return id < tok->vocab.n && tok->is_special[id];
}
