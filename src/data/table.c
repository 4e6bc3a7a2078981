/* data/table: rows of CSV and TSV as RFC 4180 has them; see source.h. */
#include "data/source.h"

char tuff_table_separator(const char *path)
{
    size_t n = strlen(path);
    return n && path[n - 3] == 't' ? '\t' : ',';
}

size_t tuff_table_row_end(const struct tuff_source_file *file, size_t at, size_t *lines)
{
    const uint8_t *s = file->map.data;
    bool quoted = false, begins = true; /* a field: elsewhere a quote is text */
    for (; at < file->map.size; at++) {
        if (s[at] == '"' && (quoted || begins))
            quoted = !quoted; /* a doubled one is two */
        *lines += s[at] == '\n';
        if (s[at] == '\n' && !quoted)
            return at + 1;
        begins = !quoted && (s[at] == (uint8_t) file->separator ||
                             (s[at] == '"' && at + 1 < file->map.size && s[at + 1] == '"'));
    }
    return quoted ? 0 : at;
}

/* The field at *at, moved to what ends it: a separator, a line end or the end. */
static enum tuff_status field(struct tuff_ctx *ctx, const struct tuff_source_file *file, size_t *at,
                              const char *where, struct tuff_arena *arena, char **text)
{
    const uint8_t *s = file->map.data;
    size_t size = file->map.size, i = *at, n = 0;
    bool quoted = i < size && s[i] == '"';
    size_t end = i + quoted;
    while (end < size && (quoted ? s[end] != '"' || (end + 1 < size && s[end + 1] == '"')
                                 : s[end] != (uint8_t) file->separator && s[end] != '\n'))
        end += quoted && s[end] == '"' ? 2 : 1;
    char *to = *text = tuff_arena_alloc(arena, end - i + 1);
    if (!to)
        return tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", where);
    for (i += quoted; i < end; i++) {
        to[n++] = (char) s[i];
        i += quoted && s[i] == '"';
    }
    if (quoted)
        end++;
    else if (n && to[n - 1] == '\r' && (end == size || s[end] == '\n'))
        n--;
    to[n] = 0;
    size_t behind = end + (quoted && end + 1 < size && s[end] == '\r' && s[end + 1] == '\n');
    if (behind < size && s[behind] != (uint8_t) file->separator && s[behind] != '\n')
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: text behind the closing quote of \"%.40s\"; a quote "
                         "inside a quoted field is doubled", where, to);
    if (strlen(to) != n)
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: a NUL byte in \"%.40s\"", where, to);
    *at = behind;
    return TUFF_OK;
}

enum tuff_status tuff_table_row(struct tuff_ctx *ctx, const struct tuff_source_file *file, size_t at,
                                const char *where, struct tuff_arena *arena, char ***fields,
                                size_t *n)
{
    struct { char **items; size_t n, cap; } list = {0};
    enum tuff_status status = TUFF_OK;
    for (bool more = true; more && status == TUFF_OK;) {
        char **slot = TUFF_PUSH(&list);
        status = slot ? field(ctx, file, &at, where, arena, slot)
                      : tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", where);
        more = at < file->map.size && file->map.data[at] == (uint8_t) file->separator;
        at += more;
    }
    *n = list.n;
    *fields = status == TUFF_OK ? tuff_arena_alloc(arena, list.n * sizeof **fields) : NULL;
    if (*fields)
        memcpy(*fields, list.items, list.n * sizeof **fields);
    else if (status == TUFF_OK)
        status = tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", where);
    free(list.items);
    return status;
}
