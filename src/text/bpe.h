/* text/bpe: the model. A merge (a, b) says that the neighbours a and b become one token; merges
 * are tried in the order of their ranks. */
#ifndef TUFF_TEXT_BPE_H
#define TUFF_TEXT_BPE_H

#include "base/rng.h"
#include "text/vocab.h"
#include "tuff/tokenizer.h"

struct tuff_merge {
    uint32_t a, b, rank, into; /* into: the id of the joined token */
};
/* Zero-initialise. */
struct tuff_bpe {
    struct tuff_merge *slots; /* open addressing by (a, b); a == TUFF_NO_ID: free */
    size_t n_slots, n_merges;
    unsigned shift; /* 64 - log2(n_slots) */
    /* Words are raw bytes and a symbol is one of them; otherwise words are text and a symbol is a
     * character, with `prefix` before all but the word's first, `suffix` after its last. */
    bool raw_bytes;
    uint32_t byte_ids[256];     /* raw bytes: their tokens, or TUFF_NO_ID */
    const char *prefix, *suffix; /* borrowed from the settings; "" for none */
    uint32_t unk;               /* stands for symbols without a token; TUFF_NO_ID: they vanish */
    bool fuse_unk;              /* a row of them is one */
    bool byte_fallback;         /* characters without a token become the tokens of their bytes */
    uint32_t fallback_ids[256]; /* of "<0x00>" and so on, or TUFF_NO_ID */
    bool ignore_merges;         /* a word that is a token is that token */
    double dropout;             /* the part of merges left out at random */
};
void tuff_bpe_fini(struct tuff_bpe *bpe);
/* A pair that is already there takes the new rank. false: out of memory. */
bool tuff_bpe_put(struct tuff_bpe *bpe, uint32_t a, uint32_t b, uint32_t rank, uint32_t into);
/* NULL: the pair does not merge. */
const struct tuff_merge *tuff_bpe_find(const struct tuff_bpe *bpe, uint32_t a, uint32_t b);
/* Copies the merges in rank order into `out`, which has room for n_merges. */
void tuff_bpe_ranked(const struct tuff_bpe *bpe, struct tuff_merge *out);

/* Working memory of one thread. Zero-initialise. */
struct tuff_bpe_scratch {
    struct tuff_bpe_node *nodes;
    size_t nodes_cap;
    struct {
        uint64_t *items;
        size_t n, cap;
    } heap, skipped;
};
void tuff_bpe_scratch_fini(struct tuff_bpe_scratch *scratch);
/* Appends the ids of one word of n < 2^31 raw bytes. false: out of memory. O(n log n). */
bool tuff_bpe_word(const struct tuff_bpe *bpe, struct tuff_bpe_scratch *scratch,
                   const uint8_t *word, size_t n, struct tuff_ids *ids);
/* Merges *n symbols in place, and adds up their lengths (may be NULL). With a generator each merge
 * that comes up is left out with probability `dropout`, as Provilkov et al. 2020
 * (arXiv:1910.13267) do it. */
bool tuff_bpe_merge(const struct tuff_bpe *bpe, struct tuff_bpe_scratch *scratch, uint32_t *ids,
                    uint32_t *lengths, size_t *n, double dropout, struct tuff_rng *rng);

#endif
