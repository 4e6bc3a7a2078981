/* text/component: what the readers of tokenizer.json's components share. */
#ifndef TUFF_TEXT_COMPONENT_H
#define TUFF_TEXT_COMPONENT_H

#include "base/json.h"
#include "text/regex.h"

/* The "type" of a component; TUFF_E_FORMAT naming `what` when there is none. */
enum tuff_status tuff_component_type(struct tuff_ctx *ctx, const char *name, const char *what,
                                     const json_t *json, const char **type);
/* "pattern": {"Regex": ...} or {"String": ...} of a component of type `what`. */
enum tuff_status tuff_regex_from_json(struct tuff_ctx *ctx, const char *name, const char *what,
                                      const json_t *json, struct tuff_regex **regex);
/* A required member that is one character. */
enum tuff_status tuff_component_char(struct tuff_ctx *ctx, const char *name, const char *what,
                                     const json_t *json, const char *key, uint32_t *cp);
/* A required array of a text and an id, such as ["[SEP]", 3]. */
enum tuff_status tuff_component_pair(struct tuff_ctx *ctx, const char *name, const char *what,
                                     const json_t *json, const char *key, uint32_t *id);

#endif
