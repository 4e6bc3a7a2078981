/* Chat templates: an interpreter for the part of Jinja that they are written in, as transformers
 * renders them (trim_blocks and lstrip_blocks on, an immutable sandbox, loop controls, `generation`
 * blocks as plain text, its tojson, raise_exception and strftime_now). Templates and values from
 * outside are hostile: time, memory and nesting are bounded.
 *
 * There: if/elif/else, for (else, filter `if`, break, continue, loop.* but no recursion), set (of
 * names, tuples, namespace members, blocks), macro, call, filter, with, raw, generation; all
 * operators, slices, conditional expressions; Jinja's filters and tests but those for HTML; methods
 * of strings and dicts. Not there, and named with their line: include, import, extends, block,
 * autoescape, recursive loops, integers beyond 64 bits. */
#ifndef TUFF_TEMPLATE_H
#define TUFF_TEMPLATE_H

#include "tuff/error.h"

#ifdef __cplusplus
extern "C" {
#endif

struct tuff_template;
/* `name` stands for the template in error lines. TUFF_E_FORMAT for what is no Jinja,
 * TUFF_E_UNSUPPORTED for what is not there; both name the construct and its line. */
TUFF_API enum tuff_status tuff_template_create(struct tuff_ctx *ctx, const char *name,
                                               const char *text, size_t n,
                                               struct tuff_template **tpl);
/* Accepts NULL. */
TUFF_API void tuff_template_destroy(struct tuff_template *tpl);

struct tuff_template_params {
    double now;        /* seconds since 1970 of strftime_now; 0: the clock's, in local time */
    size_t max_memory; /* bytes while rendering, the result's too; 0: 64 MiB */
    uint64_t max_steps; /* of evaluation, roughly one a node or 16 bytes touched; 0: 20 million */
};
/* `variables`: a JSON object, n bytes: the template's context ("messages", "tools",
 * "add_generation_prompt", "bos_token" ...). *text is the caller's to free(), NUL-terminated,
 * *n_text (may be NULL) its bytes. TUFF_E_ARG with the template's own message where it calls
 * raise_exception; TUFF_E_RANGE where a bound is passed; TUFF_E_FORMAT for what Jinja would refuse
 * (an attribute of an undefined value, say), with the line. One thread at a time a template. */
TUFF_API enum tuff_status tuff_template_render(struct tuff_ctx *ctx,
                                               const struct tuff_template *tpl,
                                               const char *variables, size_t n,
                                               const struct tuff_template_params *params,
                                               char **text, size_t *n_text);

#ifdef __cplusplus
}
#endif
#endif
