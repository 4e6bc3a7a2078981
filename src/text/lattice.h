/* text/lattice: all ways to cut a word into tokens of a Unigram vocabulary, with the sums over
 * them that training and sampling need. */
#ifndef TUFF_TEXT_LATTICE_H
#define TUFF_TEXT_LATTICE_H

#include "text/model.h"

struct tuff_lattice_node { /* a token at a place */
    uint32_t id, from, to; /* bytes of the word */
    uint32_t next_end;     /* the next node that ends where this one does, or NONE */
    double score;
    double alpha; /* log of the sum, over all ways to `from`, of their probabilities */
    double best;  /* the best way's log-probability, this node included */
    uint32_t before; /* the node before it on that way, or NONE */
};
/* Nodes in the order of their starts. Working memory, used again from word to word. */
struct tuff_lattice {
    struct tuff_lattice_node *items;
    size_t n, cap;
    struct tuff_lattice_place {
        uint32_t first, n;   /* nodes that start here */
        uint32_t ends, last; /* list of the nodes that end here, in order of their starts */
        double alpha, beta;
    } *places; /* n_bytes + 1 of them */
    size_t n_bytes, places_cap;
};
void tuff_lattice_destroy(struct tuff_lattice *lattice); /* accepts NULL */
/* Makes the lattice of a word. A place that no token leaves gets `unk` with unk_score; TUFF_NO_ID
 * there: such a word has no way through. false: out of memory. */
bool tuff_lattice_build(struct tuff_lattice **lattice, const struct tuff_trie *trie,
                        const double *scores, uint32_t unk, double unk_score, const uint8_t *word,
                        size_t n);
/* Adds count × P(token | word) to expected[id] for every token (the E step) and returns
 * count × log P(word). */
double tuff_lattice_marginal(struct tuff_lattice *lattice, double count, double *expected);
/* The best way: its nodes' indices into *out (room for n_bytes), first token first. */
size_t tuff_lattice_best(struct tuff_lattice *lattice, uint32_t *out);
/* The second best way as well, when there is one. */
bool tuff_lattice_second_best(struct tuff_lattice *lattice, uint32_t *out, size_t *n, bool *found);
/* Fills a path with a segmentation drawn from P^alpha, of all or of the n best. */
enum tuff_status tuff_lattice_sample_path(struct tuff_ctx *ctx, const struct tuff_unigram *u,
                                          struct tuff_model_scratch *scratch, const uint8_t *word,
                                          size_t n, struct tuff_path_node *path);

#endif
