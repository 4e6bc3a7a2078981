/* data/source: the files of a dataset, cut into records; see tuff/dataset.h. */
#ifndef TUFF_DATA_SOURCE_H
#define TUFF_DATA_SOURCE_H

#include "base/json.h"
#include "base/os.h"
#include "tuff/dataset.h"

enum tuff_source_kind { TUFF_SOURCE_TEXT, TUFF_SOURCE_LINES, TUFF_SOURCE_ARRAY, TUFF_SOURCE_TABLE };
struct tuff_source_file {
    char *path;
    struct tuff_map map;
    enum tuff_source_kind kind;
    json_t *root;      /* of an array */
    char separator;    /* of a table */
    size_t start;      /* of its first record */
    size_t start_line; /* the same, as a line */
    size_t columns;
    int *column;       /* of each wanted field; -1: it has none */
};
struct tuff_source {
    struct tuff_corpus files;
    struct tuff_source_file *file; /* files.n */
    struct tuff_field *fields;
    size_t n_fields;
    bool whole;
    struct tuff_arena memory; /* names */
};
/* A record's place: bytes of its file; of an array the number of its element. */
struct tuff_slice {
    uint32_t file, line;
    uint64_t begin;
};
/* Where a scan is; zero: at the beginning. */
struct tuff_cursor {
    size_t file;
    uint64_t at;   /* of the next; 0: not begun */
    size_t line;   /* from 1 */
};

/* After a failure too tuff_source_fini frees what there is. */
enum tuff_status tuff_source_init(struct tuff_ctx *ctx, const struct tuff_dataset_params *params,
                                  struct tuff_source *source);
void tuff_source_fini(struct tuff_source *source);
/* *have is false behind the last. */
enum tuff_status tuff_source_next(struct tuff_ctx *ctx, const struct tuff_source *source,
                                  struct tuff_cursor *cursor, struct tuff_slice *slice, bool *have);
enum tuff_status tuff_source_read(struct tuff_ctx *ctx, const struct tuff_source *source,
                                  const struct tuff_slice *slice, struct tuff_record *record);

/* ---- table.c: RFC 4180 ---- */

/* Between fields, as the file's name says. */
char tuff_table_separator(const char *path);
/* The end of the row at `at`, behind its line end; *lines grows by the line ends it has. 0: a quote is open at
 * the end of the file. */
size_t tuff_table_row_end(const struct tuff_source_file *file, size_t at, size_t *lines);
/* The fields of the row at `at`, unquoted: *n texts in the arena. TUFF_E_FORMAT, named after `where`. */
enum tuff_status tuff_table_row(struct tuff_ctx *ctx, const struct tuff_source_file *file, size_t at,
                                const char *where, struct tuff_arena *arena, char ***fields,
                                size_t *n);

#endif
