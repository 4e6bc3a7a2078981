/* text/wordlevel: the model that has whole words for tokens; one that it does not have is unknown. */
#include "text/tokenizer_impl.h"

static enum tuff_status read(struct tuff_ctx *ctx, const char *name, const json_t *model,
                             uint64_t limit, struct tuff_tokenizer *tok)
{
    const char *unk = "<unk>";
    TUFF_TRY(tuff_json_string(ctx, name, model, "unk_token", &unk));
    TUFF_TRY(tuff_model_read_vocab(ctx, name, model, limit, tok));
    tok->wordlevel_unk = tuff_vocab_find(&tok->vocab, unk, strlen(unk));
    return TUFF_OK;
}

static bool write(const struct tuff_tokenizer *tok, json_t *model)
{
    return json_object_set_new(model, "vocab", tuff_model_vocab_to_json(tok)) == 0;
}

static enum tuff_status encode(struct tuff_ctx *ctx, const struct tuff_tokenizer *tok,
                               struct tuff_model_scratch *scratch, const uint8_t *word, size_t n,
                               struct tuff_ids *ids, struct tuff_lengths *lengths)
{
    (void) scratch;
    uint32_t id = tuff_vocab_find_model(&tok->vocab, (const char *) word, n);
    if (id == TUFF_NO_ID)
        id = tok->wordlevel_unk;
    if (id == TUFF_NO_ID)
        return tuff_fail(ctx, TUFF_E_RANGE, "encoding: \"%.*s\" is not in the vocabulary, and neither "
                         "is the WordLevel model's unk_token", (int) TUFF_MIN(n, 60),
                         (const char *) word);
    return tuff_model_token(ids, lengths, id, n)
               ? TUFF_OK
               : tuff_fail(ctx, TUFF_E_NOMEM, "encoding: out of host memory");
}

const struct tuff_model_kind tuff_model_wordlevel = {"WordLevel", read, NULL, write, encode, NULL};
