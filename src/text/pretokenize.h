/* text/pretokenize: cuts text into the words that BPE works on, one step after another. */
#ifndef TUFF_TEXT_PRETOKENIZE_H
#define TUFF_TEXT_PRETOKENIZE_H

#include "text/regex.h"

/* GPT-2's pattern, the one that ByteLevel with use_regex stands for. */
extern const char tuff_gpt2_pattern[];
/* Length of the match of that pattern at the start of valid UTF-8; n > 0. Every text is covered
 * by such matches. */
size_t tuff_gpt2_word(const uint8_t *s, size_t n);

enum tuff_pretok_kind { TUFF_PRETOK_SPLIT, TUFF_PRETOK_BYTELEVEL };
struct tuff_pretok_step {
    enum tuff_pretok_kind kind;
    struct tuff_regex *regex; /* split: owned; NULL: GPT-2's pattern */
    bool remove;              /* split: drop matches (dropped: what lies between, if inverted) */
    bool invert;
    bool add_prefix_space, use_regex; /* bytelevel */
};
/* Zero-initialise. The last step is the only BYTELEVEL. */
struct tuff_pretok {
    struct tuff_pretok_step *items;
    size_t n, cap;
};
void tuff_pretok_fini(struct tuff_pretok *pretok);

typedef enum tuff_status (*tuff_word_fn)(void *user, const uint8_t *word, size_t n);
/* Calls fn for each word of valid UTF-8, in order. Words point into `text` or into `copies`. */
enum tuff_status tuff_pretok_words(struct tuff_ctx *ctx, const struct tuff_pretok *pretok,
                                   struct tuff_arena *copies, const uint8_t *text, size_t n,
                                   tuff_word_fn fn, void *user);

#endif
