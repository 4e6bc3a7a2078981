/* Datasets: records of named fields in files of text, JSON, CSV or TSV, by number or as a stream. */
#ifndef TUFF_DATASET_H
#define TUFF_DATASET_H

#include "tuff/data.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a file is, is told by its name's end:
 *     .txt                    a record a line, lines without text left out; or a record a file (`whole`).
 *                             Its fields are "text" and "label", the name of the folder the file is in
 *     .jsonl .ndjson .json    an object a line, or one array of objects
 *     .csv .tsv               RFC 4180: the first row names the fields; a field in double quotes may hold
 *                             separators, line ends and, doubled, quotes. Rows without text are left out
 * UTF-8, with or without a byte order mark; lines end in LF or CR LF. Of folders all such files in them and
 * below are taken, sorted by byte; they must be of one of these kinds: else TUFF_E_ARG names two. */
struct tuff_field {
    const char *name; /* what the file calls it: a column; a member of an object or, where it has none of that
                         name, "meta.text": a member of a member. Of lists numbers from 0 are the names */
    bool optional;    /* records may lack it */
};
struct tuff_dataset_params {
    const char *const *paths;
    size_t n_paths;
    const struct tuff_field *fields; /* those wanted; copied, names too */
    size_t n_fields;
    bool whole;
};

/* One field of one record. JSON's numbers and booleans are texts as they were written: 1, true. */
struct tuff_value {
    const char *text;         /* NUL-terminated; NULL: a list, or not there */
    const char *const *items; /* of a JSON array */
    size_t n_items;
};
struct tuff_record {
    struct tuff_value *values; /* n_fields, in the order of params.fields */
    char where[304];           /* "reviews.csv:17", for messages */
    void *memory;              /* of the above */
};
TUFF_API void tuff_record_fini(struct tuff_record *record);

/* ---- by number ---- */

/* Files stay mapped; 16 bytes of host memory a record. Reading from several threads is safe. */
struct tuff_dataset;
/* TUFF_E_IO: no such path. TUFF_E_FORMAT names file and line: a CSV file without a wanted column (it lists
 * those there are), a quote that is not closed. TUFF_E_ARG: not one record. */
TUFF_API enum tuff_status tuff_dataset_open(struct tuff_ctx *ctx,
                                            const struct tuff_dataset_params *params,
                                            struct tuff_dataset **dataset);
/* Accepts NULL. */
TUFF_API void tuff_dataset_close(struct tuff_dataset *dataset);
TUFF_API size_t tuff_dataset_count(const struct tuff_dataset *dataset);
/* The i-th, in the files' order. *record is the caller's to fini. TUFF_E_FORMAT: what the file holds there is
 * no such record: names file, line and field. */
TUFF_API enum tuff_status tuff_dataset_get(struct tuff_ctx *ctx, const struct tuff_dataset *dataset,
                                           size_t i, struct tuff_record *record);
/* The distinct texts of a field (of lists: of their items), sorted: as numbers if all are, else by byte. The
 * caller frees *names, one block. */
TUFF_API enum tuff_status tuff_dataset_labels(struct tuff_ctx *ctx,
                                              const struct tuff_dataset *dataset, size_t field,
                                              const char ***names, size_t *n);

/* ---- as a stream ---- */

/* Reads on and on, in bounded memory whatever the files' size: a record is drawn from the next `buffer` ones by
 * the seed (0 or 1: in order). Position: seed, epoch and records given in it; what comes is a function of that, so
 * a stream created at a position goes on as if it had never stopped (it passes over what was given: a scan for
 * line ends, without parsing). */
struct tuff_dataset_stream;
TUFF_API enum tuff_status tuff_dataset_stream_create(struct tuff_ctx *ctx,
                                                     const struct tuff_dataset_params *params,
                                                     size_t buffer,
                                                     const struct tuff_data_position *position,
                                                     struct tuff_dataset_stream **stream);
/* Accepts NULL. */
TUFF_API void tuff_dataset_stream_destroy(struct tuff_dataset_stream *stream);
/* The next record, the caller's to fini; behind an epoch's last comes the next epoch's first. *position, which
 * may be NULL, receives where the one after it is. */
TUFF_API enum tuff_status tuff_dataset_stream_next(struct tuff_dataset_stream *stream,
                                                   struct tuff_record *record,
                                                   struct tuff_data_position *position);

#ifdef __cplusplus
}
#endif
#endif
