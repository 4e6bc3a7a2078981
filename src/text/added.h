/* text/added: tokens that are found in the text before anything else cuts it, such as
 * <|endoftext|>. */
#ifndef TUFF_TEXT_ADDED_H
#define TUFF_TEXT_ADDED_H

#include "text/trie.h"

struct tuff_added_token {
    const char *text; /* owned by the vocabulary */
    uint32_t length, id;
    const char *match; /* what is looked for: text, or its normalized form (owned then) */
    size_t n_match;
    bool single_word;    /* only where no word character stands beside it */
    bool lstrip, rstrip; /* swallows the blanks before, after it */
    bool normalized;     /* looked for in the second round, after normalization */
    bool special;
};

/* Zero-initialise. */
struct tuff_added {
    struct tuff_added_token *items; /* in the order of ids */
    size_t n, cap;
    struct tuff_trie rounds[2]; /* not normalized, normalized */
};
void tuff_added_fini(struct tuff_added *added);
/* Builds the tries once all items are there. false: out of memory. */
bool tuff_added_index(struct tuff_added *added);

/* Called for what lies between tokens (token NULL, n > 0) and for each token. */
typedef enum tuff_status (*tuff_added_fn)(void *user, const uint8_t *text, size_t n,
                                          const struct tuff_added_token *token);
/* One round over a text. Leftmost, then longest match; special_as_text passes special ones by. */
enum tuff_status tuff_added_split(const struct tuff_added *added, int round, bool special_as_text,
                                  const uint8_t *text, size_t n, tuff_added_fn fn, void *user);

#endif
