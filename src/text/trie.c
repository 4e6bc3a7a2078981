/* text/trie: see trie.h. */
#include "text/trie.h"

#define MAX_NODES ((size_t) 1 << 28)

void tuff_trie_fini(struct tuff_trie *trie)
{
    free(trie->slots);
    free(trie->values);
    *trie = (struct tuff_trie){0};
}

/* The slot of an edge, or the free one where it belongs. */
static size_t slot_of(const struct tuff_trie *trie, uint64_t edge)
{
    size_t at = (size_t) ((edge * 0x9e3779b97f4a7c15u) >> trie->shift);
    while (trie->slots[at] && trie->slots[at] >> 28 != edge)
        at = (at + 1) & (trie->n_slots - 1);
    return at;
}

static bool grow_slots(struct tuff_trie *trie)
{
    struct tuff_trie bigger = *trie;
    bigger.n_slots = trie->n_slots ? trie->n_slots * 2 : 1024;
    bigger.shift = trie->n_slots ? trie->shift - 1 : 64 - 10;
    bigger.slots = tuff_calloc(bigger.n_slots, sizeof *bigger.slots);
    if (!bigger.slots)
        return false;
    for (size_t i = 0; i < trie->n_slots; i++)
        if (trie->slots[i])
            bigger.slots[slot_of(&bigger, trie->slots[i] >> 28)] = trie->slots[i];
    free(trie->slots);
    *trie = bigger;
    return true;
}

static uint32_t new_node(struct tuff_trie *trie)
{
    if (trie->n_nodes >= MAX_NODES || !tuff_grow((void **) &trie->values, &trie->cap,
                                                 trie->n_nodes + 1, sizeof *trie->values))
        return TUFF_TRIE_NONE;
    trie->values[trie->n_nodes] = TUFF_TRIE_NONE;
    return (uint32_t) trie->n_nodes++;
}

uint32_t tuff_trie_child(const struct tuff_trie *trie, uint32_t node, uint8_t byte)
{
    if (!trie->n_slots)
        return TUFF_TRIE_NONE;
    uint64_t slot = trie->slots[slot_of(trie, (uint64_t) node << 8 | byte)];
    return slot ? (uint32_t) (slot & (MAX_NODES - 1)) : TUFF_TRIE_NONE;
}

bool tuff_trie_put(struct tuff_trie *trie, const void *text, size_t n, uint32_t value)
{
    const uint8_t *s = text;
    uint32_t node = 0;
    if (!trie->n_nodes && new_node(trie) == TUFF_TRIE_NONE)
        return false;
    for (size_t i = 0; i < n; i++) {
        uint32_t next = tuff_trie_step(trie, node, s[i]);
        if (next == TUFF_TRIE_NONE) {
            next = new_node(trie);
            if (next == TUFF_TRIE_NONE)
                return false;
            if (node == 0) {
                trie->first[s[i]] = next;
            } else {
                if (trie->n_edges * 2 >= trie->n_slots && !grow_slots(trie))
                    return false;
                uint64_t edge = (uint64_t) node << 8 | s[i];
                trie->slots[slot_of(trie, edge)] = edge << 28 | next;
                trie->n_edges++;
            }
        }
        node = next;
    }
    trie->values[node] = value;
    return true;
}

uint32_t tuff_trie_longest(const struct tuff_trie *trie, const uint8_t *s, size_t n,
                           size_t *length)
{
    uint32_t node = 0, best = TUFF_TRIE_NONE;
    for (size_t i = 0; i < n; i++) {
        node = tuff_trie_step(trie, node, s[i]);
        if (node == TUFF_TRIE_NONE)
            break;
        if (trie->values[node] != TUFF_TRIE_NONE) {
            best = trie->values[node];
            *length = i + 1;
        }
    }
    return best;
}
