/* text/tokenizer_impl: what a tokenizer is made of, for the files of this folder. A text goes
 * through them in this order: added (special tokens are cut out), normalizer (simpler text), pretok
 * (words), model (tokens), post (special tokens around them); ids go through decoder. */
#ifndef TUFF_TEXT_TOKENIZER_IMPL_H
#define TUFF_TEXT_TOKENIZER_IMPL_H

#include "base/json.h"
#include "text/added.h"
#include "text/decoder.h"
#include "text/model.h"
#include "text/normalize.h"
#include "text/post.h"
#include "text/pretokenize.h"
#include "tuff/tokenizer.h"

struct tuff_tokenizer {
    struct tuff_vocab vocab; /* of the model and of the added tokens together */
    struct tuff_added added;
    struct tuff_normalizer normalizer;
    struct tuff_pretok pretok;
    const struct tuff_model_kind *kind;
    struct tuff_bpe bpe; /* of these three the one that kind says */
    struct tuff_wordpiece wordpiece;
    uint32_t wordlevel_unk; /* or TUFF_NO_ID */
    struct tuff_unigram unigram;
    struct tuff_marian marian; /* with unigram */
    struct tuff_post post;
    struct tuff_decoder decoder;
    /* As they were in the file, to be saved again: its components except added_tokens and model;
     * the model except what its kind writes. */
    json_t *parts, *settings;
    /* Made from the above by tuff_tokenizer_finish: */
    size_t longest;      /* token text, in bytes */
    bool makes_copies;   /* words are not parts of the text itself */
    bool needs_places;   /* words must know where they come from even when nobody asks */
    uint8_t *is_special; /* by id */
    uint8_t *is_skipped; /* by id: vanishes in decoding; not so special tokens whose normalized
                            text, which is what decoding shows, is another */
    uint32_t *added_index; /* by id: place in added.items + 1; 0: not there */
    uint8_t *bytes;      /* what every token stands for in a ByteLevel decoder, one after another */
    size_t *bytes_start; /* by id, n + 1 of them */
};

/* The largest id a vocabulary of n tokens may use: files may leave holes, but a stray huge id must
 * not make the tables huge. */
static inline uint64_t tuff_id_limit(uint64_t n_tokens)
{
    return n_tokens * 4 + 65536;
}

/* Reads normalizer, pre_tokenizer, post_processor, decoder, truncation and padding of a
 * tokenizer.json, and keeps them in tok->parts. */
enum tuff_status tuff_tokenizer_read_parts(struct tuff_ctx *ctx, const char *name,
                                           const json_t *root, struct tuff_tokenizer *tok);
/* Derives the tables once all else is there. */
enum tuff_status tuff_tokenizer_finish(struct tuff_ctx *ctx, const char *name,
                                       struct tuff_tokenizer *tok);
/* What decoding shows of a token: its text, normalized where an added token is. */
const char *tuff_tokenizer_shown(const struct tuff_tokenizer *tok, uint32_t id, size_t *n);
/* A tokenizer from the JSON of a whole file. Takes the reference. */
enum tuff_status tuff_tokenizer_from_root(struct tuff_ctx *ctx, const char *name, json_t *root,
                                          struct tuff_tokenizer **tok);
/* The whole file. NULL: out of memory. */
json_t *tuff_tokenizer_to_root(const struct tuff_tokenizer *tok);

#endif
