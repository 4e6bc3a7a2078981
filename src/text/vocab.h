/* text/vocab: token texts by id and ids by token text. */
#ifndef TUFF_TEXT_VOCAB_H
#define TUFF_TEXT_VOCAB_H

#include "base/base.h"

#define TUFF_NO_ID UINT32_MAX

struct tuff_vocab_entry {
    const char *text; /* NUL-terminated, no NUL inside; NULL: the id names nothing */
    uint32_t length;
    bool outside; /* an added token that the model does not know */
};
/* Zero-initialise. Ids may have holes; items[id] is entry `id`. */
struct tuff_vocab {
    struct tuff_vocab_entry *items;
    size_t n, cap;
    size_t n_tokens;
    uint32_t *slots; /* open addressing; TUFF_NO_ID: free */
    size_t n_slots;
    struct tuff_arena texts;
};
void tuff_vocab_fini(struct tuff_vocab *vocab);
/* TUFF_E_ARG when the text or the id is already there (the vocabulary is unchanged), TUFF_E_NOMEM.
 * Does not store a failure text: the caller knows where the token came from. */
enum tuff_status tuff_vocab_put(struct tuff_vocab *vocab, const char *text, size_t n, uint32_t id);
uint32_t tuff_vocab_find(const struct tuff_vocab *vocab, const char *text, size_t n);
/* The same among the model's own tokens. */
uint32_t tuff_vocab_find_model(const struct tuff_vocab *vocab, const void *text, size_t n);

#endif
