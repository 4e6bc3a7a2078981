/* text/decoder_step: what a kind of decoder step is, for the files that have one. */
#ifndef TUFF_TEXT_DECODER_STEP_H
#define TUFF_TEXT_DECODER_STEP_H

#include "text/decoder.h"

/* Where a step of a row of tokens stands; `at` indexes steps and states. */
struct tuff_decoder_kind {
    const char *type;
    bool fuses;
    enum tuff_status (*read)(struct tuff_ctx *ctx, const char *name, const json_t *json,
                             struct tuff_decoder_step *step); /* NULL: no settings */
    /* A whole token. */
    enum tuff_status (*token)(struct tuff_decoding *d, size_t at, const char *text, size_t n);
    /* No more tokens come: what is held is let go. NULL: nothing is. */
    enum tuff_status (*finish)(struct tuff_decoding *d, size_t at);
    /* A part of the one token, for steps after one that fuses; NULL: the parts are collected and
     * given to `token` at the end. */
    enum tuff_status (*part)(struct tuff_decoding *d, size_t at, const char *text, size_t n);
};

/* Gives a token, or a part of the one token, to step `at`. */
enum tuff_status tuff_decoding_give(struct tuff_decoding *d, size_t at, const char *text, size_t n);

/* marian.c */
enum tuff_status tuff_decode_marian(struct tuff_decoding *d, size_t at, const char *text, size_t n);

#endif
