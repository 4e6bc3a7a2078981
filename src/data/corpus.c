/* data/corpus: which files a text corpus consists of. */
#include "base/base.h"
#include "base/os.h"
#include "data/corpus.h"

/* A link that points back into its own folder would nest for ever. */
#define DEPTH_MAX 32

struct paths {
    char **items;
    size_t n, cap;
    uint64_t bytes;
    unsigned kinds;
};

static const struct {
    const char *end;
    enum tuff_file_kind kind;
} endings[] = {{".txt", TUFF_FILE_TEXT},  {".jsonl", TUFF_FILE_JSON}, {".ndjson", TUFF_FILE_JSON},
               {".json", TUFF_FILE_JSON}, {".csv", TUFF_FILE_TABLE},  {".tsv", TUFF_FILE_TABLE}};

enum tuff_file_kind tuff_file_kind(const char *path)
{
    size_t n = strlen(path);
    for (size_t i = 0; i < TUFF_COUNT(endings); i++) {
        size_t m = strlen(endings[i].end);
        if (n > m && !strcmp(path + n - m, endings[i].end))
            return endings[i].kind;
    }
    return TUFF_FILE_OTHER;
}

static enum tuff_status add_file(struct tuff_ctx *ctx, struct paths *paths, const char *path)
{
    struct tuff_map map;
    TUFF_TRY(tuff_os_map(ctx, path, &map)); /* which also tells that it can be read */
    paths->bytes += map.size;
    tuff_os_unmap(&map);
    char **slot = TUFF_PUSH(paths);
    if (slot && (*slot = strdup(path)))
        return TUFF_OK;
    paths->n -= slot != NULL;
    return tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", path);
}

static enum tuff_status add_folder(struct tuff_ctx *ctx, struct paths *paths, const char *path,
                                   int depth)
{
    struct tuff_os_list list;
    if (depth > DEPTH_MAX)
        return tuff_fail(ctx, TUFF_E_IO, "%s: folders nest deeper than %d levels", path, DEPTH_MAX);
    TUFF_TRY(tuff_os_list(ctx, path, &list));
    enum tuff_status status = TUFF_OK;
    for (size_t i = 0; i < list.n && status == TUFF_OK; i++) {
        char *child = tuff_os_path_join(path, list.items[i]);
        if (!child) {
            status = tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", path);
            break;
        }
        enum tuff_path_kind kind = tuff_os_path_kind(child);
        if (kind == TUFF_PATH_DIR)
            status = add_folder(ctx, paths, child, depth + 1);
        else if (kind == TUFF_PATH_FILE && (tuff_file_kind(list.items[i]) & paths->kinds))
            status = add_file(ctx, paths, child);
        free(child);
    }
    tuff_os_list_free(&list);
    return status;
}

/* All of a folder are of one kind: what a README.txt beside tables is for, nobody can tell. */
static enum tuff_status add_one_kind(struct tuff_ctx *ctx, struct paths *paths, const char *folder)
{
    size_t first = paths->n;
    TUFF_TRY(add_folder(ctx, paths, folder, 0));
    for (size_t i = first + 1; i < paths->n; i++)
        if (tuff_file_kind(paths->items[i]) != tuff_file_kind(paths->items[first]))
            return tuff_fail(ctx, TUFF_E_ARG, "%s: has files of several kinds, %s and %s: name those that "
                             "are meant",
                             folder, paths->items[first], paths->items[i]);
    return TUFF_OK;
}

static enum tuff_status nothing_found(struct tuff_ctx *ctx, const char *path, unsigned kinds)
{
    struct tuff_text list = {0};
    for (size_t i = 0; i < TUFF_COUNT(endings); i++)
        if (endings[i].kind & kinds)
            tuff_text_printf(&list, "%s*%s", list.n ? ", " : "", endings[i].end);
    enum tuff_status status =
        tuff_fail(ctx, TUFF_E_ARG, "%s: no %s file in it", path, list.s ? list.s : "such");
    tuff_text_fini(&list);
    return status;
}

enum tuff_status tuff_corpus_find(struct tuff_ctx *ctx, const char *const *paths, size_t n, unsigned kinds,
                                  struct tuff_corpus *corpus)
{
    struct paths found = {.kinds = kinds};
    enum tuff_status status = TUFF_OK;
    *corpus = (struct tuff_corpus){0};
    for (size_t i = 0; i < n && status == TUFF_OK; i++)
        status = tuff_os_path_kind(paths[i]) == TUFF_PATH_DIR ? add_one_kind(ctx, &found, paths[i])
                                                              : add_file(ctx, &found, paths[i]);
    if (status == TUFF_OK && !found.n)
        status = nothing_found(ctx, n ? paths[0] : "data", kinds);
    if (status == TUFF_OK && !found.bytes)
        status = tuff_fail(ctx, TUFF_E_ARG, "%s: the text is empty", found.items[0]);
    *corpus = (struct tuff_corpus){found.items, found.n, found.bytes};
    if (status != TUFF_OK)
        tuff_corpus_fini(corpus);
    return status;
}

enum tuff_status tuff_corpus_init(struct tuff_ctx *ctx, const char *const *paths, size_t n,
                                  struct tuff_corpus *corpus)
{
    return tuff_corpus_find(ctx, paths, n, TUFF_FILE_TEXT, corpus);
}

void tuff_corpus_fini(struct tuff_corpus *corpus)
{
    for (size_t i = 0; i < corpus->n; i++)
        free(corpus->paths[i]);
    free(corpus->paths);
    *corpus = (struct tuff_corpus){0};
}
