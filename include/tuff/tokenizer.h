/* Tokenizers: text to token ids and back, and the training of new ones.
 *
 * A text passes through the components that a Hugging Face tokenizer.json names, in this order:
 *
 *   normalizer       BertNormalizer, ByteLevel, Lowercase, NFC, NFD, NFKC, NFKD, Nmt, Precompiled,
 *                    Prepend, Replace, Strip, StripAccents
 *   pre_tokenizer    BertPreTokenizer, ByteLevel, CharDelimiterSplit, Digits, FixedLength,
 *                    Metaspace, Punctuation, Split, Whitespace, WhitespaceSplit
 *   model            BPE (Sennrich et al. 2016, arXiv:1508.07909), WordPiece (Schuster and Nakajima
 *                    2012), Unigram (Kudo 2018, arXiv:1804.10959)
 *   post_processor   BertProcessing, ByteLevel, RobertaProcessing, TemplateProcessing
 *   decoder          BPEDecoder, ByteFallback, ByteLevel, Fuse, Metaspace, Replace, Strip, WordPiece
 *
 * and Sequences of them; added tokens with all their flags; truncation and padding. Ids, texts,
 * offsets and byte-level BPE training results equal those of the Hugging Face tokenizers library,
 * version 0.23. A component that is not listed is TUFF_E_UNSUPPORTED and the error names it.
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

/* `path` is a tokenizer.json or a folder that holds one; or else a vocab.txt (BERT), a folder with
 * vocab.json and merges.txt (GPT-2, GPT-1), a sentencepiece *.model (T5, Llama), a folder with
 * source.spm and vocab.json (Marian; target.spm is not needed: transformers too decodes by source.spm)
 * or a folder with one of these (lower case is told from a vocabulary without capitals). The text form reads the JSON
 * from memory; `name` stands for the path in error lines. TUFF_E_IO, TUFF_E_FORMAT, TUFF_E_UNSUPPORTED,
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
/* Writes the vocabulary in its model's older format into a folder: vocab.txt (WordPiece), vocab.json
 * and merges.txt (BPE) or spiece.model (Unigram); Marian's is TUFF_E_UNSUPPORTED. What these do not hold (normalizer, pre-tokenizer
 * and so on) is not written. */
TUFF_API enum tuff_status tuff_tokenizer_save_vocab(struct tuff_ctx *ctx,
                                                    const struct tuff_tokenizer *tok,
                                                    const char *folder);
/* Accepts NULL. */
TUFF_API void tuff_tokenizer_destroy(struct tuff_tokenizer *tok);

enum tuff_encode_flags {
    /* "<|endoftext|>" in the text is text, not the token: for text from strangers. Added tokens
     * that are not special are found all the same. */
    TUFF_ENCODE_SPECIAL_AS_TEXT = 1,
    TUFF_ENCODE_ADD_SPECIAL = 2, /* with what the post-processor adds: [CLS], <s>, </s> */
    TUFF_ENCODE_GREEDY = 4,      /* BPE: the longest token from the left instead of merges */
    TUFF_ENCODE_CHAR_OFFSETS = 8, /* offsets count characters instead of bytes */
    TUFF_ENCODE_NO_TRUNCATION = 16, /* the file's truncation and padding do not apply */
    TUFF_ENCODE_NO_PADDING = 32
};

/* Appends the ids of `text` to *ids, which may hold some already. On failure ids->n is as before.
 * Neither truncated nor padded. Time is O(n log n) whatever the text is; memory is a small multiple
 * of the longest word. TUFF_E_RANGE for 2 GiB and more: encode in pieces. */
TUFF_API enum tuff_status tuff_tokenizer_encode(struct tuff_ctx *ctx,
                                                const struct tuff_tokenizer *tok, const char *text,
                                                size_t n_bytes, unsigned flags,
                                                struct tuff_ids *ids);

#define TUFF_NO_WORD UINT32_MAX
#define TUFF_NO_SEQUENCE 255
struct tuff_span {
    uint32_t begin, end;
};
/* All there is to know about an encoded text or pair: n entries each. Zero-initialise; free with
 * tuff_encoding_fini. */
