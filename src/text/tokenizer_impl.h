/* text/tokenizer_impl: what a tokenizer is made of, for the files of this folder. A text goes
 * through them in this order: added (special tokens are cut out), pretok (words), bpe (ids). */
#ifndef TUFF_TEXT_TOKENIZER_IMPL_H
#define TUFF_TEXT_TOKENIZER_IMPL_H

#include "base/json.h"
#include "text/added.h"
#include "text/bpe.h"
#include "text/pretokenize.h"
#include "text/vocab.h"
#include "tuff/tokenizer.h"

enum { TUFF_ID_SPECIAL = 1, TUFF_ID_NOT_IN_MODEL = 2 };

struct tuff_tokenizer {
    struct tuff_vocab vocab; /* of the model and of the added tokens together */
    struct tuff_added added;
    struct tuff_pretok pretok;
    struct tuff_bpe bpe;
    /* The file's components except added_tokens and model, as they were, to be saved again. */
    json_t *parts;
    /* Made from the above by tuff_tokenizer_finish: */
    uint8_t *id_flags;   /* by id */
    uint8_t *bytes;      /* what every token stands for, one after another */
    size_t *bytes_start; /* by id, n + 1 of them */
};

/* The largest id a vocabulary of n tokens may use: files may leave holes, but a stray huge id must
 * not make the tables huge. */
static inline uint64_t tuff_id_limit(uint64_t n_tokens)
{
    return n_tokens * 4 + 65536;
}

/* Derives the tables once vocab, added, pretok and bpe.slots are filled. */
enum tuff_status tuff_tokenizer_finish(struct tuff_ctx *ctx, const char *name,
                                       struct tuff_tokenizer *tok);
/* Reads the component (a borrowed JSON value) into *pretok. */
enum tuff_status tuff_pretok_from_json(struct tuff_ctx *ctx, const char *name, const json_t *json,
                                       struct tuff_pretok *pretok);

#endif
