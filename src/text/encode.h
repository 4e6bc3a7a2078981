/* text/encode: a text through normalizer, pre-tokenizer and model. */
#ifndef TUFF_TEXT_ENCODE_H
#define TUFF_TEXT_ENCODE_H

#include "text/model.h"
#include "text/post.h"

/* Working memory of one thread, kept from text to text. */
struct tuff_encoder {
    struct tuff_ctx *ctx;
    const struct tuff_tokenizer *tok;
    bool special_as_text;
    struct tuff_model_scratch scratch; /* its settings are the caller's */

    struct tuff_ids *ids;   /* where ids go */
    struct tuff_rows *rows; /* and all else; NULL: nobody asked */
    struct tuff_ids word_ids;
    struct tuff_lengths lengths;
    uint32_t n_words;
    struct tuff_normal buffers[2];
    bool tracked;
    struct tuff_arena copies;
    struct tuff_seen_word *seen;
    size_t seen_size, seen_mask;
};
void tuff_encoder_init(struct tuff_encoder *e, struct tuff_ctx *ctx,
                       const struct tuff_tokenizer *tok, unsigned flags);
void tuff_encoder_fini(struct tuff_encoder *e);
/* Appends ids to *ids, or rows to *rows (whose text is set, and must stay). */
enum tuff_status tuff_encoder_ids(struct tuff_encoder *e, const char *text, size_t n,
                                  struct tuff_ids *ids);
enum tuff_status tuff_encoder_rows(struct tuff_encoder *e, const char *text, size_t n,
                                   struct tuff_rows *rows);

#endif
