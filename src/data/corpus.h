/* data/corpus.h: which files there are, and of what kind. */
#ifndef TUFF_DATA_CORPUS_H
#define TUFF_DATA_CORPUS_H

#include "tuff/data.h"

/* What a file's name says by its end: .txt; .jsonl, .ndjson and .json; .csv and .tsv; another. */
enum tuff_file_kind {
    TUFF_FILE_OTHER = 0,
    TUFF_FILE_TEXT = 1,
    TUFF_FILE_JSON = 2,
    TUFF_FILE_TABLE = 4,
    TUFF_FILE_RECORDS = TUFF_FILE_JSON | TUFF_FILE_TABLE
};
enum tuff_file_kind tuff_file_kind(const char *path);

/* As tuff_corpus_init; of folders the files of these kinds, a sum. TUFF_E_ARG where a folder has more than
 * one of them. */
enum tuff_status tuff_corpus_find(struct tuff_ctx *ctx, const char *const *paths, size_t n, unsigned kinds,
                                  struct tuff_corpus *corpus);

#endif
