/* data/position: a place in the data as JSON, for checkpoints. */
#ifndef TUFF_POSITION_H
#define TUFF_POSITION_H

#include "base/json.h"
#include "tuff/data.h"

/* {"seed": "7", "epoch": "0", "index": "128"}: texts, since JSON numbers stop at 2^63. NULL when
 * memory is exhausted. */
json_t *tuff_position_to_json(const struct tuff_data_position *position);
/* `name` is the file it came from, for the error. */
enum tuff_status tuff_position_from_json(struct tuff_ctx *ctx, const char *name, const json_t *json,
                                         struct tuff_data_position *position);

#endif
