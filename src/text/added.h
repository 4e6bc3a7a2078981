/* text/added: tokens that are found in the text before anything else cuts it, such as
 * <|endoftext|>. */
#ifndef TUFF_TEXT_ADDED_H
#define TUFF_TEXT_ADDED_H

#include "base/base.h"

struct tuff_added_token {
    const char *text; /* owned by the vocabulary */
    uint32_t length, id;
    bool single_word;    /* only where no word character stands beside it */
    bool lstrip, rstrip; /* swallows the blanks before, after it */
    bool normalized;     /* looked for in the second round, after normalization */
    bool special;
    bool in_model; /* the model's vocabulary has it too */
};

/* Zero-initialise. */
struct tuff_trie {
    struct tuff_trie_node *items;
    size_t n, cap;
    bool first[256]; /* bytes some token starts with */
};
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
