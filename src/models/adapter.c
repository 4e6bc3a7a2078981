/* models/adapter: what all kinds of adapters have in common; see tuff/soft_prompt.h. */
#include "base/json.h"
#include "base/os.h"
#include "io/weights_file.h"
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
    const json_t *modules = json_object_get(root, "modules_to_save"), *module;
    size_t i;
    info->head = json_array_size(modules) > 0;
    json_array_foreach(modules, i, module)
        info->pooler |= json_is_string(module) && !strcmp(json_string_value(module), "pooler");
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

/* Labels as the head has them: its rows, by their numbers, unless the base has as many. */
static enum tuff_status count_labels(struct tuff_ctx *ctx, const char *folder, bool same_task,
                                     struct tuff_model_config *c)
{
    static const char *const names[] = {"classifier.weight", "score.weight"};
    char *path = tuff_os_path_join(folder, "adapter_model.safetensors"), name[100];
    struct tuff_weights_file *file = NULL;
    enum tuff_status status = path ? tuff_weights_open(ctx, path, &file) : no_memory(ctx);
    for (size_t i = 0; i < TUFF_COUNT(names) && status == TUFF_OK; i++) {
        snprintf(name, sizeof name, TUFF_LORA_PREFIX "%s", names[i]);
        const struct tuff_file_tensor *t = tuff_weights_find(file, name);
        if (!t) { /* beside virtual tokens */
            snprintf(name, sizeof name, TUFF_PEFT_PREFIX "%s", names[i]);
            t = tuff_weights_find(file, name);
        }
        if (!t || t->rank != 2 || (same_task && t->dims[0] == c->num_labels))
            continue;
        c->num_labels = t->dims[0];
        c->label_bytes = 0;
        c->problem = c->num_labels == 1 ? TUFF_PROBLEM_REGRESSION : TUFF_PROBLEM_ONE_LABEL;
    }
    tuff_weights_close(file);
    free(path);
    return status;
}

/* By "task_type" of adapter_config.json, which has no labels. */
static enum tuff_status task_by_type(struct tuff_ctx *ctx, const char *folder, const json_t *root,
                                     struct tuff_model_config *c)
{
    const char *type = json_string_value(json_object_get(root, "task_type"));
    bool of_texts = type && !strcmp(type, "SEQ_CLS"), of_tokens = type && !strcmp(type, "TOKEN_CLS");
    enum tuff_task before = c->task;
    if (!of_texts && !of_tokens)
        return TUFF_OK;
    TUFF_TRY(tuff_fail_in(ctx, tuff_model_config_set_task(ctx, c, of_texts ? TUFF_TASK_SEQUENCE_CLASSIFICATION
                                                                          : TUFF_TASK_TOKEN_CLASSIFICATION),
                          folder));
    return count_labels(ctx, folder, c->task == before, c);
}

static enum tuff_status task_of_run(struct tuff_ctx *ctx, const char *folder, struct tuff_model_config *c)
{
    struct tuff_model_config run;
    TUFF_TRY(tuff_model_config_load(ctx, folder, &run));
    if (strcmp(run.model_type, c->model_type))
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: an adapter for another model: a %s, not a %s", folder,
                         run.model_type, c->model_type);
    c->task = run.task;
    c->problem = run.problem;
    c->num_labels = run.num_labels;
    c->label_bytes = run.label_bytes;
    memcpy(c->label_names, run.label_names, sizeof c->label_names);
    return TUFF_OK;
}

enum tuff_status tuff_adapter_model_config(struct tuff_ctx *ctx, const char *folder,
                                           struct tuff_model_config *config)
{
    struct tuff_adapter_info info;
    TUFF_TRY(tuff_adapter_read(ctx, folder, &info));
    free(info.base);
    if (!info.head)
        return TUFF_OK;
    char *path = tuff_os_path_join(folder, "config.json");
    char *own = tuff_os_path_join(folder, "adapter_config.json");
    json_t *root = NULL;
    enum tuff_status status = !path || !own ? no_memory(ctx)
                              : tuff_os_path_kind(path) == TUFF_PATH_FILE ? task_of_run(ctx, folder, config)
                                                                          : tuff_json_load(ctx, own, &root);
    if (status == TUFF_OK && root)
        status = task_by_type(ctx, folder, root, config);
    json_decref(root);
    free(own);
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
