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
    const char *const *endings;
};

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

static bool is_wanted(const struct paths *paths, const char *name)
{
    size_t n = strlen(name);
    for (const char *const *e = paths->endings; *e; e++)
        if (n > strlen(*e) && !strcmp(name + n - strlen(*e), *e))
            return true;
    return false;
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
        else if (kind == TUFF_PATH_FILE && is_wanted(paths, list.items[i]))
            status = add_file(ctx, paths, child);
        free(child);
    }
    tuff_os_list_free(&list);
    return status;
}

enum tuff_status tuff_corpus_find(struct tuff_ctx *ctx, const char *const *paths, size_t n,
                                  const char *const *endings, struct tuff_corpus *corpus)
{
    struct paths found = {.endings = endings};
    enum tuff_status status = TUFF_OK;
    *corpus = (struct tuff_corpus){0};
    for (size_t i = 0; i < n && status == TUFF_OK; i++)
        status = tuff_os_path_kind(paths[i]) == TUFF_PATH_DIR ? add_folder(ctx, &found, paths[i], 0)
                                                              : add_file(ctx, &found, paths[i]);
    if (status == TUFF_OK && !found.n)
        status = tuff_fail(ctx, TUFF_E_ARG, "%s: no *%s file in it", n ? paths[0] : "data",
                           endings[0]);
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
    static const char *const endings[] = {".txt", NULL};
    return tuff_corpus_find(ctx, paths, n, endings, corpus);
}

void tuff_corpus_fini(struct tuff_corpus *corpus)
{
    for (size_t i = 0; i < corpus->n; i++)
        free(corpus->paths[i]);
    free(corpus->paths);
    *corpus = (struct tuff_corpus){0};
}
