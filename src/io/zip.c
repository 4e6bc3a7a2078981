/* io/zip: see zip.h. The central directory at the end says where each file's own header is. */
#include "io/zip.h"

enum { END_SIZE = 22, LOCATOR_SIZE = 20, END64_SIZE = 56, CENTRAL_SIZE = 46, LOCAL_SIZE = 30 };

struct archive {
    struct tuff_ctx *ctx;
    const char *path;
    const uint8_t *bytes;
    size_t size;
};

static uint64_t number(const uint8_t *at, int bytes)
{
    uint64_t n = 0;
    while (bytes-- > 0)
        n = n << 8 | at[bytes];
    return n;
}

static enum tuff_status broken(const struct archive *a, const char *what)
{
    return tuff_fail(a->ctx, TUFF_E_FORMAT, "%s: as a zip archive: %s", a->path, what);
}

/* The `need` bytes at `offset`; NULL: there are not so many. */
static const uint8_t *part(const struct archive *a, uint64_t offset, uint64_t need)
{
    return offset <= a->size && need <= a->size - offset ? a->bytes + offset : NULL;
}

static enum tuff_status find_directory(const struct archive *a, uint64_t *offset, uint64_t *count)
{
    const uint8_t *end = NULL;
    for (size_t back = END_SIZE; back <= a->size && back <= END_SIZE + 65535u && !end; back++)
        if (!memcmp(a->bytes + a->size - back, "PK\5\6", 4))
            end = a->bytes + a->size - back;
    if (!end)
        return broken(a, "no directory at its end: the file is cut short");
    *count = number(end + 10, 2);
    *offset = number(end + 16, 4);
    size_t before = (size_t) (end - a->bytes);
    if (before < LOCATOR_SIZE || memcmp(end - LOCATOR_SIZE, "PK\6\7", 4))
        return TUFF_OK;
    const uint8_t *wide = part(a, number(end - LOCATOR_SIZE + 8, 8), END64_SIZE);
    if (!wide || memcmp(wide, "PK\6\6", 4))
        return broken(a, "its 64-bit directory is not where it says");
    *count = number(wide + 32, 8);
    *offset = number(wide + 48, 8);
    return TUFF_OK;
}

/* Takes the 64-bit values that the extra field holds for those of 32 bits that are full. */
static bool widen(const uint8_t *extra, size_t n, uint64_t *size, uint64_t *packed,
                  uint64_t *offset)
{
    uint64_t *const values[] = {size, packed, offset};
    bool needed = *size == UINT32_MAX || *packed == UINT32_MAX || *offset == UINT32_MAX;
    while (needed && n >= 4) {
        size_t length = (size_t) number(extra + 2, 2);
        if (length > n - 4)
            return false;
        if (number(extra, 2) == 1) {
            size_t at = 0;
            for (size_t i = 0; i < TUFF_COUNT(values); i++) {
                if (*values[i] != UINT32_MAX)
                    continue;
                if (length - at < 8)
                    return false;
                *values[i] = number(extra + 4 + at, 8);
                at += 8;
            }
            return true;
        }
        extra += 4 + length;
        n -= 4 + length;
    }
    return !needed;
}

/* The entry whose central header begins at *at; moves *at to the next. */
static enum tuff_status read_entry(const struct archive *a, struct tuff_arena *arena, uint64_t *at,
                                   struct tuff_zip_entry *entry)
{
    const uint8_t *h = part(a, *at, CENTRAL_SIZE);
    if (!h || memcmp(h, "PK\1\2", 4))
        return broken(a, "its directory is broken");
    uint64_t n_name = number(h + 28, 2), n_extra = number(h + 30, 2), n_note = number(h + 32, 2);
    uint64_t packed = number(h + 20, 4), size = number(h + 24, 4), offset = number(h + 42, 4);
    if (!part(a, *at, CENTRAL_SIZE + n_name + n_extra + n_note))
        return broken(a, "its directory is cut short");
    const char *name = (const char *) h + CENTRAL_SIZE;
    if (memchr(name, 0, n_name))
        return broken(a, "a file name with a NUL in it");
    if (number(h + 10, 2) != 0 || number(h + 8, 2) & 1)
        return tuff_fail(a->ctx, TUFF_E_UNSUPPORTED,
                         "%s: as a zip archive: a file in it is compressed or encrypted; PyTorch "
                         "stores them plain", a->path);
    if (!widen(h + CENTRAL_SIZE + n_name, n_extra, &size, &packed, &offset) || size != packed)
        return broken(a, "a file's sizes contradict each other");
    *at += CENTRAL_SIZE + n_name + n_extra + n_note;
    const uint8_t *local = part(a, offset, LOCAL_SIZE);
    if (!local || memcmp(local, "PK\3\4", 4))
        return broken(a, "a file is not where the directory says");
    uint64_t skip = LOCAL_SIZE + number(local + 26, 2) + number(local + 28, 2);
    entry->data = part(a, offset + skip, size);
    if (!entry->data)
        return broken(a, "a file reaches beyond the end: the archive is cut short");
    entry->size = (size_t) size;
    entry->name = tuff_arena_printf(arena, "%.*s", (int) n_name, name);
    return entry->name ? TUFF_OK
                       : tuff_fail(a->ctx, TUFF_E_NOMEM, "%s: out of host memory", a->path);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct tuff_zip_entry *) a)->name,
                  ((const struct tuff_zip_entry *) b)->name);
}

enum tuff_status tuff_zip_open(struct tuff_ctx *ctx, const char *path, const uint8_t *bytes,
                               size_t size, struct tuff_arena *arena, struct tuff_zip *zip)
{
    struct archive a = {ctx, path, bytes, size};
    uint64_t at = 0, count = 0;
    TUFF_TRY(find_directory(&a, &at, &count));
    if (count > size / CENTRAL_SIZE)
        return broken(&a, "more files than it has room for");
    zip->n = (size_t) count;
    zip->items = tuff_arena_alloc(arena, zip->n * sizeof *zip->items);
    if (!zip->items)
        return tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", path);
    for (size_t i = 0; i < zip->n; i++)
        TUFF_TRY(read_entry(&a, arena, &at, &zip->items[i]));
    qsort(zip->items, zip->n, sizeof *zip->items, by_name);
    for (size_t i = 1; i < zip->n; i++)
        if (!by_name(&zip->items[i - 1], &zip->items[i]))
            return broken(&a, "two files of one name");
    return TUFF_OK;
}

const struct tuff_zip_entry *tuff_zip_find(const struct tuff_zip *zip, const char *name)
{
    return bsearch(&(struct tuff_zip_entry) {.name = name}, zip->items, zip->n, sizeof *zip->items,
                   by_name);
}
