/* text/model: see model.h. */
#include "text/model.h"
#include "text/lattice.h"
#include "text/tokenizer_impl.h"

static const struct tuff_model_kind *const kinds[] = {&tuff_model_bpe, &tuff_model_marian,
                                                      &tuff_model_unigram, &tuff_model_wordlevel,
                                                      &tuff_model_wordpiece};

const struct tuff_model_kind *tuff_model_of(struct tuff_ctx *ctx, const char *name,
                                            const char *type)
{
    struct tuff_text known = {0};
    for (size_t i = 0; i < TUFF_COUNT(kinds); i++) {
        if (!strcmp(kinds[i]->type, type)) {
            tuff_text_fini(&known);
            return kinds[i];
        }
        tuff_text_printf(&known, "%s%s", i ? ", " : "", kinds[i]->type);
    }
    tuff_fail(ctx, TUFF_E_UNSUPPORTED, "%s: model %.60s is not supported (%s are)", name, type,
              known.s ? known.s : "");
    tuff_text_fini(&known);
    return NULL;
}

void tuff_model_scratch_fini(struct tuff_model_scratch *scratch)
{
    tuff_bpe_scratch_fini(&scratch->bpe);
    tuff_text_fini(&scratch->text);
    tuff_lattice_destroy(scratch->lattice);
    free(scratch->path);
    free(scratch->ends.items);
}

enum tuff_status tuff_model_put(struct tuff_ctx *ctx, const char *name, struct tuff_tokenizer *tok,
                                const char *where, const char *text, size_t n, int64_t id,
                                uint64_t limit)
{
    if (id < 0 || (uint64_t) id >= limit)
        return tuff_fail(ctx, TUFF_E_FORMAT,
                         "%s: %s: token \"%.60s\" has id %lld, far outside the vocabulary", name,
                         where, text, (long long) id);
    enum tuff_status status = tuff_vocab_put(&tok->vocab, text, n, (uint32_t) id);
    if (status == TUFF_E_NOMEM)
        return tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", name);
    if (status != TUFF_OK)
        return tuff_fail(ctx, TUFF_E_FORMAT,
                         "%s: %s: token \"%.60s\" with id %lld: text or id is there twice", name,
                         where, text, (long long) id);
    return TUFF_OK;
}

enum tuff_status tuff_model_read_vocab(struct tuff_ctx *ctx, const char *name, const json_t *model,
                                       uint64_t limit, struct tuff_tokenizer *tok)
{
    json_t *vocab = json_object_get(model, "vocab");
    if (!json_is_object(vocab))
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: model.vocab must be an object", name);
    const char *text;
    json_t *id;
    json_object_foreach(vocab, text, id)
    {
        if (!json_is_integer(id))
            return tuff_fail(ctx, TUFF_E_FORMAT,
                             "%s: model.vocab: the id of \"%.60s\" must be an integer", name, text);
        TUFF_TRY(tuff_model_put(ctx, name, tok, "model.vocab", text, strlen(text),
                                json_integer_value(id), limit));
    }
    return TUFF_OK;
}

json_t *tuff_model_vocab_to_json(const struct tuff_tokenizer *tok)
{
    json_t *vocab = json_object();
    for (size_t id = 0; id < tok->vocab.n; id++)
        if (tok->vocab.items[id].text && !tok->vocab.items[id].outside)
            json_object_set_new(vocab, tok->vocab.items[id].text, json_integer((json_int_t) id));
    return vocab;
}

void tuff_model_fallback_ids(const struct tuff_tokenizer *tok, uint32_t ids[256])
{
    for (unsigned byte = 0; byte < 256; byte++) {
        char text[8];
        int n = snprintf(text, sizeof text, "<0x%02X>", byte);
        ids[byte] = tuff_vocab_find_model(&tok->vocab, text, (size_t) n);
    }
}

bool tuff_model_token(struct tuff_ids *ids, struct tuff_lengths *lengths, uint32_t id,
                      size_t length)
{
    uint32_t *slot = TUFF_PUSH(ids);
    uint32_t *length_slot = slot && lengths ? TUFF_PUSH(lengths) : NULL;
    if (!slot || (lengths && !length_slot))
        return false;
    *slot = id;
    if (length_slot)
        *length_slot = (uint32_t) length;
    return true;
}
