/* text/marian: Marian's model and decoder, as MarianTokenizer of transformers has them. A Unigram
 * model (source.spm) cuts a text into pieces, and a vocabulary of its own (vocab.json) numbers them:
 * pieces it lacks are <unk>, one each. What a row of unknown characters spells is looked up too,
 * since the vocabulary holds the target language's pieces as well. A text may start with the
 * language it goes to, ">>de<<", which is one token as it stands.
 *
 * In a tokenizer.json, which only Tuff reads: "pieces": [[text, score, type], ...] as in source.spm,
 * "unk_id": the unknown one of them, "unk_token" and "vocab". */
#include "text/decoder_step.h"
#include "text/spm.h"
#include "text/unicode.h"

static bool is_there(const struct tuff_trie *trie, const char *s, size_t n)
{
    size_t length = 0;
    return trie->n_nodes &&
           tuff_trie_longest(trie, (const uint8_t *) s, n, &length) != TUFF_TRIE_NONE && length == n;
}

/* Normal pieces and unused ones are the model's; of these the normal ones are found in texts. */
static enum tuff_status read_pieces(struct tuff_ctx *ctx, const char *name, const json_t *pieces,
                                    struct tuff_tokenizer *tok)
{
    struct tuff_unigram *u = &tok->unigram;
    double least = 0;
    bool any = false;
    u->n = json_array_size(pieces);
    u->scores = tuff_calloc(u->n + 1, sizeof *u->scores);
    tok->marian.ids = tuff_calloc(u->n + 1, sizeof *tok->marian.ids);
    if (!u->scores || !tok->marian.ids)
        return tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", name);
    for (size_t i = 0; i < u->n; i++) {
        const json_t *piece = json_array_get(pieces, i), *text = json_array_get(piece, 0);
        const json_t *score = json_array_get(piece, 1);
        const char *s = json_string_value(text);
        size_t n = json_string_length(text);
        if (!n || !json_is_number(score))
            return tuff_fail(ctx, TUFF_E_FORMAT,
                             "%s: model.pieces[%zu] must be [text, score, type]", name, i);
        u->scores[i] = (float) json_number_value(score);
        tok->marian.ids[i] = tuff_vocab_find_model(&tok->vocab, s, n);
        if (json_integer_value(json_array_get(piece, 2)) != TUFF_SPM_NORMAL)
            continue;
        if (is_there(&u->trie, s, n))
            return tuff_fail(ctx, TUFF_E_FORMAT, "%s: the piece \"%.60s\" is there twice", name, s);
        if (!tuff_trie_put(&u->trie, s, n, (uint32_t) i))
            return tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", name);
        least = any ? TUFF_MIN(least, u->scores[i]) : u->scores[i];
        any = true;
    }
    u->unk_score = (float) (least - TUFF_UNK_PENALTY);
    return TUFF_OK;
}

static enum tuff_status read(struct tuff_ctx *ctx, const char *name, const json_t *model,
                             uint64_t limit, struct tuff_tokenizer *tok)
{
    const json_t *pieces = json_object_get(model, "pieces");
    const char *unk = "<unk>";
    int64_t unk_id = -1;
    TUFF_TRY(tuff_json_int(ctx, name, model, "unk_id", &unk_id));
    TUFF_TRY(tuff_json_string(ctx, name, model, "unk_token", &unk));
    if (!json_is_array(pieces) || unk_id < 0 || unk_id >= (int64_t) json_array_size(pieces))
        return tuff_fail(ctx, TUFF_E_FORMAT,
                         "%s: model Marian needs \"pieces\", an array, and \"unk_id\", one of them",
                         name);
    TUFF_TRY(tuff_model_read_vocab(ctx, name, model, limit, tok));
    tok->marian.unk = tuff_vocab_find_model(&tok->vocab, unk, strlen(unk));
    if (tok->marian.unk == TUFF_NO_ID)
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: the unknown token \"%.60s\" is not in the "
                         "vocabulary", name, unk);
    tok->unigram.unk = (uint32_t) unk_id;
    tok->unigram.single = true;
    return read_pieces(ctx, name, pieces, tok);
}

static bool write(const struct tuff_tokenizer *tok, json_t *model)
{
    return json_object_set_new(model, "vocab", tuff_model_vocab_to_json(tok)) == 0;
}

