/* text/bytelevel: GPT-2's spelling of bytes as printable characters, so that token texts are
 * readable and hold no blanks. Bytes that are printable Latin-1 stand for themselves; the other 68
 * are U+0100 and up, in order: a space is U+0120, a newline U+010A. */
#ifndef TUFF_TEXT_BYTELEVEL_H
#define TUFF_TEXT_BYTELEVEL_H

#include "text/piece.h"

/* The character that spells a byte. */
uint32_t tuff_byte_to_char(uint8_t byte);
/* As UTF-8 with a NUL; returns its length, 1 or 2. */
size_t tuff_byte_to_utf8(uint8_t byte, char out[3]);
/* The byte a character spells, or -1. */
int tuff_char_to_byte(uint32_t cp);
/* The bytes a token text stands for: decoded character by character, or, when some character
 * spells no byte, the text as it is. `out` has room for n bytes. */
size_t tuff_token_bytes(const char *text, size_t n, uint8_t *out);
/* Appends the spelling of a piece's bytes, each with the place of its character. */
void tuff_bytelevel_spell(const struct tuff_piece *in, struct tuff_normal *out);

#endif
