/* io/manifest: see manifest.h. */
#include "io/manifest.h"

#include "base/hash.h"
#include "base/json.h"
#include "base/os.h"

#include <inttypes.h>

static const char manifest_name[] = "manifest.json";
static const char manifest_format[] = "tuff checkpoint";

static enum tuff_status no_memory(struct tuff_ctx *ctx, const char *path)
{
    return tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", path);
}

/* Opening to append and closing with sync puts on disk what any writer left in the cache. */
static enum tuff_status sync_file(struct tuff_ctx *ctx, const char *path)
{
    struct tuff_os_file *file;
    TUFF_TRY(tuff_os_open(ctx, path, true, &file));
    return tuff_os_close(&file, true);
}

static enum tuff_status add_file(struct tuff_ctx *ctx, const char *full, const char *path,
                                 struct tuff_manifest *manifest)
{
    struct tuff_map map;
    TUFF_TRY(sync_file(ctx, full));
    TUFF_TRY(tuff_os_map(ctx, full, &map));
    struct tuff_manifest_file *file = TUFF_PUSH(manifest);
    if (file) {
        file->path = strdup(path);
        file->size = map.size;
        file->hash = tuff_hash(map.data, map.size, 0);
    }
    tuff_os_unmap(&map);
    return file && file->path ? TUFF_OK : no_memory(ctx, full);
}

/* `below`: the path from the checkpoint folder, "" at its top. */
static enum tuff_status add_folder(struct tuff_ctx *ctx, const char *folder, const char *below,
                                   struct tuff_manifest *manifest)
{
    struct tuff_os_list list;
    TUFF_TRY(tuff_os_list(ctx, folder, &list));
    enum tuff_status status = TUFF_OK;
    for (size_t i = 0; i < list.n && status == TUFF_OK; i++) {
        const char *name = list.items[i];
        if (!*below && !strcmp(name, manifest_name))
            continue;
        char *full = tuff_os_path_join(folder, name);
        char *path = *below ? tuff_os_path_join(below, name) : strdup(name);
        if (!full || !path)
            status = no_memory(ctx, folder);
        else if (tuff_os_path_kind(full) == TUFF_PATH_DIR)
            status = add_folder(ctx, full, path, manifest);
        else
            status = add_file(ctx, full, path, manifest);
        free(full);
        free(path);
    }
    tuff_os_list_free(&list);
    return status == TUFF_OK ? tuff_os_sync_dir(ctx, folder) : status;
}

enum tuff_status tuff_manifest_collect(struct tuff_ctx *ctx, const char *folder,
                                       struct tuff_manifest *manifest)
{
    return add_folder(ctx, folder, "", manifest);
}

void tuff_manifest_fini(struct tuff_manifest *manifest)
{
    for (size_t i = 0; i < manifest->n; i++)
        free(manifest->items[i].path);
    free(manifest->items);
    *manifest = (struct tuff_manifest){0};
}

enum tuff_status tuff_manifest_write(struct tuff_ctx *ctx, const char *folder, uint64_t step,
                                     const struct tuff_manifest *manifest)
{
    json_t *files = json_object();
    bool good = files != NULL;
    for (size_t i = 0; i < manifest->n && good; i++) {
        const struct tuff_manifest_file *file = &manifest->items[i];
        char hash[17];
        snprintf(hash, sizeof hash, "%016" PRIx64, file->hash);
        json_t *entry = json_pack("{s:I, s:s}", "size", (json_int_t) file->size, "xxh64", hash);
        good = json_object_set_new(files, file->path, entry) == 0;
    }
    json_t *root = good ? json_pack("{s:s, s:i, s:I, s:O}", "format", manifest_format, "version", 1,
                                    "step", (json_int_t) step, "files", files)
                        : NULL;
    char *path = tuff_os_path_join(folder, manifest_name);
    enum tuff_status status = root && path ? tuff_json_save(ctx, path, root)
                                           : tuff_fail(ctx, TUFF_E_ARG,
                                                       "%s: a file name in it "
                                                       "cannot stand in %s",
                                                       folder, manifest_name);
    free(path);
    json_decref(root);
    json_decref(files);
    return status;
}

/* A manifest comes from a file: its paths must stay below the folder. */
static bool is_safe_path(const char *path)
{
    for (const char *at = path; at; at = strchr(at, '/'), at = at ? at + 1 : NULL) {
        size_t n = strcspn(at, "/");
        if (!n || (at[0] == '.' && (n == 1 || (n == 2 && at[1] == '.'))))
            return false;
    }
    return true;
}

static enum tuff_status verify_file(struct tuff_ctx *ctx, const char *folder, const char *name,
                                    const json_t *entry)
{
    const json_t *size = json_object_get(entry, "size");
    const char *hash = json_string_value(json_object_get(entry, "xxh64"));
    if (!is_safe_path(name) || !json_is_integer(size) || !hash)
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s/%s: a malformed entry", folder, manifest_name);
    char *path = tuff_os_path_join(folder, name);
    struct tuff_map map;
    char found[17];
    if (!path)
        return no_memory(ctx, folder);
    enum tuff_status status = tuff_os_map(ctx, path, &map);
    if (status == TUFF_OK) {
        snprintf(found, sizeof found, "%016" PRIx64, tuff_hash(map.data, map.size, 0));
        if ((json_int_t) map.size != json_integer_value(size))
            status = tuff_fail(ctx, TUFF_E_FORMAT, "%s: %zu bytes, %s says %" JSON_INTEGER_FORMAT,
                               path, map.size, manifest_name, json_integer_value(size));
        else if (strcmp(found, hash))
            status = tuff_fail(ctx, TUFF_E_FORMAT, "%s: its content has changed since it was saved",
                               path);
        tuff_os_unmap(&map);
    }
    free(path);
    return status;
}

static enum tuff_status verify_root(struct tuff_ctx *ctx, const char *folder, json_t *root,
                                    uint64_t *step)
{
    json_t *files = json_object_get(root, "files"), *entry;
    const char *format = json_string_value(json_object_get(root, "format")), *name;
    const json_t *number = json_object_get(root, "step");
    if (!format || strcmp(format, manifest_format) || !json_object_size(files) ||
        !json_is_integer(number) || json_integer_value(number) < 0)
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s/%s: not the manifest of a checkpoint", folder,
                         manifest_name);
    if (json_integer_value(json_object_get(root, "version")) != 1)
        return tuff_fail(ctx, TUFF_E_UNSUPPORTED, "%s/%s: made by a later version", folder,
                         manifest_name);
    json_object_foreach(files, name, entry)
    {
        TUFF_TRY(verify_file(ctx, folder, name, entry));
    }
    if (step)
        *step = (uint64_t) json_integer_value(number);
    return TUFF_OK;
}

enum tuff_status tuff_manifest_verify(struct tuff_ctx *ctx, const char *folder, uint64_t *step)
{
    json_t *root;
    char *path = tuff_os_path_join(folder, manifest_name);
    if (!path)
        return no_memory(ctx, folder);
    enum tuff_status status = tuff_json_load(ctx, path, &root);
    free(path);
    if (status == TUFF_OK) {
        status = verify_root(ctx, folder, root, step);
        json_decref(root);
    }
    return status;
}