static enum tuff_status encode(struct tuff_ctx *ctx, const struct tuff_tokenizer *tok,
                               struct tuff_model_scratch *scratch, const uint8_t *word, size_t n,
                               struct tuff_ids *ids, struct tuff_lengths *lengths)
{
    const struct tuff_unigram *u = &tok->unigram;
    bool good = true;
    TUFF_TRY(tuff_unigram_cut(ctx, u, scratch, word, n));
    for (size_t from = 0, i = scratch->ends.n; good && i > 0; i--) {
        size_t to = scratch->ends.items[i - 1];
        uint32_t piece = scratch->path[to].id;
        uint32_t id = piece == u->unk
                          ? tuff_vocab_find_model(&tok->vocab, word + from, to - from)
                          : tok->marian.ids[piece];
        good = tuff_model_token(ids, lengths, id == TUFF_NO_ID ? tok->marian.unk : id, to - from);
        from = to;
    }
    return good ? TUFF_OK : tuff_fail(ctx, TUFF_E_NOMEM, "encoding: out of host memory");
}

/* ">>...<<", known or not. */
static size_t head(const struct tuff_tokenizer *tok, const uint8_t *text, size_t n, uint32_t *id)
{
    if (n < 4 || memcmp(text, ">>", 2) != 0)
        return 0;
    size_t end = 4;
    while (end <= n && memcmp(text + end - 2, "<<", 2) != 0)
        end++;
    if (end > n)
        return 0;
    *id = tuff_vocab_find_model(&tok->vocab, text, end);
    if (*id == TUFF_NO_ID)
        *id = tok->marian.unk;
    return end;
}

const struct tuff_model_kind tuff_model_marian = {"Marian", read, NULL, write, encode, head};

/* ---- decoding ---- */

/* Gives text on without the blanks at the ends of all. */
static enum tuff_status give_trimmed(struct tuff_decoding *d, size_t at, const char *text, size_t n)
{
    struct tuff_decode_state *state = &d->states[at];
    struct tuff_text *held = &state->held;
    size_t end = 0; /* of the last character that is no blank */
    size_t start = n;
    for (size_t i = 0; i < n;) {
        struct tuff_utf8 c = tuff_utf8_next((const uint8_t *) text + i, n - i);
        if (!tuff_char_is_space(c.cp)) {
            start = TUFF_MIN(start, i);
            end = i + c.length;
        }
        i += c.length;
    }
    if (state->begun)
        start = 0;
    if (end) {
        tuff_text_add(held, text + start, end - start);
        if (!held->failed)
            TUFF_TRY(tuff_decoding_give(d, at + 1, held->s, held->n));
        held->n = 0;
        state->begun = true;
    }
    if (state->begun)
        tuff_text_add(held, text + end, n - end);
    return held->failed ? tuff_fail(d->ctx, TUFF_E_NOMEM, "decoding: out of host memory") : TUFF_OK;
}

/* Rows of pieces between special tokens: the sign of a blank that starts one vanishes. A special
 * token, where it is shown, has a blank after it. <s> is sentencepiece's control piece. */
enum tuff_status tuff_decode_marian(struct tuff_decoding *d, size_t at, const char *text, size_t n)
{
    static const char *const special[] = {"</s>", "<unk>", "<pad>"}, sign[] = "\xe2\x96\x81";
    struct tuff_decode_state *state = &d->states[at];
    struct tuff_text made = {0};
    if (n == 3 && !memcmp(text, "<s>", 3))
        return TUFF_OK;
    for (size_t i = 0; i < TUFF_COUNT(special); i++)
        if (n == strlen(special[i]) && !memcmp(text, special[i], n)) {
            state->in_run = false;
            TUFF_TRY(give_trimmed(d, at, text, n));
            return give_trimmed(d, at, " ", 1);
        }
    size_t i = !state->in_run && n >= 3 && !memcmp(text, sign, 3) ? 3 : 0;
    for (; i < n; i++) {
        bool blank = n - i >= 3 && !memcmp(text + i, sign, 3);
        tuff_text_add(&made, blank ? " " : text + i, 1);
        i += blank ? 2 : 0;
    }
    state->in_run |= made.n > 0;
    enum tuff_status status = made.failed
                                  ? tuff_fail(d->ctx, TUFF_E_NOMEM, "decoding: out of host memory")
                                  : give_trimmed(d, at, made.s ? made.s : "", made.n);
    tuff_text_fini(&made);
    return status;
}
