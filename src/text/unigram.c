/* text/unigram: the model of sentencepiece, T5 and XLM-R (Kudo 2018, arXiv:1804.10959). Every token
 * has a log-probability; a word is cut so that their sum is greatest. Viterbi's algorithm finds
 * that cut: the best way to reach a place is the best, over the tokens that end there, of the best
 * way to where the token starts plus the token. */
#include "text/lattice.h"
#include "text/tokenizer_impl.h"
#include "text/unicode.h"

void tuff_unigram_fini(struct tuff_unigram *unigram)
{
    tuff_trie_fini(&unigram->trie);
    free(unigram->scores);
}

static enum tuff_status read_pieces(struct tuff_ctx *ctx, const char *name, const json_t *pieces,
                                    uint64_t limit, struct tuff_tokenizer *tok)
{
    size_t n = json_array_size(pieces);
    tok->unigram.scores = tuff_calloc(n + 1, sizeof *tok->unigram.scores);
    if (!tok->unigram.scores)
        return tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", name);
    tok->unigram.n = n;
    for (size_t i = 0; i < n; i++) {
        const json_t *piece = json_array_get(pieces, i);
        const json_t *text = json_array_get(piece, 0), *score = json_array_get(piece, 1);
        const char *s = json_string_value(text);
        if (!s || !json_is_number(score) || strlen(s) != json_string_length(text))
            return tuff_fail(ctx, TUFF_E_FORMAT,
                             "%s: model.vocab[%zu] must be [text without NUL, score]", name, i);
        TUFF_TRY(tuff_model_put(ctx, name, tok, "model.vocab", s, strlen(s), (int64_t) i, limit));
        tok->unigram.scores[i] = json_number_value(score);
    }
    return TUFF_OK;
}

static enum tuff_status read(struct tuff_ctx *ctx, const char *name, const json_t *model,
                             uint64_t limit, struct tuff_tokenizer *tok)
{
    const json_t *pieces = json_object_get(model, "vocab");
    int64_t unk = -1;
    if (!json_is_array(pieces))
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: model.vocab must be an array", name);
    TUFF_TRY(tuff_json_int(ctx, name, model, "unk_id", &unk));
    if (unk < -1 || unk >= (int64_t) json_array_size(pieces))
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: model.unk_id is %lld in a vocabulary of %zu",
                         name, (long long) unk, json_array_size(pieces));
    tok->unigram.unk = unk < 0 ? TUFF_NO_ID : (uint32_t) unk;
    TUFF_TRY(tuff_json_bool(ctx, name, model, "byte_fallback", &tok->unigram.byte_fallback));
    return read_pieces(ctx, name, pieces, limit, tok);
}

static enum tuff_status finish(struct tuff_ctx *ctx, const char *name, struct tuff_tokenizer *tok)
{
    struct tuff_unigram *u = &tok->unigram;
    double least = u->n ? u->scores[0] : 0;
    for (size_t id = 0; id < u->n; id++) {
        const struct tuff_vocab_entry *entry = &tok->vocab.items[id];
        least = TUFF_MIN(least, u->scores[id]);
        if (entry->length && !tuff_trie_put(&u->trie, entry->text, entry->length, (uint32_t) id))
            return tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", name);
    }
    u->unk_score = least - TUFF_UNK_PENALTY;
    tuff_model_fallback_ids(tok, u->fallback_ids);
    return TUFF_OK;
}

static bool write(const struct tuff_tokenizer *tok, json_t *model)
{
    json_t *pieces = json_array();
    for (size_t id = 0; id < tok->unigram.n; id++)
        json_array_append_new(pieces, json_pack("[s, f]", tok->vocab.items[id].text,
                                                tok->unigram.scores[id]));
    return json_object_set_new(model, "vocab", pieces) == 0;
}

static double sum(const struct tuff_unigram *u, double a, double b)
{
    return u->single ? (double) (float) (a + b) : a + b;
}

