/* text/charsmap: sentencepiece's compiled normalization rules, as T5's and XLM-R's files carry
 * them: the size of a double array (4 bytes, little-endian), the array, then the replacements,
 * each ended by NUL. A unit of the array holds a label (bits 0-7), a leaf mark (8) and an offset
 * (10-30, times 256 with bit 9); a leaf's value (31 bits) is where its replacement starts. */
#include "text/normalize.h"

#include <utf8proc.h>

/* Clusters of this many bytes and more are looked up character by character. */
#define MAX_CLUSTER 6

struct tuff_charsmap {
    uint32_t *units;
    size_t n_units;
    uint8_t *texts; /* ends with NUL */
    size_t n_texts;
};

enum tuff_status tuff_charsmap_create(struct tuff_ctx *ctx, const char *name, const void *bytes,
                                      size_t n, struct tuff_charsmap **map)
{
    const uint8_t *s = bytes;
    size_t size = n >= 4 ? (size_t) s[0] | (size_t) s[1] << 8 | (size_t) s[2] << 16 |
                               (size_t) s[3] << 24
                         : 0;
    *map = NULL;
    if (n < 4 || size > n - 4 || size % 4)
        return tuff_fail(ctx, TUFF_E_FORMAT,
                         "%s: precompiled_charsmap: a table of %zu bytes in %zu", name, size, n);
    struct tuff_charsmap *made = tuff_calloc(1, sizeof *made);
    if (made) {
        made->n_units = size / 4;
        made->n_texts = n - 4 - size;
        made->units = tuff_calloc(made->n_units + 1, 4);
        made->texts = tuff_calloc(made->n_texts + 1, 1);
    }
    if (!made || !made->units || !made->texts) {
        tuff_charsmap_destroy(made);
        return tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", name);
    }
    for (size_t i = 0; i < made->n_units; i++) {
        const uint8_t *u = s + 4 + 4 * i;
        made->units[i] = (uint32_t) u[0] | (uint32_t) u[1] << 8 | (uint32_t) u[2] << 16 |
                         (uint32_t) u[3] << 24;
    }
    memcpy(made->texts, s + 4 + size, made->n_texts);
    if (!tuff_utf8_is_valid(made->texts, made->n_texts)) {
        tuff_charsmap_destroy(made);
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: precompiled_charsmap: replacements that are "
                         "not UTF-8", name);
    }
    *map = made;
    return TUFF_OK;
}

void tuff_charsmap_destroy(struct tuff_charsmap *map)
{
    if (!map)
        return;
    free(map->units);
    free(map->texts);
    free(map);
}

static uint32_t offset_of(uint32_t unit)
{
    return (unit >> 10) << ((unit & 0x200) >> 6);
}

/* What replaces the characters, or NULL: the entry of the shortest key that they start with, as
 * Hugging Face's tokenizers have it, or where *length is asked for of the longest, which is
 * sentencepiece's own rule, and its length. */
static const char *replacement(const struct tuff_charsmap *map, const uint8_t *s, size_t n,
                               size_t *length)
{
    const char *found = NULL;
    if (!map->n_units)
        return NULL;
    uint32_t at = offset_of(map->units[0]);
    for (size_t i = 0; i < n && s[i]; i++) {
        at ^= s[i];
        if (at >= map->n_units || (map->units[at] & 0x800000ffu) != s[i])
            return found;
        bool leaf = map->units[at] & 0x100;
        at ^= offset_of(map->units[at]);
        if (!leaf)
            continue;
        size_t text = at < map->n_units ? map->units[at] & 0x7fffffff : SIZE_MAX;
        /* Inside a character a damaged table would make text that is not UTF-8. */
        if (text > map->n_texts || (map->texts[text] & 0xc0) == 0x80)
            return found;
        found = (const char *) map->texts + text;
        if (!length)
            return found;
        *length = i + 1;
    }
    return found;
}

/* The k-th new character stands for the k-th old one, all further ones for the last. */
static void put(struct tuff_normal *out, const struct tuff_piece *in, size_t from, size_t to,
                const char *text)
{
    size_t n = strlen(text), old = from;
    for (size_t i = 0; i < n;) {
        size_t length = tuff_utf8_next((const uint8_t *) text + i, n - i).length;
        size_t old_length = tuff_utf8_next(in->s + old, to - old).length;
        tuff_normal_add(out, text + i, length, tuff_piece_range(in, old, old + old_length));
        if (old + old_length < to)
            old += old_length;
        i += length;
    }
}

/* Where the cluster (what a reader calls one character) that starts at i ends. */
static size_t cluster_end(const struct tuff_piece *in, size_t i)
{
    utf8proc_int32_t state = 0;
    struct tuff_utf8 c = tuff_utf8_next(in->s + i, in->n - i);
    for (i += c.length; i < in->n; i += c.length) {
        utf8proc_int32_t before = (utf8proc_int32_t) c.cp;
        c = tuff_utf8_next(in->s + i, in->n - i);
        if (utf8proc_grapheme_break_stateful(before, (utf8proc_int32_t) c.cp, &state))
            break;
    }
    return i;
}

/* From every character on the longest key that fits; sentencepiece knows no clusters. */
static void replace_longest(const struct tuff_charsmap *map, const struct tuff_piece *in,
                            struct tuff_normal *out)
{
    for (size_t i = 0; i < in->n;) {
        size_t length = 0, first = tuff_utf8_next(in->s + i, in->n - i).length;
        const char *text = replacement(map, in->s + i, in->n - i, &length);
        /* A damaged table may have keys that end inside a character. */
        if (text && (i + length == in->n || (in->s[i + length] & 0xc0) != 0x80)) {
            put(out, in, i, i + length, text);
            i += length;
        } else {
            tuff_normal_copy(out, in, i, i + first);
            i += first;
        }
    }
}

enum tuff_status tuff_normalize_precompiled(struct tuff_ctx *ctx,
                                            const struct tuff_normalize_step *step,
                                            const struct tuff_piece *in, struct tuff_normal *out)
{
    (void) ctx;
    if (step->longest)
        replace_longest(step->charsmap, in, out);
    for (size_t i = 0; i < in->n && !step->longest;) {
        size_t end = cluster_end(in, i);
        const char *text =
            end - i < MAX_CLUSTER ? replacement(step->charsmap, in->s + i, end - i, NULL) : NULL;
        if (text) {
            put(out, in, i, end, text);
            i = end;
        }
        while (i < end) {
            size_t length = tuff_utf8_next(in->s + i, in->n - i).length;
            text = replacement(step->charsmap, in->s + i, length, NULL);
            if (text)
                put(out, in, i, i + length, text);
            else
                tuff_normal_copy(out, in, i, i + length);
            i += length;
        }
    }
    return TUFF_OK;
}
