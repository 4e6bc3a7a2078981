/* text/decoder: tokens to text. Each step takes tokens one by one and gives tokens on; a step that
 * fuses them (ByteLevel, Fuse) gives on one single token, in parts. So decoding all at once and
 * token by token are the same thing. */
#ifndef TUFF_TEXT_DECODER_H
#define TUFF_TEXT_DECODER_H

#include "text/component.h"
#include "text/pretokenize.h"

struct tuff_decoder_step {
    const struct tuff_decoder_kind *kind;
    bool in_parts;            /* a step before fuses: there is one token, and it comes in parts */
    char *text;               /* suffix, prefix, content, CTC's pad token: owned */
    size_t n_text;
    char *delimiter;          /* CTC, between words: owned */
    bool cleanup;             /* WordPiece, CTC */
    uint32_t character;       /* Metaspace, Strip */
    enum tuff_prepend_scheme scheme; /* Metaspace */
    size_t start, stop;       /* Strip */
    struct tuff_regex *regex; /* Replace: owned */
};
/* Zero-initialise. No steps: tokens are joined by blanks. */
struct tuff_decoder {
    struct tuff_decoder_step *items;
    size_t n, cap;
    bool byte_level; /* a single ByteLevel step: tokens are bytes, and need no steps */
};
void tuff_decoder_fini(struct tuff_decoder *decoder);
enum tuff_status tuff_decoder_from_json(struct tuff_ctx *ctx, const char *name, const json_t *json,
                                        struct tuff_decoder *decoder);

/* The way of one row of tokens through the steps. */
struct tuff_decoding {
    struct tuff_ctx *ctx;
    const struct tuff_decoder *decoder;
    struct tuff_decode_state {
        size_t n_tokens;
        struct tuff_text held; /* what waits for more */
        bool begun, in_run;    /* Marian */
    } *states;
    struct tuff_text *out;
};
/* false: out of memory. Text is appended to *out, which must stay. */
bool tuff_decoding_init(struct tuff_decoding *d, struct tuff_ctx *ctx,
                        const struct tuff_decoder *decoder, struct tuff_text *out);
void tuff_decoding_fini(struct tuff_decoding *d);
enum tuff_status tuff_decoding_push(struct tuff_decoding *d, const char *token, size_t n);
/* After it the next token is the first of a new row. */
enum tuff_status tuff_decoding_finish(struct tuff_decoding *d);

#endif
