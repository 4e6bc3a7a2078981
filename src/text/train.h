/* text/train: what the trainers share. */
#ifndef TUFF_TEXT_TRAIN_H
#define TUFF_TEXT_TRAIN_H

#include "text/tokenizer_impl.h"
#include "text/word_count.h"

/* A trainer's own components, or those of `components` (the user's JSON, may be NULL) in their
 * place. Takes `own`; keeps all in tok->parts. */
enum tuff_status tuff_train_parts(struct tuff_ctx *ctx, struct tuff_tokenizer *tok, json_t *own,
                                  const char *components);
/* Checks the text of a special token. */
enum tuff_status tuff_train_check_special(struct tuff_ctx *ctx, const char *text);
/* Puts a token that is there already on the list of added tokens, as a special one. */
enum tuff_status tuff_train_add_special(struct tuff_ctx *ctx, struct tuff_tokenizer *tok,
                                        uint32_t id);
enum tuff_status tuff_train_no_memory(struct tuff_ctx *ctx);

/* ---- merge_train.c: rows of symbols in which pairs are joined, for BPE and WordPiece ---- */

struct tuff_merge_params {
    uint32_t vocab_size; /* not 0 */
    uint64_t min_frequency;
    const char *const *special_tokens;
    size_t n_special_tokens;
    uint32_t max_length; /* of a token, in symbols; UINT32_MAX: any */
    bool bytes;              /* symbols are bytes, spelled as characters */
    bool seen_alphabet_only; /* bytes */
    const char *prefix, *suffix; /* characters: spelling inside a word, at its end; "" */
    uint32_t limit_alphabet;     /* characters; 0: all */
    bool likelihood;
    tuff_train_progress_fn progress;
    void *progress_user;
};
/* Fills vocab, added and bpe's merges of a tokenizer that has its parts. */
enum tuff_status tuff_merge_train(struct tuff_ctx *ctx, const struct tuff_merge_params *params,
                                  const char *const *paths, size_t n_paths,
                                  struct tuff_tokenizer *tok);

#endif
