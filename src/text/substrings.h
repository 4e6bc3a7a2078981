/* text/substrings: the substrings that repeat in a set of words, each with how often. */
#ifndef TUFF_TEXT_SUBSTRINGS_H
#define TUFF_TEXT_SUBSTRINGS_H

#include "text/word_count.h"

struct tuff_substring {
    const uint32_t *chars; /* into the set's text */
    uint32_t n, count;     /* characters; occurrences, each word counted once */
};
/* Zero-initialise. Sorted by n × count, largest first. */
struct tuff_substrings {
    struct tuff_substring *items;
    size_t n, cap;
    uint32_t *text; /* the words' characters, 0 after each */
    size_t n_text;
};
void tuff_substrings_fini(struct tuff_substrings *set);
/* Finds those of 2 to max_length characters that occur at least twice and are followed by
 * different characters: the inner nodes of the suffix tree. All others are longer in all their
 * places. false: out of memory. O(n log n) comparisons of at most max_length + 1 characters. */
bool tuff_substrings_find(const struct tuff_word_counts *words, uint32_t max_length,
                          struct tuff_substrings *set);

#endif
