/* cli/folder: see folder.h. */
#include "cli/folder.h"
#include "base/json.h"
#include "base/os.h"

static enum tuff_status copy_file(struct tuff_ctx *ctx, const char *from, const char *to)
{
    struct tuff_map map;
    TUFF_TRY(tuff_os_map(ctx, from, &map));
    enum tuff_status status = tuff_os_write_file(ctx, to, map.data, map.size);
    tuff_os_unmap(&map);
    return status;
}

/* config.json with the type that the weights have now. */
static enum tuff_status copy_config(struct tuff_ctx *ctx, const char *from, const char *to,
                                    const char *dtype)
{
    static const char *const keys[] = {"dtype", "torch_dtype"};
    json_t *root;
    TUFF_TRY(tuff_json_load(ctx, from, &root));
    for (size_t i = 0; i < TUFF_COUNT(keys); i++)
        if (json_object_get(root, keys[i]))
            json_object_set_new(root, keys[i], json_string(dtype));
    enum tuff_status status = tuff_json_save(ctx, to, root);
    json_decref(root);
    return status;
}

enum tuff_status cli_folder_copy(struct tuff_ctx *ctx, const char *src, const char *dst,
                                 const char *dtype, size_t first)
{
    static const char *const names[] = {
        "config.json",           "generation_config.json", "tokenizer.json",
        "tokenizer_config.json", "vocab.txt",              "vocab.json",
        "merges.txt",            "tokenizer.model",        "added_tokens.json",
        "spiece.model",          "sentencepiece.bpe.model", "source.spm",
        "target.spm",            "special_tokens_map.json",
        "chat_template.jinja"};
    enum tuff_status status = TUFF_OK;
    for (size_t i = first; i < TUFF_COUNT(names) && status == TUFF_OK; i++) {
        char *from = tuff_os_path_join(src, names[i]), *to = tuff_os_path_join(dst, names[i]);
        if (!from || !to)
            status = tuff_fail(ctx, TUFF_E_NOMEM, "out of host memory");
        else if (tuff_os_path_kind(from) == TUFF_PATH_FILE)
            status = i == 0 && dtype ? copy_config(ctx, from, to, dtype)
                                     : copy_file(ctx, from, to);
        free(from);
        free(to);
    }
    return status;
}

enum tuff_status cli_folder_check(struct tuff_ctx *ctx, const char *dst)
{
    /* The last two are a run's: what names it means its checkpoints. */
    static const char *const taken[] = {"model.safetensors", "model.safetensors.index.json", "last", "best"};
    for (size_t i = 0; i < TUFF_COUNT(taken); i++) {
        char *path = tuff_os_path_join(dst, taken[i]);
        bool there = path && tuff_os_path_kind(path) != TUFF_PATH_NONE;
        enum tuff_status status =
            !path   ? tuff_fail(ctx, TUFF_E_NOMEM, "out of host memory")
            : there ? tuff_fail(ctx, TUFF_E_STATE, "%s is there already: choose another folder",
                                path)
                    : TUFF_OK;
        free(path);
        TUFF_TRY(status);
    }
    return TUFF_OK;
}

enum tuff_status cli_folder_prepare(struct tuff_ctx *ctx, const char *dst)
{
    TUFF_TRY(cli_folder_check(ctx, dst));
    return tuff_os_mkdirs(ctx, dst);
}
