/* base/json: jansson with errors that name the file, and member look-ups with types. */
#ifndef TUFF_JSON_H
#define TUFF_JSON_H

#include "base/base.h"

#include <jansson.h>

/* Parses a JSON text that came from `name` (a path, for the error). The caller json_decref's. */
enum tuff_status tuff_json_parse(struct tuff_ctx *ctx, const char *name, const void *text,
                                 size_t size, json_t **root);
enum tuff_status tuff_json_load(struct tuff_ctx *ctx, const char *path, json_t **root);
/* Atomic, two-space indent, key order kept, newline at the end. */
enum tuff_status tuff_json_save(struct tuff_ctx *ctx, const char *path, const json_t *root);

/* Optional members: absent or null leaves *out as it was; a wrong type is TUFF_E_FORMAT naming the
 * file and the key. */
enum tuff_status tuff_json_int(struct tuff_ctx *ctx, const char *name, const json_t *object,
                               const char *key, int64_t *out);
enum tuff_status tuff_json_real(struct tuff_ctx *ctx, const char *name, const json_t *object,
                                const char *key, double *out);
enum tuff_status tuff_json_bool(struct tuff_ctx *ctx, const char *name, const json_t *object,
                                const char *key, bool *out);
/* Borrowed from the object. */
enum tuff_status tuff_json_string(struct tuff_ctx *ctx, const char *name, const json_t *object,
                                  const char *key, const char **out);

/* The member of that name; or where there is none, and `path` has dots as "meta.text", the member of a
 * member. Of arrays numbers from 0 are the names. NULL: there is none. */
const json_t *tuff_json_at(const json_t *value, const char *path);
/* TUFF_E_FORMAT: there is none, but what else is where the path ends. */
enum tuff_status tuff_json_not_at(struct tuff_ctx *ctx, const char *where, const json_t *value,
                                  const char *path);

#endif
