/* text/piece: a part of a text on its way through normalizers and pre-tokenizers, which may
 * remember for each of its bytes where in the original text that came from. */
#ifndef TUFF_TEXT_PIECE_H
#define TUFF_TEXT_PIECE_H

#include "text/unicode.h"

struct tuff_range { /* of bytes of the original text */
    uint32_t from, to;
};
struct tuff_piece {
    const uint8_t *s; /* valid UTF-8 */
    size_t n;
    /* One range a byte, that of the whole character; NULL: byte i is byte start + i of the
     * original, or nobody asked. */
    const struct tuff_range *align;
    uint32_t start; /* where it starts in the original */
};
/* The same without its first `from` bytes and what lies at `to` and beyond. from < to <= n, both
 * between characters. */
static inline struct tuff_piece tuff_piece_slice(const struct tuff_piece *p, size_t from, size_t to)
{
    return (struct tuff_piece){p->s + from, to - from, p->align ? p->align + from : NULL,
                               p->align ? p->align[from].from : p->start + (uint32_t) from};
}
/* What the bytes [from, to) came from, widened to whole characters; from < to <= n. */
struct tuff_range tuff_piece_range(const struct tuff_piece *p, size_t from, size_t to);

/* A text being made out of pieces. Zero-initialise, set `tracked`; `failed` is sticky. */
struct tuff_normal {
    uint8_t *s;
    size_t n, cap;
    struct tuff_range *align; /* as long as s when tracked */
    size_t align_cap;
    bool tracked, failed;
};
void tuff_normal_fini(struct tuff_normal *normal);
/* Appends bytes that came from one place. */
void tuff_normal_add(struct tuff_normal *normal, const void *bytes, size_t n,
                     struct tuff_range range);
void tuff_normal_add_char(struct tuff_normal *normal, uint32_t cp, struct tuff_range range);
/* Appends the bytes [from, to) of a piece as they are. */
void tuff_normal_copy(struct tuff_normal *normal, const struct tuff_piece *p, size_t from,
                      size_t to);
/* The whole text as a piece that starts where `from` does. */
struct tuff_piece tuff_normal_piece(const struct tuff_normal *normal,
                                    const struct tuff_piece *from);

#endif
