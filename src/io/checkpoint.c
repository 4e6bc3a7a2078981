/* io/checkpoint: see checkpoint.h for the order of things, which is all there is to it. */
#include "io/checkpoint.h"

#include "io/manifest.h"

#include "base/os.h"

#include <inttypes.h>

struct tuff_checkpoint {
    struct tuff_ctx *ctx;
    struct tuff_arena arena;
    uint64_t step;
    const char *run, *name, *temp, *final, *aside;
};

/* step-NNNNNNNN, step-NNNNNNNN.old and step-NNNNNNNN.tmp */
enum folder_kind { FOLDER_NONE, FOLDER_DONE, FOLDER_OLD, FOLDER_TEMP };

static enum folder_kind parse_name(const char *name, uint64_t *step)
{
    static const char prefix[] = "step-";
    const char *at = name + sizeof prefix - 1;
    int digits = 0;
    if (strncmp(name, prefix, sizeof prefix - 1))
        return FOLDER_NONE;
    for (*step = 0; *at >= '0' && *at <= '9' && digits < 19; at++, digits++)
        *step = *step * 10 + (uint64_t) (*at - '0');
    if (digits < 8)
        return FOLDER_NONE;
    return !*at                  ? FOLDER_DONE
           : !strcmp(at, ".old") ? FOLDER_OLD
           : !strcmp(at, ".tmp") ? FOLDER_TEMP
                                 : FOLDER_NONE;
}

/* ---- Which folders there are ---- */

struct found {
    char *name; /* borrowed from the list */
    uint64_t step;
    enum folder_kind kind;
};

/* Newest first; of one step the finished folder before the one set aside. */
static int newest_first(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    if (x->step != y->step)
        return x->step > y->step ? -1 : 1;
    return (int) x->kind - (int) y->kind;
}

static enum tuff_status find_folders(struct tuff_ctx *ctx, const char *run,
                                     struct tuff_os_list *list, struct found **found, size_t *n)
{
    *n = 0;
    *found = NULL;
    TUFF_TRY(tuff_os_list(ctx, run, list));
    *found = tuff_calloc(list->n, sizeof **found);
    if (!*found) {
        tuff_os_list_free(list);
        return tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", run);
    }
    for (size_t i = 0; i < list->n; i++) {
        struct found *next = *found + *n;
        next->name = list->items[i];
        next->kind = parse_name(next->name, &next->step);
        *n += next->kind != FOLDER_NONE;
    }
    qsort(*found, *n, sizeof **found, newest_first);
    return TUFF_OK;
}

/* The folder name in a one-line file; false when there is none that makes sense. */
static bool read_pointer(struct tuff_ctx *ctx, const char *run, const char *name, char folder[64])
{
    char *path = tuff_os_path_join(run, name);
    struct tuff_map map = {0};
    uint64_t step;
    bool good = path && tuff_os_map(ctx, path, &map) == TUFF_OK && map.size < 64;
    if (good) {
        memcpy(folder, map.data, map.size);
        folder[map.size] = 0;
        folder[strcspn(folder, "\n")] = 0;
        good = parse_name(folder, &step) == FOLDER_DONE;
    }
    tuff_os_unmap(&map);
    free(path);
    return good;
}

static void remove_entry(struct tuff_ctx *ctx, const char *run, const char *name)
{
    char *path = tuff_os_path_join(run, name);
    if (path && tuff_os_remove_tree(ctx, path) != TUFF_OK)
        tuff_log(ctx, TUFF_LOG_WARN, "an old checkpoint stays: %s", tuff_error_text(ctx));
    free(path);
}

/* Left by a writer that was killed: beginnings of files that are replaced whole
 * (tuff_os_write_file). */
static bool is_beginning(const char *name)
{
    static const char *const files[] = {"last", "best", "metrics.csv", "loss.png", "report.html"};
    for (size_t i = 0; i < TUFF_COUNT(files); i++) {
        size_t n = strlen(files[i]);
        if (!strncmp(name, files[i], n) && !strncmp(name + n, ".tmp.", 5))
            return true;
    }
    return false;
}

/* The same, and folders that are half-written or were replaced. */
static bool is_leftover(const char *name)
{
    uint64_t step;
    enum folder_kind kind = parse_name(name, &step);
    return kind == FOLDER_OLD || kind == FOLDER_TEMP || is_beginning(name);
}

/* A failure here costs disk space only. */
static void clean_up(struct tuff_ctx *ctx, const char *run, int keep)
{
    struct tuff_os_list list;
    struct found *found;
    size_t n, done = 0;
    char last[64] = "", best[64] = "";
    if (find_folders(ctx, run, &list, &found, &n) != TUFF_OK) {
        tuff_log(ctx, TUFF_LOG_WARN, "old checkpoints stay: %s", tuff_error_text(ctx));
        return;
    }
    read_pointer(ctx, run, "last", last);
    read_pointer(ctx, run, "best", best);
    for (size_t i = 0; i < n; i++) {
        if (found[i].kind != FOLDER_DONE)
            continue;
        bool named = !strcmp(found[i].name, last) || !strcmp(found[i].name, best);
        if (keep > 0 && done++ >= (size_t) keep && !named)
            remove_entry(ctx, run, found[i].name);
    }
    for (size_t i = 0; i < list.n; i++)
        if (is_leftover(list.items[i]))
            remove_entry(ctx, run, list.items[i]);
    free(found);
    tuff_os_list_free(&list);
}

