/* data/corpus.h: which files there are. */
#ifndef TUFF_DATA_CORPUS_H
#define TUFF_DATA_CORPUS_H

#include "tuff/data.h"

/* As tuff_corpus_init; of folders the files with one of these endings, NULL-ended: ".txt", ... */
enum tuff_status tuff_corpus_find(struct tuff_ctx *ctx, const char *const *paths, size_t n,
                                  const char *const *endings, struct tuff_corpus *corpus);

#endif
