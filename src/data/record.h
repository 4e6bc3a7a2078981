/* data/record.h: records of instruction data, whatever form they have, as messages. */
#ifndef TUFF_DATA_RECORD_H
#define TUFF_DATA_RECORD_H

#include "base/json.h"

/* Calls `take` for each record of a file, an array of JSON or a line each; `where` is "FILE:LINE" or
 * "FILE: record N". Stops at the first failure. */
typedef enum tuff_status (*tuff_record_fn)(void *user, const char *where, const json_t *record);
enum tuff_status tuff_records_read(struct tuff_ctx *ctx, const char *path, tuff_record_fn take,
                                   void *user);
/* [{"role", "content"}, ...], the caller's; empty where there is nothing to learn from: no answer, or
 * an empty one. NULL with the failure in ctx. */
json_t *tuff_record_messages(struct tuff_ctx *ctx, const char *where, const json_t *record);

#endif
