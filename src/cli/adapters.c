/* cli/adapters: see adapters.h. */
#include "cli/adapters.h"
#include "base/os.h"
#include "tuff/lora.h"

#include <math.h>

static enum tuff_status no_memory(struct cli *cli)
{
    return tuff_fail(cli->ctx, TUFF_E_NOMEM, "out of host memory");
}

bool cli_has_file(const char *folder, const char *name)
{
    char *path = tuff_os_path_join(folder, name);
    bool there = path && tuff_os_path_kind(path) == TUFF_PATH_FILE;
    free(path);
    return there;
}

char *cli_model_folder(struct cli *cli, const char *path)
{
    static const char *const names[] = {"best", "last"};
    for (size_t i = 0; i < TUFF_COUNT(names); i++) {
        struct tuff_map map;
        char *at = tuff_os_path_join(path, names[i]), *folder = NULL;
        if (at && tuff_os_path_kind(at) == TUFF_PATH_FILE &&
            tuff_os_map(cli->ctx, at, &map) == TUFF_OK) {
            char name[64];
            snprintf(name, sizeof name, "%.*s", (int) TUFF_MIN(map.size, 63),
                     (const char *) map.data);
            name[strcspn(name, "\n")] = 0;
            folder = tuff_os_path_join(path, name);
            tuff_os_unmap(&map);
        }
        free(at);
        if (folder)
            return folder;
    }
    return strdup(path);
}

enum tuff_status cli_adapter_base(struct cli *cli, const char *folder, bool *adapted, char **weights)
{
    struct tuff_adapter_info info = {0};
    const char *base = folder;
    *adapted = cli_has_file(folder, "adapter_config.json") && !cli_has_file(folder, "model.safetensors");
    if (*adapted) {
        TUFF_TRY(tuff_adapter_read(cli->ctx, folder, &info));
        base = info.base;
    }
    enum tuff_status status = TUFF_OK;
    if (!base)
        status = tuff_fail(cli->ctx, TUFF_E_ARG, "%s: does not say which model it is for: give that "
                           "as --model and this as --adapter", folder);
    else if (!(*weights = cli_model_folder(cli, base)))
        status = no_memory(cli);
    free(info.base);
    return status;
}

enum tuff_status cli_adapter_word(struct cli *cli, const char *word, char **folder, double *weight)
{
    bool whole = tuff_os_path_kind(word) != TUFF_PATH_NONE; /* a folder may be called "r=8" */
    char *path = strdup(word), *equals = path && !whole ? strrchr(path, '=') : NULL, *end = NULL;
    *weight = equals ? strtod(equals + 1, &end) : 1;
    if (end && end > equals + 1 && !*end && isfinite(*weight))
        *equals = 0;
    else
        *weight = 1;
    *folder = path ? cli_model_folder(cli, path) : NULL;
    free(path);
    return *folder ? TUFF_OK : no_memory(cli);
}

static enum tuff_status add_head(struct cli *cli, const char *folder, struct tuff_model_config *config, char **head)
{
    struct tuff_adapter_info info;
    TUFF_TRY(tuff_adapter_read(cli->ctx, folder, &info));
    free(info.base);
    if (!info.head || *head)
        return TUFF_OK;
    TUFF_TRY(tuff_adapter_model_config(cli->ctx, folder, config));
    return (*head = strdup(folder)) ? TUFF_OK : no_memory(cli);
}

enum tuff_status cli_adapters_config(struct cli *cli, const char *own, const struct cli_strings *words,
                                     struct tuff_model_config *config, char **head)
{
    *head = NULL;
    if (own)
        TUFF_TRY(add_head(cli, own, config, head));
    for (size_t i = 0; i < words->n; i++) {
        char *folder;
        double weight;
        TUFF_TRY(cli_adapter_word(cli, words->items[i], &folder, &weight));
        enum tuff_status status = weight != 0 ? add_head(cli, folder, config, head) : TUFF_OK;
        free(folder);
        TUFF_TRY(status);
    }
    return TUFF_OK;
}

enum tuff_status cli_find_soft_prompt(struct cli *cli, const char *own, const struct cli_strings *words,
                                      char **soft,
                                      struct tuff_soft_prompt_params *params)
{
    *soft = NULL;
    for (size_t i = 0; i < words->n + (own != NULL); i++) {
        struct tuff_adapter_info info;
        char *folder = i < words->n ? cli_model_folder(cli, words->items[i]) : strdup(own);
        if (!folder)
            return no_memory(cli);
        if (i < words->n && !cli_has_file(folder, "adapter_config.json")) { /* "=WEIGHT", or nothing */
            free(folder);
            continue;
        }
        enum tuff_status status = tuff_adapter_read(cli->ctx, folder, &info);
        free(info.base);
        bool is_soft = status == TUFF_OK && info.kind != TUFF_ADAPTER_LORA;
        if (is_soft && *soft)
            status = tuff_fail(cli->ctx, TUFF_E_ARG, "%s: a second soft prompt, after %s: one at a time "
                               "is possible", folder, *soft);
        if (status != TUFF_OK || !is_soft) {
            free(folder);
            TUFF_TRY(status);
            continue;
        }
        *soft = folder;
        *params = (struct tuff_soft_prompt_params) {info.kind, info.virtual_tokens, info.pooler};
    }
    return TUFF_OK;
}

/* The folder, or the file of averages in it. */
static enum tuff_status find_tensors(struct cli *cli, const char *folder, bool ema, char **path)
{
    if (ema && !cli_has_file(folder, "ema.safetensors"))
        return tuff_fail(cli->ctx, TUFF_E_ARG, "%s: has no ema.safetensors: the run was trained without --ema",
                         folder);
    *path = ema ? tuff_os_path_join(folder, "ema.safetensors") : strdup(folder);
    return *path ? TUFF_OK : no_memory(cli);
}

static enum tuff_status load_adapter(struct cli *cli, struct tuff_model *model, const struct cli_adapted *a,
                                     const char *folder, double weight)
{
    char *path;
    TUFF_TRY(find_tensors(cli, folder, a->ema && weight != 0, &path));
    enum tuff_status status = a->soft && !strcmp(a->soft, folder) ? tuff_soft_prompt_load(model, path)
                                                                  : tuff_lora_merge(model, path, weight);
    free(path);
    return status;
}

static enum tuff_status load_base(struct cli *cli, struct tuff_model *model, const struct cli_adapted *a)
{
    char *path;
    TUFF_TRY(a->head ? tuff_model_load_adapted(model, a->weights, a->head) : tuff_model_load(model, a->weights));
    if (!a->ema || a->own || a->words->n)
        return TUFF_OK;
    TUFF_TRY(find_tensors(cli, a->weights, true, &path));
    enum tuff_status status = tuff_model_load_some(model, path);
    free(path);
    return status;
}

enum tuff_status cli_adapters_load(struct cli *cli, struct tuff_model *model, const struct cli_adapted *a)
{
    TUFF_TRY(load_base(cli, model, a));
    if (a->own)
        TUFF_TRY(load_adapter(cli, model, a, a->own, 1));
    for (size_t i = 0; i < a->words->n; i++) {
        char *folder;
        double weight;
        TUFF_TRY(cli_adapter_word(cli, a->words->items[i], &folder, &weight));
        enum tuff_status status = load_adapter(cli, model, a, folder, weight);
        free(folder);
        TUFF_TRY(status);
    }
    return TUFF_OK;
}