struct tuff_encoding {
    size_t n;
    uint32_t *ids;
    uint32_t *type_ids;
    uint32_t *words;           /* which word of its text a token is part of, or TUFF_NO_WORD */
    struct tuff_span *offsets; /* where in its text a token comes from; (0, 0) for added ones */
    uint8_t *sequences;        /* 0: first text, 1: second, TUFF_NO_SEQUENCE: neither */
    uint8_t *attention_mask;   /* 0 for padding */
    uint8_t *special_mask;     /* 1 for what the post-processor or padding added */
    /* What truncation cut off, as encodings of the same make that each share `stride` tokens with
     * the one before. */
    struct tuff_encoding *overflow;
    size_t n_overflow;
};
TUFF_API void tuff_encoding_fini(struct tuff_encoding *encoding);

enum tuff_side { TUFF_SIDE_RIGHT, TUFF_SIDE_LEFT };
enum tuff_truncation_strategy {
    TUFF_TRUNCATE_LONGEST_FIRST,
    TUFF_TRUNCATE_ONLY_FIRST,
    TUFF_TRUNCATE_ONLY_SECOND
};
struct tuff_truncation {
    size_t max_length; /* tokens, with those that the post-processor adds */
    size_t stride;
    enum tuff_truncation_strategy strategy;
    enum tuff_side side; /* where tokens are cut off */
};
struct tuff_padding {
    size_t length;      /* 0: that of the longest in the batch */
    size_t multiple_of; /* 0: any */
    uint32_t id, type_id;
    enum tuff_side side;
};
struct tuff_encode_params {
    unsigned flags;
    const struct tuff_truncation *truncation; /* NULL: the file's */
    const struct tuff_padding *padding;       /* NULL: the file's */
    /* BPE: merges left out at random (Provilkov et al. 2020, arXiv:1910.13267); 0: the file's. */
    double dropout;
    /* Unigram: a segmentation drawn with probability ~ P(segmentation)^alpha, from all or from the
     * `nbest` best (at most 1024; 0: all), instead of the best one. 0: the best. */
    double alpha;
    size_t nbest;
    uint64_t seed; /* of both; text i of a batch has stream i */
};
struct tuff_input {
    const char *text, *pair; /* pair NULL: one text */
    size_t n_bytes, n_pair_bytes;
};
/* Encodes a batch on `threads` threads (0: one a core). out[i], zero-initialised by the caller,
 * belongs to inputs[i]; the result does not depend on the number of threads. NULL params: no flags.
 * On failure all of `out` is empty. */
TUFF_API enum tuff_status tuff_tokenizer_encode_batch(struct tuff_ctx *ctx,
                                                      const struct tuff_tokenizer *tok,
                                                      const struct tuff_encode_params *params,
                                                      const struct tuff_input *inputs, size_t n,
                                                      int threads, struct tuff_encoding *out);
/* Ids alone, of texts alone, without special tokens: the fast way through a corpus. out[i],
 * zero-initialised, gets the ids of inputs[i]. */
TUFF_API enum tuff_status tuff_tokenizer_encode_many(struct tuff_ctx *ctx,
                                                     const struct tuff_tokenizer *tok,
                                                     const struct tuff_input *inputs, size_t n,
                                                     unsigned flags, int threads,
                                                     struct tuff_ids *out);

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

/* Called now and then while training. `stage` is "reading" (bytes), "merging" (vocabulary entries)
 * or "pruning" (rounds of EM). Returning false stops: TUFF_E_STOPPED. */
typedef bool (*tuff_train_progress_fn)(void *user, const char *stage, uint64_t done,
                                       uint64_t total);

/* Training reads text files line by line, each line with its newline (no token spans two lines),
 * through a normalizer and a pre-tokenizer. The result is a function of the files and the settings.
 * NULL params take the defaults. A small corpus may give fewer tokens than asked; TUFF_E_ARG when
 * vocab_size is smaller than special tokens + alphabet, or when the files hold no text.
 *
 * `components`, where it is not NULL, is JSON as in a tokenizer.json: an object whose "normalizer",
 * "pre_tokenizer", "post_processor", "decoder" stand in place of the trainer's own. */

