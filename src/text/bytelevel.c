/* text/bytelevel: see bytelevel.h. */
#include "text/bytelevel.h"
#include "text/unicode.h"

/* The bytes that do not stand for themselves are 00-20, 7F-A0 and AD: 33 + 34 + 1. */
uint32_t tuff_byte_to_char(uint8_t byte)
{
    if (byte <= 0x20)
        return 0x100u + byte;
    if (byte >= 0x7f && byte <= 0xa0)
        return 0x121u + (byte - 0x7fu);
    return byte == 0xad ? 0x143u : byte;
}

int tuff_char_to_byte(uint32_t cp)
{
    if (cp >= 0x100 && cp <= 0x120)
        return (int) cp - 0x100;
    if (cp >= 0x121 && cp <= 0x142)
        return (int) cp - 0x121 + 0x7f;
    if (cp == 0x143)
        return 0xad;
    return cp <= 0xff && tuff_byte_to_char((uint8_t) cp) == cp ? (int) cp : -1;
}

size_t tuff_byte_to_utf8(uint8_t byte, char out[3])
{
    uint32_t cp = tuff_byte_to_char(byte);
    size_t n = 0;
    if (cp < 0x80) {
        out[n++] = (char) cp;
    } else {
        out[n++] = (char) (0xc0 | cp >> 6);
        out[n++] = (char) (0x80 | (cp & 0x3f));
    }
    out[n] = 0;
    return n;
}

size_t tuff_token_bytes(const char *text, size_t n, uint8_t *out)
{
    const uint8_t *s = (const uint8_t *) text;
    size_t n_out = 0;
    for (size_t i = 0; i < n;) {
        struct tuff_utf8 c = tuff_utf8_next(s + i, n - i);
        int byte = c.kind == TUFF_UTF8_VALID ? tuff_char_to_byte(c.cp) : -1;
        if (byte < 0) {
            memcpy(out, text, n);
            return n;
        }
        out[n_out++] = (uint8_t) byte;
        i += c.length;
    }
    return n_out;
}

void tuff_bytelevel_spell(const struct tuff_piece *in, struct tuff_normal *out)
{
    for (size_t i = 0; i < in->n; i++) {
        char text[3];
        size_t n = tuff_byte_to_utf8(in->s[i], text);
        tuff_normal_add(out, text, n, tuff_piece_range(in, i, i + 1));
    }
}
