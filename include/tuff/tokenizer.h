/* Tokenizers: text to token ids and back, and the training of new ones.
 *
 * Byte-level BPE (Sennrich et al. 2016, arXiv:1508.07909, on bytes as in Radford et al. 2019,
 * GPT-2), read from and written to Hugging Face's tokenizer.json. Ids, texts and training results
 * equal those of the Hugging Face tokenizers library, version 0.23.
 *
 * Supported in a file: model BPE; pre-tokenizer ByteLevel, or a Sequence of Split steps (behaviour
 * Isolated or Removed) that ends in ByteLevel; decoder ByteLevel; post-processor ByteLevel or none;
 * added tokens with all their flags. Anything else is TUFF_E_UNSUPPORTED and the error names it.
 *
 * Text is UTF-8. Where it is not valid, each maximal ill-formed part counts as one U+FFFD, as the
 * Unicode standard recommends (chapter 3, "U+FFFD Substitution of Maximal Subparts"); nothing is
 * refused. The rule is the same for encoding, training and decoding. */
#ifndef TUFF_TOKENIZER_H
#define TUFF_TOKENIZER_H

#include "tuff/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A tokenizer is immutable once made: any number of threads may use one at the same time. It does
 * not keep the context it was made with. */
struct tuff_tokenizer;

/* A growing list of token ids. Zero-initialise; free with tuff_ids_fini. */
struct tuff_ids {
    uint32_t *items;
    size_t n, cap;
};
TUFF_API void tuff_ids_fini(struct tuff_ids *ids);

/* `path` is a tokenizer.json or a folder that holds one. The text form reads the same JSON from
 * memory; `name` stands for the path in error lines. TUFF_E_IO, TUFF_E_FORMAT, TUFF_E_UNSUPPORTED,
 * TUFF_E_NOMEM; *tok is NULL then. */
TUFF_API enum tuff_status tuff_tokenizer_load(struct tuff_ctx *ctx, const char *path,
                                              struct tuff_tokenizer **tok);
TUFF_API enum tuff_status tuff_tokenizer_load_text(struct tuff_ctx *ctx, const char *name,
                                                   const void *json, size_t n_bytes,
                                                   struct tuff_tokenizer **tok);
/* Writes tokenizer.json to `path`, or into it when it is a folder. The file appears whole or not
 * at all. */
TUFF_API enum tuff_status tuff_tokenizer_save(struct tuff_ctx *ctx,
                                              const struct tuff_tokenizer *tok, const char *path);
/* Accepts NULL. */
TUFF_API void tuff_tokenizer_destroy(struct tuff_tokenizer *tok);

enum tuff_encode_flags {
    /* "<|endoftext|>" in the text is text, not the token: for text from strangers. Added tokens
     * that are not special are found all the same. */
    TUFF_ENCODE_SPECIAL_AS_TEXT = 1
};

/* Appends the ids of `text` to *ids, which may hold some already. On failure ids->n is as before.
 * Time is O(n log n) whatever the text is; memory is a small multiple of the longest word.
 * TUFF_E_RANGE for 2 GiB and more: encode in pieces. */
TUFF_API enum tuff_status tuff_tokenizer_encode(struct tuff_ctx *ctx,
                                                const struct tuff_tokenizer *tok, const char *text,
                                                size_t n_bytes, unsigned flags,
                                                struct tuff_ids *ids);

enum tuff_decode_flags {
    TUFF_DECODE_KEEP_SPECIAL = 1, /* special tokens appear in the text; without it they vanish */
    TUFF_DECODE_SKIP_UNKNOWN = 2  /* ids outside the vocabulary vanish; without it TUFF_E_RANGE */
};

/* *text is NUL-terminated valid UTF-8 of *n_bytes bytes (n_bytes may be NULL); free() it. NULL on
 * failure. */
TUFF_API enum tuff_status tuff_tokenizer_decode(struct tuff_ctx *ctx,
                                                const struct tuff_tokenizer *tok,
                                                const uint32_t *ids, size_t n, unsigned flags,
                                                char **text, size_t *n_bytes);

/* One more than the largest id: the number of rows an embedding table needs. */
TUFF_API uint32_t tuff_tokenizer_vocab_size(const struct tuff_tokenizer *tok);
/* The token as the file spells it (a space is "Ġ" there), or NULL for an id that names none. */
TUFF_API const char *tuff_tokenizer_token_text(const struct tuff_tokenizer *tok, uint32_t id);
/* The id of a token spelled as in the file; false when there is none. */
TUFF_API bool tuff_tokenizer_id_of(const struct tuff_tokenizer *tok, const char *text,
                                   uint32_t *id);
TUFF_API bool tuff_tokenizer_is_special(const struct tuff_tokenizer *tok, uint32_t id);

/* Decoding token by token. The texts given out, joined, equal tuff_tokenizer_decode of all ids;
 * each ends at a character's end, so bytes of an unfinished character wait for the next token.
 * One thread at a time. The tokenizer must outlive it. */
struct tuff_detokenizer;
TUFF_API enum tuff_status tuff_detokenizer_create(struct tuff_ctx *ctx,
                                                  const struct tuff_tokenizer *tok, unsigned flags,
                                                  struct tuff_detokenizer **det);
/* Accepts NULL. */
TUFF_API void tuff_detokenizer_destroy(struct tuff_detokenizer *det);
/* *text (NUL-terminated, *n_bytes long, perhaps empty) is valid until the next call. */
TUFF_API enum tuff_status tuff_detokenizer_push(struct tuff_ctx *ctx, struct tuff_detokenizer *det,
                                                uint32_t id, const char **text, size_t *n_bytes);
/* What an unfinished character at the end amounts to (one U+FFFD), and a fresh start. */
TUFF_API enum tuff_status tuff_detokenizer_flush(struct tuff_ctx *ctx, struct tuff_detokenizer *det,
                                                 const char **text, size_t *n_bytes);

/* Called now and then while training. `stage` is "reading" (bytes) or "merging" (vocabulary
 * entries). Returning false stops: TUFF_E_STOPPED. */
typedef bool (*tuff_bpe_progress_fn)(void *user, const char *stage, uint64_t done, uint64_t total);

struct tuff_bpe_train_params {
    uint32_t vocab_size;               /* 0: 30000. Special tokens and alphabet count */
    uint64_t min_frequency;            /* a pair seen less often is not merged; 0: no such limit */
    const char *const *special_tokens; /* get the first ids, in this order; doubles are ignored */
    size_t n_special_tokens;
    bool add_prefix_space;     /* "word" at the start of a line counts as " word" */
    bool seen_alphabet_only;   /* single bytes that do not occur get no token */
    uint32_t max_token_length; /* bytes; tokens joined along the way stay shorter; 0: any */
    const char *split; /* words are what this regular expression matches; NULL: GPT-2's words */
    tuff_bpe_progress_fn progress;
    void *progress_user;
};

/* Trains byte-level BPE on the lines of text files, each line with its newline (no token spans
 * two lines). The result is a function of the files and the settings. NULL params take the
 * defaults. A small corpus may give fewer tokens than asked; TUFF_E_ARG when vocab_size is smaller
 * than special tokens + alphabet, or when the files hold no text. Memory is a small multiple of the
 * distinct words' bytes, time about that of (bytes read + occurrences merged). */
TUFF_API enum tuff_status tuff_bpe_train(struct tuff_ctx *ctx,
                                         const struct tuff_bpe_train_params *params,
                                         const char *const *paths, size_t n_paths,
                                         struct tuff_tokenizer **tok);

#ifdef __cplusplus
}
#endif
#endif
