/* text/vocab: see vocab.h. */
#include "text/vocab.h"
#include "base/hash.h"

void tuff_vocab_fini(struct tuff_vocab *vocab)
{
    free(vocab->items);
    free(vocab->slots);
    tuff_arena_fini(&vocab->texts);
    *vocab = (struct tuff_vocab){0};
}

/* The slot that holds the text, or the free one where it belongs. */
static size_t slot_of(const struct tuff_vocab *vocab, const char *text, size_t n)
{
    size_t at = (size_t) tuff_hash(text, n, 0) & (vocab->n_slots - 1);
    for (;; at = (at + 1) & (vocab->n_slots - 1)) {
        uint32_t id = vocab->slots[at];
        if (id == TUFF_NO_ID)
            return at;
        const struct tuff_vocab_entry *entry = &vocab->items[id];
        if (entry->length == n && !memcmp(entry->text, text, n))
            return at;
    }
}

static bool grow_slots(struct tuff_vocab *vocab)
{
    size_t n_slots = vocab->n_slots ? vocab->n_slots * 2 : 1024;
    uint32_t *slots = malloc(n_slots * sizeof *slots);
    if (!slots)
        return false;
    memset(slots, 0xff, n_slots * sizeof *slots);
    free(vocab->slots);
    vocab->slots = slots;
    vocab->n_slots = n_slots;
    for (size_t id = 0; id < vocab->n; id++)
        if (vocab->items[id].text)
            slots[slot_of(vocab, vocab->items[id].text, vocab->items[id].length)] = (uint32_t) id;
    return true;
}

uint32_t tuff_vocab_find(const struct tuff_vocab *vocab, const char *text, size_t n)
{
    return vocab->n_slots ? vocab->slots[slot_of(vocab, text, n)] : TUFF_NO_ID;
}

uint32_t tuff_vocab_find_model(const struct tuff_vocab *vocab, const void *text, size_t n)
{
    uint32_t id = tuff_vocab_find(vocab, text, n);
    return id != TUFF_NO_ID && !vocab->items[id].outside ? id : TUFF_NO_ID;
}

enum tuff_status tuff_vocab_put(struct tuff_vocab *vocab, const char *text, size_t n, uint32_t id)
{
    if (n >= UINT32_MAX || id == TUFF_NO_ID)
        return TUFF_E_ARG;
    if (vocab->n_tokens * 2 >= vocab->n_slots && !grow_slots(vocab))
        return TUFF_E_NOMEM;
    size_t slot = slot_of(vocab, text, n);
    if (vocab->slots[slot] != TUFF_NO_ID || (id < vocab->n && vocab->items[id].text))
        return TUFF_E_ARG;
    char *copy = tuff_arena_alloc(&vocab->texts, n + 1);
    if (!copy ||
        !tuff_grow((void **) &vocab->items, &vocab->cap, (size_t) id + 1, sizeof *vocab->items))
        return TUFF_E_NOMEM;
    memcpy(copy, text, n);
    if (id >= vocab->n) {
        memset(vocab->items + vocab->n, 0, (id + 1 - vocab->n) * sizeof *vocab->items);
        vocab->n = (size_t) id + 1;
    }
    vocab->items[id] = (struct tuff_vocab_entry){copy, (uint32_t) n, false};
    vocab->slots[slot] = id;
    vocab->n_tokens++;
    return TUFF_OK;
}
