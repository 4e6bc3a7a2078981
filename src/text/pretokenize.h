/* text/pretokenize: cuts text into the words that a model works on, one step after
 * another. */
#ifndef TUFF_TEXT_PRETOKENIZE_H
#define TUFF_TEXT_PRETOKENIZE_H

#include "base/json.h"
#include "text/piece.h"
#include "text/regex.h"

/* GPT-2's pattern, the one that ByteLevel with use_regex stands for. */
extern const char tuff_gpt2_pattern[];
/* Length of the match of that pattern at the start of valid UTF-8; n > 0. Every text is covered
 * by such matches. */
size_t tuff_gpt2_word(const uint8_t *s, size_t n);

enum tuff_pretok_kind {
    TUFF_PRETOK_BERT,
    TUFF_PRETOK_BYTELEVEL,
    TUFF_PRETOK_DELIMITER,
    TUFF_PRETOK_DIGITS,
    TUFF_PRETOK_FIXED_LENGTH,
    TUFF_PRETOK_METASPACE,
    TUFF_PRETOK_PUNCTUATION,
    TUFF_PRETOK_SPLIT,
    TUFF_PRETOK_WHITESPACE,
    TUFF_PRETOK_WHITESPACE_SPLIT
};
/* What becomes of the matches: pieces of their own; nothing; a row of them one piece; the end of
 * the piece before; the start of the piece after. */
enum tuff_split_behavior {
    TUFF_SPLIT_ISOLATED,
    TUFF_SPLIT_REMOVED,
    TUFF_SPLIT_CONTIGUOUS,
    TUFF_SPLIT_MERGED_WITH_PREVIOUS,
    TUFF_SPLIT_MERGED_WITH_NEXT
};
enum tuff_prepend_scheme { TUFF_PREPEND_ALWAYS, TUFF_PREPEND_FIRST, TUFF_PREPEND_NEVER };
struct tuff_pretok_step {
    enum tuff_pretok_kind kind;
    struct tuff_regex *regex; /* Split: owned; NULL: GPT-2's pattern */
    enum tuff_split_behavior behavior;
    bool invert;                      /* Split: what does not match counts as match */
    bool add_prefix_space, use_regex; /* ByteLevel */
    bool individual;                  /* Digits: each alone */
    bool split;                       /* Metaspace */
    uint32_t character;               /* Metaspace's replacement, CharDelimiterSplit's delimiter */
    enum tuff_prepend_scheme scheme;  /* Metaspace */
    size_t length;                    /* FixedLength: characters */
};
/* Zero-initialise. No steps: the text is one word. */
struct tuff_pretok {
    struct tuff_pretok_step *items;
    size_t n, cap;
    bool raw_bytes; /* the last step is ByteLevel and leaves its words unspelled */
};
void tuff_pretok_fini(struct tuff_pretok *pretok);
/* `json` is the component or null. A Sequence becomes its steps in a row. */
enum tuff_status tuff_pretok_from_json(struct tuff_ctx *ctx, const char *name, const json_t *json,
                                       struct tuff_pretok *pretok);
/* The settings of Metaspace, which is a decoder too. */
enum tuff_status tuff_metaspace_from_json(struct tuff_ctx *ctx, const char *name,
                                          const json_t *json, uint32_t *character,
                                          enum tuff_prepend_scheme *scheme, bool *split);

/* The word is gone after the call. */
typedef enum tuff_status (*tuff_word_fn)(void *user, const struct tuff_piece *word);
/* Calls fn for each word of a piece, in order. tracked: words know where they came from. */
enum tuff_status tuff_pretok_words(struct tuff_ctx *ctx, const struct tuff_pretok *pretok,
                                   bool tracked, const struct tuff_piece *piece, tuff_word_fn fn,
                                   void *user);

#endif