static enum tuff_status viterbi(struct tuff_ctx *ctx, const struct tuff_unigram *u,
                                struct tuff_path_node *path, const uint8_t *word, size_t n)
{
    for (size_t i = 0; i <= n; i++)
        path[i].id = TUFF_NO_ID;
    path[0].score = 0;
    for (size_t i = 0; i < n;) {
        size_t length = tuff_utf8_next(word + i, n - i).length;
        double here = path[i].score;
        bool has_char = false;
        uint32_t node = 0;
        for (size_t end = i; end < n;) {
            node = tuff_trie_step(&u->trie, node, word[end++]);
            if (node == TUFF_TRIE_NONE)
                break;
            uint32_t id = u->trie.values[node];
            if (id == TUFF_TRIE_NONE)
                continue;
            has_char |= end == i + length;
            double score = sum(u, here, u->scores[id]);
            if (path[end].id == TUFF_NO_ID || score > path[end].score)
                path[end] = (struct tuff_path_node){score, (uint32_t) i, id};
        }
        struct tuff_path_node *after = &path[i + length];
        double unknown = sum(u, here, u->unk_score);
        if (!has_char && (after->id == TUFF_NO_ID || unknown > after->score)) {
            if (u->unk == TUFF_NO_ID)
                return tuff_fail(ctx, TUFF_E_ARG,
                                 "encoding: a character that the vocabulary lacks, and it has no "
                                 "unknown token");
            *after = (struct tuff_path_node){unknown, (uint32_t) i, u->unk};
        }
        i += length;
    }
    return TUFF_OK;
}

/* One token of the path; characters unknown become their bytes where these have tokens. */
static bool put(const struct tuff_unigram *u, uint32_t id, const uint8_t *word, size_t from,
                size_t to, struct tuff_ids *ids, struct tuff_lengths *lengths)
{
    bool bytes = id == u->unk && u->byte_fallback;
    for (size_t i = from; i < to && bytes; i++)
        bytes = u->fallback_ids[word[i]] != TUFF_NO_ID;
    if (!bytes)
        return tuff_model_token(ids, lengths, id, to - from);
    /* Each byte's token stands for the whole stretch: the last one carries its length, and the
     * encoder widens the others (length 0) to it. */
    for (size_t i = from; i < to; i++)
        if (!tuff_model_token(ids, lengths, u->fallback_ids[word[i]], i + 1 < to ? 0 : to - from))
            return false;
    return true;
}

enum tuff_status tuff_unigram_cut(struct tuff_ctx *ctx, const struct tuff_unigram *u,
                                  struct tuff_model_scratch *scratch, const uint8_t *word, size_t n)
{
    bool good = tuff_grow((void **) &scratch->path, &scratch->path_cap, n + 1,
                          sizeof *scratch->path);
    struct tuff_path_node *path = scratch->path;
    if (good && scratch->samples) {
        TUFF_TRY(tuff_lattice_sample_path(ctx, u, scratch, word, n, path));
    } else if (good) {
        TUFF_TRY(viterbi(ctx, u, path, word, n));
    }
    struct tuff_lengths *ends = &scratch->ends;
    ends->n = 0;
    for (size_t end = n; good && end > 0;) {
        uint32_t *slot = TUFF_PUSH(ends);
        uint32_t id = path[end].id;
        good = slot != NULL;
        if (good)
            *slot = (uint32_t) end;
        do
            end = path[end].from;
        while (end > 0 && id == u->unk && path[end].id == id);
    }
    return good ? TUFF_OK : tuff_fail(ctx, TUFF_E_NOMEM, "encoding: out of host memory");
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
        good = put(u, scratch->path[to].id, word, from, to, ids, lengths);
        from = to;
    }
    return good ? TUFF_OK : tuff_fail(ctx, TUFF_E_NOMEM, "encoding: out of host memory");
}

const struct tuff_model_kind tuff_model_unigram = {"Unigram", read, finish, write, encode, NULL};