/* ---- Begin ---- */

/* A writer that stopped between setting a folder aside and putting the new one in its place left
 * only the older one: it gets its name back, for `best` may mean it. */
static enum tuff_status restore_aside(struct tuff_ctx *ctx, const char *run)
{
    struct tuff_os_list list;
    struct found *found;
    size_t n;
    TUFF_TRY(find_folders(ctx, run, &list, &found, &n));
    enum tuff_status status = TUFF_OK;
    for (size_t i = 0; i < n && status == TUFF_OK; i++) {
        bool alone = i == 0 || found[i - 1].step != found[i].step;
        if (found[i].kind != FOLDER_OLD || !alone)
            continue;
        char *from = tuff_os_path_join(run, found[i].name);
        char *to = from ? strdup(from) : NULL;
        if (to) {
            to[strlen(to) - strlen(".old")] = 0;
            status = tuff_os_replace(ctx, from, to);
        } else {
            status = tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", run);
        }
        free(from);
        free(to);
    }
    free(found);
    tuff_os_list_free(&list);
    return status;
}

enum tuff_status tuff_checkpoint_begin(struct tuff_ctx *ctx, const char *run, uint64_t step,
                                       struct tuff_checkpoint **out)
{
    *out = NULL;
    struct tuff_checkpoint *made = tuff_calloc(1, sizeof *made);
    if (!made)
        return tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", run);
    made->ctx = ctx;
    made->step = step;
    made->run = tuff_arena_strdup(&made->arena, run);
    made->name = tuff_arena_printf(&made->arena, "step-%08" PRIu64, step);
    if (made->run && made->name) {
        made->final = tuff_arena_printf(&made->arena, "%s/%s", run, made->name);
        made->temp = tuff_arena_printf(&made->arena, "%s/%s.tmp", run, made->name);
        made->aside = tuff_arena_printf(&made->arena, "%s/%s.old", run, made->name);
    }
    enum tuff_status status = TUFF_OK;
    if (!made->final || !made->temp || !made->aside)
        status = tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", run);
    if (status == TUFF_OK)
        status = tuff_os_remove_tree(ctx, made->temp);
    if (status == TUFF_OK)
        status = tuff_os_mkdirs(ctx, made->temp);
    if (status == TUFF_OK)
        status = restore_aside(ctx, run);
    if (status == TUFF_OK) {
        *out = made;
        return TUFF_OK;
    }
    tuff_arena_fini(&made->arena);
    free(made);
    return status;
}

const char *tuff_checkpoint_folder(const struct tuff_checkpoint *checkpoint)
{
    return checkpoint->temp;
}

void tuff_checkpoint_abort(struct tuff_checkpoint **out)
{
    struct tuff_checkpoint *checkpoint = *out;
    *out = NULL;
    if (!checkpoint)
        return;
    tuff_os_remove_tree(NULL, checkpoint->temp);
    tuff_arena_fini(&checkpoint->arena);
    free(checkpoint);
}

/* ---- Commit ---- */

static void reached(const struct tuff_checkpoint_params *params, enum tuff_checkpoint_stage stage)
{
    if (params->at_stage)
        params->at_stage(params->user, stage);
}

static enum tuff_status point(const struct tuff_checkpoint *checkpoint, const char *file)
{
    char line[64];
    char *path = tuff_os_path_join(checkpoint->run, file);
    if (!path)
        return tuff_fail(checkpoint->ctx, TUFF_E_NOMEM, "%s: out of host memory", checkpoint->run);
    int n = snprintf(line, sizeof line, "%s\n", checkpoint->name);
    enum tuff_status status = tuff_os_write_file(checkpoint->ctx, path, line, (size_t) n);
    free(path);
    return status;
}

