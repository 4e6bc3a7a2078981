/* models/adapter: what all kinds of adapters have in common; see tuff/soft_prompt.h. */
#include "base/json.h"
#include "base/os.h"
#include "models/model.h"

static const char *const types[] = {"LORA", "PROMPT_TUNING", "PREFIX_TUNING"};

static enum tuff_status no_memory(struct tuff_ctx *ctx)
{
    return tuff_fail(ctx, TUFF_E_NOMEM, "adapter: out of host memory");
}

static enum tuff_status read_info(struct tuff_ctx *ctx, const char *path, const json_t *root,
                                  struct tuff_adapter_info *info)
{
    const char *type = json_string_value(json_object_get(root, "peft_type"));
    const char *base = json_string_value(json_object_get(root, "base_model_name_or_path"));
    size_t kind = 0;
    while (kind < TUFF_COUNT(types) && (!type || strcmp(type, types[kind])))
        kind++;
    if (kind == TUFF_COUNT(types))
        return tuff_fail(ctx, TUFF_E_UNSUPPORTED, "%s: \"peft_type\" is \"%.40s\"; supported are LORA, "
                         "PROMPT_TUNING and PREFIX_TUNING", path, type ? type : "");
    info->kind = (enum tuff_adapter_kind) kind;
    if (base && !(info->base = strdup(base)))
        return no_memory(ctx);
    if (info->kind == TUFF_ADAPTER_LORA)
        return TUFF_OK;
    TUFF_TRY(tuff_json_int(ctx, path, root, "num_virtual_tokens", &info->virtual_tokens));
    return info->virtual_tokens >= 1 && info->virtual_tokens <= TUFF_VIRTUAL_TOKENS_MAX
               ? TUFF_OK
               : tuff_fail(ctx, TUFF_E_FORMAT, "%s: \"num_virtual_tokens\" is %lld; 1 to %d are "
                           "possible", path, (long long) info->virtual_tokens, TUFF_VIRTUAL_TOKENS_MAX);
}

enum tuff_status tuff_adapter_read(struct tuff_ctx *ctx, const char *folder,
                                   struct tuff_adapter_info *info)
{
    char *path = tuff_os_path_join(folder, "adapter_config.json");
    json_t *root = NULL;
    *info = (struct tuff_adapter_info) {0};
    enum tuff_status status = path ? tuff_json_load(ctx, path, &root) : no_memory(ctx);
    if (status == TUFF_OK)
        status = read_info(ctx, path, root, info);
    if (status != TUFF_OK) {
        free(info->base);
        info->base = NULL;
    }
    json_decref(root);
    free(path);
    return status;
}

enum tuff_status tuff_adapter_init(struct tuff_model *m, uint64_t seed)
{
    return m->soft ? tuff_soft_prompt_init(m, seed) : m->lora ? tuff_lora_init(m, seed) : TUFF_OK;
}

enum tuff_status tuff_adapter_load(struct tuff_model *m, const char *folder)
{
    return m->soft   ? tuff_soft_prompt_load(m, folder)
           : m->lora ? tuff_lora_load(m, folder)
                     : TUFF_OK;
}

enum tuff_status tuff_adapter_save(struct tuff_model *m, const char *folder, const char *base)
{
    return m->soft ? tuff_soft_prompt_save(m, folder, base) : tuff_lora_save(m, folder, base);
}
