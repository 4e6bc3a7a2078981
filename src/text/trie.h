/* text/trie: a set of byte strings, each with a number, walked byte by byte. All edges are in one
 * hash table, so a step costs one look-up whatever the number of children. */
#ifndef TUFF_TEXT_TRIE_H
#define TUFF_TEXT_TRIE_H

#include "base/base.h"

#define TUFF_TRIE_NONE UINT32_MAX

/* Zero-initialise. Node 0 is the root; there is none in an empty trie. */
struct tuff_trie {
    uint64_t *slots; /* node (28 bits), byte (8), child (28); 0: free */
    size_t n_slots, n_edges;
    unsigned shift;
    uint32_t *values; /* by node; TUFF_TRIE_NONE: no string ends here */
    size_t n_nodes, cap;
    uint32_t first[256]; /* children of the root; 0: none */
};
void tuff_trie_fini(struct tuff_trie *trie);
/* A string that is there already takes the new value. false: out of memory or of nodes (2^28). */
bool tuff_trie_put(struct tuff_trie *trie, const void *text, size_t n, uint32_t value);
/* The child of a node other than the root, or TUFF_TRIE_NONE. */
uint32_t tuff_trie_child(const struct tuff_trie *trie, uint32_t node, uint8_t byte);

/* One step down from any node. */
static inline uint32_t tuff_trie_step(const struct tuff_trie *trie, uint32_t node, uint8_t byte)
{
    if (node == 0)
        return trie->first[byte] ? trie->first[byte] : TUFF_TRIE_NONE;
    return tuff_trie_child(trie, node, byte);
}
/* The value of the longest string that s starts with, and its length; TUFF_TRIE_NONE. */
uint32_t tuff_trie_longest(const struct tuff_trie *trie, const uint8_t *s, size_t n,
                           size_t *length);

#endif