/* Up to the moment the folder has its name. */
static enum tuff_status put_in_place(const struct tuff_checkpoint *checkpoint,
                                     const struct tuff_checkpoint_params *params)
{
    struct tuff_ctx *ctx = checkpoint->ctx;
    struct tuff_manifest manifest = {0};
    enum tuff_status status = tuff_manifest_collect(ctx, checkpoint->temp, &manifest);
    if (status == TUFF_OK) {
        reached(params, TUFF_CHECKPOINT_SYNCED);
        status = tuff_manifest_write(ctx, checkpoint->temp, checkpoint->step, &manifest);
    }
    tuff_manifest_fini(&manifest);
    TUFF_TRY(status);
    reached(params, TUFF_CHECKPOINT_MANIFEST);
    /* A folder of this step may be there, from before a stop or broken. A folder cannot replace a
     * filled one in one move, so it steps aside first; _newest looks there too. */
    if (tuff_os_path_kind(checkpoint->final) != TUFF_PATH_NONE) {
        TUFF_TRY(tuff_os_remove_tree(ctx, checkpoint->aside));
        TUFF_TRY(tuff_os_replace(ctx, checkpoint->final, checkpoint->aside));
        reached(params, TUFF_CHECKPOINT_ASIDE);
    }
    return tuff_os_replace(ctx, checkpoint->temp, checkpoint->final);
}

enum tuff_status tuff_checkpoint_commit(struct tuff_checkpoint **out,
                                        const struct tuff_checkpoint_params *params)
{
    static const struct tuff_checkpoint_params defaults;
    struct tuff_checkpoint *checkpoint = *out;
    if (!params)
        params = &defaults;
    enum tuff_status status = put_in_place(checkpoint, params);
    if (status == TUFF_OK) {
        reached(params, TUFF_CHECKPOINT_RENAMED);
        status = point(checkpoint, "last");
    }
    if (status == TUFF_OK) {
        reached(params, TUFF_CHECKPOINT_LAST);
        status = params->best ? point(checkpoint, "best") : TUFF_OK;
    }
    if (status == TUFF_OK) {
        reached(params, TUFF_CHECKPOINT_BEST);
        clean_up(checkpoint->ctx, checkpoint->run, params->keep);
    }
    tuff_checkpoint_abort(out); /* after the rename there is no temporary folder to remove */
    return status;
}

/* ---- Loading ---- */

enum tuff_status tuff_checkpoint_verify(struct tuff_ctx *ctx, const char *folder)
{
    return tuff_manifest_verify(ctx, folder, NULL);
}

static enum tuff_status verify_step(struct tuff_ctx *ctx, const char *run, const char *name,
                                    uint64_t step, char **folder)
{
    uint64_t written;
    char *path = tuff_os_path_join(run, name);
    if (!path)
        return tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", run);
    enum tuff_status status = tuff_manifest_verify(ctx, path, &written);
    if (status == TUFF_OK && written != step)
        status =
            tuff_fail(ctx, TUFF_E_FORMAT, "%s: its manifest is of step %" PRIu64, path, written);
    if (status == TUFF_OK)
        *folder = path;
    else
        free(path);
    return status;
}

enum tuff_status tuff_checkpoint_newest(struct tuff_ctx *ctx, const char *run, char **folder,
                                        uint64_t *step)
{
    struct tuff_os_list list;
    struct found *found;
    size_t n;
    *folder = NULL;
    if (tuff_os_path_kind(run) == TUFF_PATH_NONE)
        return TUFF_OK;
    TUFF_TRY(find_folders(ctx, run, &list, &found, &n));
    for (size_t i = 0; i < n && !*folder; i++) {
        if (found[i].kind == FOLDER_TEMP)
            continue;
        if (verify_step(ctx, run, found[i].name, found[i].step, folder) != TUFF_OK)
            tuff_log(ctx, TUFF_LOG_WARN, "checkpoint passed over: %s", tuff_error_text(ctx));
        else if (step)
            *step = found[i].step;
    }
    free(found);
    tuff_os_list_free(&list);
    return TUFF_OK;
}

enum tuff_status tuff_checkpoint_named(struct tuff_ctx *ctx, const char *run, const char *name,
                                       char **folder, uint64_t *step)
{
    char target[64];
    uint64_t number = 0;
    *folder = NULL;
    if (!read_pointer(ctx, run, name, target))
        return tuff_fail(ctx, TUFF_E_IO, "%s: no file \"%s\" that names a checkpoint", run, name);
    parse_name(target, &number);
    TUFF_TRY(verify_step(ctx, run, target, number, folder));
    if (step)
        *step = number;
    return TUFF_OK;
}

enum tuff_status tuff_checkpoint_drop_after(struct tuff_ctx *ctx, const char *run, uint64_t step)
{
    struct tuff_os_list list;
    struct found *found;
    size_t n;
    TUFF_TRY(find_folders(ctx, run, &list, &found, &n));
    enum tuff_status status = TUFF_OK;
    for (size_t i = 0; i < n && found[i].step > step && status == TUFF_OK; i++) {
        char *path = tuff_os_path_join(run, found[i].name);
        status = path ? tuff_os_remove_tree(ctx, path)
                      : tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", run);
        free(path);
    }
    for (size_t i = 0; i < list.n && status == TUFF_OK; i++)
        if (is_beginning(list.items[i]))
            remove_entry(ctx, run, list.items[i]);
    free(found);
    tuff_os_list_free(&list);
    return status == TUFF_OK ? tuff_os_sync_dir(ctx, run) : status;
}
