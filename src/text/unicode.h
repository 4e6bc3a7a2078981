/* text/unicode: UTF-8 one character at a time, and the classes of characters that tokenizers cut
 * words by. */
#ifndef TUFF_TEXT_UNICODE_H
#define TUFF_TEXT_UNICODE_H

#include "base/base.h"

enum tuff_utf8_kind {
    TUFF_UTF8_VALID,
    TUFF_UTF8_INVALID,   /* `length` bytes that count as one U+FFFD */
    TUFF_UTF8_INCOMPLETE /* the text ends inside a character that is good so far */
};
struct tuff_utf8 {
    uint32_t cp;
    uint32_t length;
    enum tuff_utf8_kind kind;
};
/* The character at s; n > 0. */
struct tuff_utf8 tuff_utf8_next(const uint8_t *s, size_t n);
bool tuff_utf8_is_valid(const uint8_t *s, size_t n);
/* Appends s with U+FFFD in place of what is not UTF-8. With `rest`, an incomplete character at the
 * end is left out and *rest is its length; without, it counts as invalid. */
void tuff_utf8_add_lossy(struct tuff_text *out, const uint8_t *s, size_t n, size_t *rest);

enum tuff_char_class { TUFF_CHAR_OTHER, TUFF_CHAR_LETTER, TUFF_CHAR_NUMBER, TUFF_CHAR_SPACE };
/* LETTER is \p{L}, NUMBER \p{N}, SPACE \s (White_Space), of Unicode 16 or, if newer, the version
 * that utf8proc knows. */
enum tuff_char_class tuff_char_class(uint32_t cp);
/* The same for cp < 128, for inner loops. */
extern const uint8_t tuff_ascii_class[128];
/* Appends the letters or numbers that Unicode has got since version 14, as the members of a regular
 * expression's class: "\x{...}-\x{...}...". */
void tuff_char_newer(struct tuff_text *out, enum tuff_char_class class);
/* \w of Unicode regular expressions: alphabetic, mark, decimal digit, connector, joiner. */
bool tuff_char_is_word(uint32_t cp);

#endif