struct tuff_bpe_train_params {
    uint32_t vocab_size;               /* 0: 30000. Special tokens and alphabet count */
    uint64_t min_frequency;            /* a pair seen less often is not merged; 0: no such limit */
    const char *const *special_tokens; /* get the first ids, in this order; doubles are ignored */
    size_t n_special_tokens;
    bool add_prefix_space;     /* "word" at the start of a line counts as " word" */
    bool seen_alphabet_only;   /* single bytes that do not occur get no token */
    uint32_t max_token_length; /* symbols; tokens joined along the way stay shorter; 0: any */
    const char *split; /* words are what this regular expression matches; NULL: GPT-2's words */
    tuff_train_progress_fn progress;
    void *progress_user;
    /* Symbols are characters, the last one of a word with this suffix (GPT-1, CLIP: "</w>"; may be
     * ""); NULL: bytes. Without `components`: lower case, BERT's words. */
    const char *end_of_word_suffix;
    const char *unk_token;   /* characters: stands for those without token; a special token */
    uint32_t limit_alphabet; /* characters: only the most frequent ones; 0: all */
    const char *components;
};

/* Trains BPE: byte-level, or of characters with a suffix. Memory is a small multiple of the
 * distinct words' bytes, time about that of (bytes read + occurrences merged). */
TUFF_API enum tuff_status tuff_bpe_train(struct tuff_ctx *ctx,
                                         const struct tuff_bpe_train_params *params,
                                         const char *const *paths, size_t n_paths,
                                         struct tuff_tokenizer **tok);

struct tuff_wordpiece_train_params {
    uint32_t vocab_size;               /* 0: 30000 */
    uint64_t min_frequency;            /* as for BPE */
    const char *const *special_tokens; /* none given: [PAD] [UNK] [CLS] [SEP] [MASK] */
    size_t n_special_tokens;
    bool cased;              /* keep upper case and accents */
    uint32_t limit_alphabet; /* only the most frequent characters; 0: all */
    /* Joins the pair whose joining raises the likelihood most for its parts, the largest
     * count(ab) / (count(a) count(b)), instead of the most frequent pair. */
    bool likelihood;
    const char *components;
    tuff_train_progress_fn progress;
    void *progress_user;
};
/* Trains WordPiece for BertNormalizer and BertPreTokenizer: pieces inside words are spelled
 * "##piece", [UNK] must be among the special tokens. A template with [CLS] and [SEP] is the
 * post-processor where these two are among the special tokens. */
TUFF_API enum tuff_status tuff_wordpiece_train(struct tuff_ctx *ctx,
                                               const struct tuff_wordpiece_train_params *params,
                                               const char *const *paths, size_t n_paths,
                                               struct tuff_tokenizer **tok);

struct tuff_wordlevel_train_params {
    uint32_t vocab_size;               /* 0: 30000 */
    uint64_t min_frequency;            /* words seen less often are unknown */
    const char *const *special_tokens; /* none given: the unknown token */
    size_t n_special_tokens;
    const char *unk_token;             /* NULL: <unk>; one of the special tokens */
    const char *components;
    tuff_train_progress_fn progress;
    void *progress_user;
};
/* Trains WordLevel: the most frequent words of the Whitespace pre-tokenizer (or of `components`), among
 * equals by bytes; the result equals the reference's. */
TUFF_API enum tuff_status tuff_wordlevel_train(struct tuff_ctx *ctx,
                                               const struct tuff_wordlevel_train_params *params,
                                               const char *const *paths, size_t n_paths,
                                               struct tuff_tokenizer **tok);

struct tuff_unigram_train_params {
    uint32_t vocab_size;               /* 0: 8000 */
    const char *const *special_tokens; /* none given: <pad> </s> <unk> */
    size_t n_special_tokens;
    const char *unk_token;      /* NULL: <unk>; becomes the first token if not a special one */
    uint32_t max_piece_length;  /* characters; 0: 16 */
    uint32_t seed_size;         /* pieces that EM starts with, at most; 0: 1000000 */
    uint32_t n_sub_iterations;  /* of EM between two prunings; 0: 2 */
    double shrinking_factor;    /* the part of pieces that a pruning keeps; 0: 0.75 */
    const char *components;
    int threads; /* 0: one a core; the result does not depend on it */
    tuff_train_progress_fn progress;
    void *progress_user;
};
/* Trains Unigram (Kudo 2018): frequent substrings, then EM for their probabilities and pruning of
 * those whose loss costs the likelihood least, again and again. NFKC and Metaspace unless
 * `components` say otherwise. */
TUFF_API enum tuff_status tuff_unigram_train(struct tuff_ctx *ctx,
                                             const struct tuff_unigram_train_params *params,
                                             const char *const *paths, size_t n_paths,
                                             struct tuff_tokenizer **tok);

#ifdef __cplusplus
}
#endif
#endif
