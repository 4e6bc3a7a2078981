/* text/merge_train: the state of training by joining pairs, for merge_train.c and its other order,
 * likelihood_train.c. */
#ifndef TUFF_TEXT_MERGE_TRAIN_H
#define TUFF_TEXT_MERGE_TRAIN_H

#include "text/train.h"

#define TUFF_MERGE_REPORT_EVERY 64

struct tuff_positions { /* indices of words, each once */
    uint32_t *items;
    size_t n, cap;
};
struct tuff_pair {
    uint32_t a, b;
    int64_t count;
    struct tuff_positions fresh; /* words where the current merge made it appear */
};
struct tuff_candidate {
    uint64_t count; /* when it was queued */
    uint32_t a, b;
    uint32_t pair; /* index */
    struct tuff_positions positions;
};
struct tuff_train_word {
    uint32_t *symbols;
    uint32_t n;
    int64_t count;
};

struct tuff_merge_trainer {
    struct tuff_ctx *ctx;
    const struct tuff_merge_params *params;
    struct tuff_tokenizer *tok;
    struct tuff_train_word *words;
    size_t n_words;
    uint32_t *symbols;   /* of all words */
    struct {
        uint32_t *items;
        size_t n, cap;
    } lengths; /* of the tokens, in symbols */
    struct {
        struct tuff_pair *items;
        size_t n, cap;
    } pairs;
    uint32_t *slots; /* pairs by (a, b) */
    size_t n_slots;
    struct {
        struct tuff_candidate *items;
        size_t n, cap;
    } queue;
    struct {
        uint32_t *items; /* pairs with fresh positions */
        size_t n, cap;
    } touched;
    /* For the likelihood only: */
    struct tuff_positions *pairs_of; /* by symbol: the pairs it is part of */
    double *counts;             /* by symbol */
    size_t n_lists;             /* of both */
    double merged;              /* occurrences that the current merge joined */
    struct {
        struct tuff_scored {
            double score;
            uint32_t pair;
        } *items;
        size_t n, cap;
    } scored;
};

/* The id of a's text followed by b's, new or (reached by another way, or special) known. */
enum tuff_status tuff_merge_joined(struct tuff_merge_trainer *t, uint32_t a, uint32_t b, uint32_t *into);
/* Joins a and b wherever they meet in the word, left to right, and tells the neighbours' pairs.
 * false: out of memory. */
bool tuff_merge_in_word(struct tuff_merge_trainer *t, uint32_t index, uint32_t a, uint32_t b, uint32_t into);
/* Joins pairs by the likelihood ratio until the vocabulary is full. */
enum tuff_status tuff_merge_likely(struct tuff_merge_trainer *t, uint32_t vocab_size);

#endif
