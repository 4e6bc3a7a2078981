/* text/regex: the regular expressions of Split and Replace, on PCRE2. They are written for
 * Oniguruma (Ruby syntax), which differs in a few places; the pattern is rewritten first. */
#ifndef TUFF_TEXT_REGEX_H
#define TUFF_TEXT_REGEX_H

#include "base/base.h"

struct tuff_regex;
/* `name` is the file, for errors. literal: the pattern is plain text. TUFF_E_UNSUPPORTED for what
 * cannot be rewritten, TUFF_E_FORMAT for what PCRE2 refuses. */
enum tuff_status tuff_regex_compile(struct tuff_ctx *ctx, const char *name, const char *pattern,
                                    size_t n, bool literal, struct tuff_regex **regex);
void tuff_regex_destroy(struct tuff_regex *regex);

typedef enum tuff_status (*tuff_regex_piece_fn)(void *user, const uint8_t *piece, size_t n,
                                                bool is_match);
/* Cuts valid UTF-8 into matches and what lies between them, in order. Only matches can be empty.
 * Thread-safe. */
enum tuff_status tuff_regex_split(struct tuff_ctx *ctx, const struct tuff_regex *regex,
                                  const uint8_t *text, size_t n, tuff_regex_piece_fn fn,
                                  void *user);
/* The rewriting alone. */
enum tuff_status tuff_regex_rewrite(struct tuff_ctx *ctx, const char *name, const char *pattern,
                                    size_t n, struct tuff_text *out);

#endif
