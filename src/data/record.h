/* data/record.h: records of instruction data, whatever form they have, as messages. */
#ifndef TUFF_DATA_RECORD_H
#define TUFF_DATA_RECORD_H

#include "base/json.h"

/* Calls `take` for each record of a file, an array of JSON, a line each or a table's row, whose values are
 * texts; `where` is "FILE:LINE" or "FILE: record N". Stops at the first failure. */
typedef enum tuff_status (*tuff_record_fn)(void *user, const char *where, const json_t *record);
enum tuff_status tuff_records_read(struct tuff_ctx *ctx, const char *path, tuff_record_fn take,
                                   void *user);
/* Where a record has what: paths as of tuff_json_at, NULL: as usual. */
struct tuff_record_fields {
    const char *prompt, *input, *answer, *system, *messages;
    char *memory; /* of these */
};
/* "prompt=meta.question,answer=answers.0"; NULL: all as usual. */
enum tuff_status tuff_record_fields_parse(struct tuff_ctx *ctx, const char *text,
                                          struct tuff_record_fields *fields);
void tuff_record_fields_free(struct tuff_record_fields *fields);
/* [{"role", "content"}, ...], the caller's; empty where there is nothing to learn from: no answer, or
 * an empty one. NULL with the failure in ctx. */
json_t *tuff_record_messages(struct tuff_ctx *ctx, const char *where, const json_t *record,
                             const struct tuff_record_fields *fields);

#endif
