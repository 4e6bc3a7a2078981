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
/* Writes a character as UTF-8 and returns its length, 1 to 4. */
size_t tuff_utf8_put(uint32_t cp, uint8_t out[4]);
/* As LETTER, NUMBER, SPACE say, for a character at a time. */
static inline bool tuff_char_is_space(uint32_t cp)
{
    return cp < 128 ? tuff_ascii_class[cp] == TUFF_CHAR_SPACE
                    : tuff_char_class(cp) == TUFF_CHAR_SPACE;
}
/* ASCII punctuation (symbols such as $ and + too), or Unicode category P. */
bool tuff_char_is_punctuation(uint32_t cp);
/* Categories Cc, Cf, Co, Cs. */
bool tuff_char_is_control(uint32_t cp);
bool tuff_char_is_nonspacing_mark(uint32_t cp); /* category Mn */
bool tuff_char_is_mark(uint32_t cp);            /* category M */
/* The ideographs that BERT sets apart (no kana, no hangul). */
bool tuff_char_is_chinese(uint32_t cp);
/* The lower case of one character: one character, or two for U+0130; returns how many. */
size_t tuff_char_lower(uint32_t cp, uint32_t out[2]);
/* \w of Unicode regular expressions: alphabetic, mark, decimal digit, connector, joiner. */
bool tuff_char_is_word(uint32_t cp);

#endif
