/* text/word_count: how often each word occurs in some files: all that training needs of them. */
#ifndef TUFF_TEXT_WORD_COUNT_H
#define TUFF_TEXT_WORD_COUNT_H

#include "base/base.h"
#include "tuff/tokenizer.h"

struct tuff_counted_word {
    const uint8_t *bytes;
    uint64_t count;
    uint32_t length, hash;
};
/* Zero-initialise. In order of first occurrence. */
struct tuff_word_counts {
    struct tuff_counted_word *items;
    size_t n, cap;
    uint32_t *slots;
    size_t n_slots;
    struct tuff_arena texts;
};
void tuff_word_counts_fini(struct tuff_word_counts *words);

/* Adds the words of the files, line by line: what the tokenizer's normalizer and pre-tokenizer make
 * of them. */
enum tuff_status tuff_word_counts_add_files(struct tuff_ctx *ctx, const struct tuff_tokenizer *tok,
                                            tuff_train_progress_fn progress, void *progress_user,
                                            const char *const *paths, size_t n_paths,
                                            struct tuff_word_counts *words);

#endif
