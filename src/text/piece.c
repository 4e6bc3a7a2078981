/* text/piece: see piece.h. */
#include "text/piece.h"

struct tuff_range tuff_piece_range(const struct tuff_piece *p, size_t from, size_t to)
{
    if (p->align)
        return (struct tuff_range){p->align[from].from, p->align[to - 1].to};
    while (from > 0 && (p->s[from] & 0xc0) == 0x80)
        from--;
    while (to < p->n && (p->s[to] & 0xc0) == 0x80)
        to++;
    return (struct tuff_range){p->start + (uint32_t) from, p->start + (uint32_t) to};
}

void tuff_normal_fini(struct tuff_normal *normal)
{
    free(normal->s);
    free(normal->align);
    *normal = (struct tuff_normal){0};
}

/* Room for n more bytes. */
static bool reserve(struct tuff_normal *normal, size_t n)
{
    if (normal->failed || !tuff_grow((void **) &normal->s, &normal->cap, normal->n + n + 1, 1) ||
        (normal->tracked && !tuff_grow((void **) &normal->align, &normal->align_cap,
                                       normal->n + n + 1, sizeof *normal->align)))
        normal->failed = true;
    return !normal->failed;
}

void tuff_normal_add(struct tuff_normal *normal, const void *bytes, size_t n,
                     struct tuff_range range)
{
    if (!n || !reserve(normal, n))
        return;
    memcpy(normal->s + normal->n, bytes, n);
    if (normal->tracked)
        for (size_t i = 0; i < n; i++)
            normal->align[normal->n + i] = range;
    normal->n += n;
}

void tuff_normal_add_char(struct tuff_normal *normal, uint32_t cp, struct tuff_range range)
{
    uint8_t bytes[4];
    tuff_normal_add(normal, bytes, tuff_utf8_put(cp, bytes), range);
}

void tuff_normal_copy(struct tuff_normal *normal, const struct tuff_piece *p, size_t from,
                      size_t to)
{
    if (from >= to || !reserve(normal, to - from))
        return;
    memcpy(normal->s + normal->n, p->s + from, to - from);
    if (normal->tracked && p->align)
        memcpy(normal->align + normal->n, p->align + from, (to - from) * sizeof *p->align);
    for (size_t i = from; normal->tracked && !p->align && i < to;) {
        size_t length = tuff_utf8_next(p->s + i, p->n - i).length;
        struct tuff_range range = tuff_piece_range(p, i, i + length);
        for (size_t k = 0; k < length; k++)
            normal->align[normal->n + i - from + k] = range;
        i += length;
    }
    normal->n += to - from;
}

struct tuff_piece tuff_normal_piece(const struct tuff_normal *normal, const struct tuff_piece *from)
{
    return (struct tuff_piece){normal->s ? normal->s : (const uint8_t *) "", normal->n,
                               normal->tracked ? normal->align : NULL, from->start};
}
