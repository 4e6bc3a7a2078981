/* models/lora_file: adapters as PEFT's files have them, and merging; see tuff/lora.h. */
#include "base/json.h"
#include "base/os.h"
#include "io/weights_file.h"
#include "models/model.h"
#include "tuff/lora.h"

#define FILE_NAME "adapter_model.safetensors"
#define CONFIG_NAME "adapter_config.json"

static enum tuff_status no_memory(struct tuff_ctx *ctx)
{
    return tuff_fail(ctx, TUFF_E_NOMEM, "lora: out of host memory");
}

/* The file of an adapter's tensors: in its folder, or one of that folder which was named itself. */
static char *tensors_of(const char *path)
{
    return tuff_os_path_kind(path) == TUFF_PATH_FILE ? strdup(path) : tuff_os_path_join(path, FILE_NAME);
}

/* adapter_config.json in the folder, or beside that file. */
static char *config_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (tuff_os_path_kind(path) != TUFF_PATH_FILE)
        return tuff_os_path_join(path, CONFIG_NAME);
    char *folder = slash ? strndup(path, (size_t) (slash - path)) : strdup(".");
    char *config = folder ? tuff_os_path_join(folder, CONFIG_NAME) : NULL;
    free(folder);
    return config;
}

/* The module of a matrix, "attn.c_proj" of "attn.c_proj.weight"; false: another parameter. */
static bool module_of(const struct tuff_variable *v, char module[240])
{
    const char *name = tuff_weight_name(v);
    size_t n = strlen(name), end = strlen(".weight");
    if (n <= end || strcmp(name + n - end, ".weight") || tuff_variable_rank(v) != 2)
        return false;
    snprintf(module, 240, "%.*s", (int) (n - end), name);
    return true;
}

/* Ends the name of a matrix without an adapter. */
static bool names_others(const struct tuff_model *m, const char *end)
{
    char module[240];
    for (size_t i = 0; i < m->parameters.n; i++) {
        const struct tuff_variable *v = m->parameters.items[i].variable;
        bool other = module_of(v, module) && tuff_module_ends_in(module, end);
        for (size_t k = 0; k < m->lora->adapters.n && other; k++)
            other = m->lora->adapters.items[k].base != v;
        if (other)
            return true;
    }
    return false;
}

/* The last part of each layer's name, or as many as tell it from others, once. */
static json_t *target_names(const struct tuff_model *m)
{
    const struct tuff_lora *l = m->lora;
    json_t *list = json_array();
    for (size_t i = 0; i < l->adapters.n; i++) {
        char name[240] = "";
        module_of(l->adapters.items[i].base, name);
        char *last = name + strlen(name);
        do {
            while (--last > name && last[-1] != '.')
                continue;
        } while (last > name && names_others(m, last));
        json_t *one;
        size_t k;
        bool there = false;
        json_array_foreach(list, k, one)
            there |= !strcmp(json_string_value(one), last);
        if (!there)
            json_array_append_new(list, json_string(last));
    }
    return list;
}

/* NULL where there is none. */
json_t *tuff_peft_texts(const char *const *texts, size_t n)
{
    json_t *list = n ? json_array() : NULL;
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_string(texts[i]));
    return list;
}

const char *tuff_peft_task(enum tuff_task task)
{
    switch (task) {
    case TUFF_TASK_CAUSAL_LM: return "CAUSAL_LM";
    case TUFF_TASK_SEQUENCE_CLASSIFICATION: return "SEQ_CLS";
    case TUFF_TASK_TOKEN_CLASSIFICATION: return "TOKEN_CLS";
    case TUFF_TASK_TRANSLATION: return "SEQ_2_SEQ_LM";
    default: return NULL; /* PEFT has no more */
    }
}

static json_t *config_json(const struct tuff_model *m, const char *base)
{
    const struct tuff_lora *l = m->lora;
    json_t *targets = tuff_peft_texts(l->params.targets, l->params.n_targets);
    if (!targets)
        targets = target_names(m);
    return json_pack("{s:s, s:s?, s:s?, s:I, s:f, s:f, s:b, s:b, s:o, s:b, s:s, s:b, s:o?}",
                     "peft_type", "LORA", "task_type", tuff_peft_task(m->config.task),
                     "base_model_name_or_path", base,
                     "r", (json_int_t) l->params.rank, "lora_alpha", l->params.alpha,
                     "lora_dropout", l->params.dropout, "use_rslora", (int) l->params.rslora,
                     "use_dora", (int) l->params.dora, "target_modules", targets, "fan_in_fan_out",
                     (m->family->needs & TUFF_WEIGHTS_BY_INPUT) != 0, "bias", "none",
                     "inference_mode", 1, "modules_to_save",
                     tuff_peft_texts(l->params.modules_to_save, l->params.n_modules_to_save));
}

enum tuff_status tuff_peft_save(struct tuff_model *m, const char *folder, json_t *root)
{
    char *path = tuff_os_path_join(folder, CONFIG_NAME);
    enum tuff_status status = path && root ? tuff_json_save(m->ctx, path, root) : no_memory(m->ctx);
    json_decref(root);
    free(path);
    if (status == TUFF_OK)
        status = tuff_weights_save_some(m->store, folder, "adapter_model", tuff_lora_owns);
    return status;
}

/* What does not fit is said behind the file's name. */
static enum tuff_status another_model(struct tuff_ctx *ctx, const char *path)
{
    const char *text = tuff_error_text(ctx);
    size_t length = strlen(path);
    if (!strncmp(text, path, length) && !strncmp(text + length, ": ", 2))
        text += length + 2;
    return tuff_fail(ctx, TUFF_E_FORMAT, "%s: an adapter for another model: %s", path, text);
}

enum tuff_status tuff_peft_load(struct tuff_model *m, const char *folder)
{
    char *path = tensors_of(folder);
    enum tuff_status status = path ? tuff_weights_load_some(m->store, path, tuff_lora_owns)
                                   : no_memory(m->ctx);
    if (status == TUFF_E_FORMAT)
        status = another_model(m->ctx, path);
    free(path);
    return status;
}

enum tuff_status tuff_peft_check(struct tuff_model *m, const char *folder,
                                 const struct tuff_missing_weights *missing)
{
    char *path = tuff_os_path_join(folder, FILE_NAME), name[400];
    struct tuff_weights_file *file = NULL;
    enum tuff_status status = path ? tuff_weights_open(m->ctx, path, &file) : no_memory(m->ctx);
    for (size_t i = 0; i < missing->n && status == TUFF_OK; i++) {
        const struct tuff_variable *v = missing->items[i];
        snprintf(name, sizeof name, "%s%s", tuff_lora_owns(v) ? "" : TUFF_LORA_PREFIX, tuff_variable_name(v));
        if (!tuff_weights_find(file, name))
            status = tuff_fail(m->ctx, TUFF_E_FORMAT, "%s: has no %s, nor has the model it is for", path, name);
    }
    tuff_weights_close(file);
    free(path);
    return status;
}

enum tuff_status tuff_lora_head(struct tuff_ctx *ctx, const struct tuff_model_config *config,
                                const char *base, struct tuff_lora_params *params)
{
    static const char *const modules[] = {"classifier", "pooler"};
    bool of_texts = config->task == TUFF_TASK_SEQUENCE_CLASSIFICATION, pooled = !of_texts;
    params->modules_to_save = modules;
    params->n_modules_to_save = 0;
    if (!of_texts && config->task != TUFF_TASK_TOKEN_CLASSIFICATION)
        return TUFF_OK;
    struct tuff_weights_file *file = NULL;
    if (base && !pooled)
        TUFF_TRY(tuff_weights_open(ctx, base, &file));
    for (size_t i = 0; file && i < tuff_weights_count(file) && !pooled; i++)
        pooled = strstr(tuff_weights_get(file, i)->name, "pooler.") != NULL;
    tuff_weights_close(file);
    params->n_modules_to_save = pooled ? 1 : 2;
    return TUFF_OK;
}

enum tuff_status tuff_lora_save(struct tuff_model *m, const char *folder, const char *base)
{
    return tuff_peft_save(m, folder, config_json(m, base));
}

enum tuff_status tuff_lora_load(struct tuff_model *m, const char *folder)
{
    TUFF_TRY(tuff_peft_load(m, folder));
    return tuff_lora_lengths(m, false);
}

/* Settings that change what an adapter computes and that are not done here. */
static enum tuff_status check_kind(struct tuff_ctx *ctx, const char *path, const json_t *root)
{
    static const char *const flags[] = {"use_qalora"};
    static const char *const filled[] = {"rank_pattern", "alpha_pattern", "trainable_token_indices",
                                         "target_parameters"};
    const char *type = json_string_value(json_object_get(root, "peft_type"));
    const char *bias = json_string_value(json_object_get(root, "bias"));
    if (!type || strcmp(type, "LORA"))
        return tuff_fail(ctx, TUFF_E_UNSUPPORTED, "%s: \"peft_type\" is \"%.40s\"; supported is "
                         "LORA", path, type ? type : "");
    if (bias && strcmp(bias, "none"))
        return tuff_fail(ctx, TUFF_E_UNSUPPORTED, "%s: \"bias\" \"%.40s\" is not supported", path,
                         bias);
    for (size_t i = 0; i < TUFF_COUNT(flags); i++)
        if (json_is_true(json_object_get(root, flags[i])))
            return tuff_fail(ctx, TUFF_E_UNSUPPORTED, "%s: \"%s\" is not supported", path,
                             flags[i]);
    for (size_t i = 0; i < TUFF_COUNT(filled); i++) {
        const json_t *value = json_object_get(root, filled[i]);
        if (json_array_size(value) || json_object_size(value))
            return tuff_fail(ctx, TUFF_E_UNSUPPORTED, "%s: \"%s\" is not supported", path,
                             filled[i]);
    }
    return TUFF_OK;
}

/* Copies what a list holds behind *at, and makes *pointers point there. */
static enum tuff_status copy_list(struct tuff_ctx *ctx, const char *path, const char *key, const json_t *list,
                                  const char ***pointers, char **at)
{
    const json_t *one;
    size_t i;
    json_array_foreach(list, i, one)
    {
        if (!json_is_string(one))
            return tuff_fail(ctx, TUFF_E_FORMAT, "%s: \"%s\" must be texts", path, key);
        *(*pointers)++ = strcpy(*at, json_string_value(one));
        *at += strlen(*at) + 1;
    }
    return TUFF_OK;
}

/* One block of memory: the pointers, then the texts they point at. */
static enum tuff_status copy_texts(struct tuff_ctx *ctx, const char *path, const json_t *root,
                                   struct tuff_lora_params *params, const char **base,
                                   char **memory)
{
    static const char *const keys[] = {"target_modules", "modules_to_save"};
    const char *name = json_string_value(json_object_get(root, "base_model_name_or_path"));
    size_t n[2], bytes = name ? strlen(name) + 1 : 0, k;
    for (size_t i = 0; i < 2; i++) {
        const json_t *list = json_object_get(root, keys[i]), *one;
        n[i] = json_array_size(list);
        bytes += n[i] * sizeof(char *);
        json_array_foreach(list, k, one)
            bytes += json_string_length(one) + 1;
    }
    if (!(*memory = tuff_calloc(bytes + 1, 1)))
        return no_memory(ctx);
    const char **pointers = (const char **) (void *) *memory;
    char *at = *memory + (n[0] + n[1]) * sizeof(char *);
    params->targets = pointers;
    params->modules_to_save = pointers + n[0];
    for (size_t i = 0; i < 2; i++)
        TUFF_TRY(copy_list(ctx, path, keys[i], json_object_get(root, keys[i]), &pointers, &at));
    params->n_targets = n[0];
    params->n_modules_to_save = n[1];
    if (base)
        *base = name ? strcpy(at, name) : NULL;
    return TUFF_OK;
}

static enum tuff_status read_config(struct tuff_ctx *ctx, const char *path, const json_t *root,
                                    struct tuff_lora_params *p)
{
    p->alpha = 8; /* PEFT's defaults */
    p->rank = 8;
    TUFF_TRY(check_kind(ctx, path, root));
    TUFF_TRY(tuff_json_int(ctx, path, root, "r", &p->rank));
    TUFF_TRY(tuff_json_real(ctx, path, root, "lora_alpha", &p->alpha));
    TUFF_TRY(tuff_json_real(ctx, path, root, "lora_dropout", &p->dropout));
    TUFF_TRY(tuff_json_bool(ctx, path, root, "use_rslora", &p->rslora));
    TUFF_TRY(tuff_json_bool(ctx, path, root, "use_dora", &p->dora));
    return tuff_fail_in(ctx, tuff_lora_check(ctx, p), path);
}

enum tuff_status tuff_lora_config(struct tuff_ctx *ctx, const char *folder,
                                  struct tuff_lora_params *params, const char **base, char **memory)
{
    char *path = config_of(folder);
    json_t *root = NULL;
    *params = (struct tuff_lora_params) {0};
    *memory = NULL;
    enum tuff_status status = path ? tuff_json_load(ctx, path, &root) : no_memory(ctx);
    if (status == TUFF_OK)
        status = read_config(ctx, path, root, params);
    if (status == TUFF_OK)
        status = copy_texts(ctx, path, root, params, base, memory);
    json_decref(root);
    free(path);
    return status;
}

/* ---- merging ---- */

struct merge {
    struct tuff_model *model;
    const char *path;
    const struct tuff_lora_params *params;
    double weight;
    float *a, *b, *magnitude; /* magnitude NULL: none */
};

static enum tuff_status other_model(const struct merge *j, const char *name)
{
    char shown[80];
    return tuff_fail(j->model->ctx, TUFF_E_FORMAT, "%s: an adapter for another model: %s", j->path,
                     tuff_shown(name, shown));
}

static enum tuff_status read_tensor(const struct merge *j, const struct tuff_file_tensor *t,
                                    float **to)
{
    *to = tuff_calloc(t->count, sizeof **to);
    return *to ? tuff_file_tensor_read_f32(j->model->ctx, t, 0, t->count, *to)
               : no_memory(j->model->ctx);
}

/* What the adapter makes of row o of W, [in], `stride` apart: (W + s B A) m / |..|. */
static void changed_row(const struct merge *j, const float *w, int64_t stride, int64_t o, int64_t in,
                        int64_t r, double *row)
{
    double scale = tuff_lora_scale(j->params), length2 = 0;
    for (int64_t i = 0; i < in; i++)
        row[i] = 0;
    for (int64_t k = 0; k < r; k++)
        for (int64_t i = 0; i < in; i++)
            row[i] += (double) j->b[o * r + k] * (double) j->a[k * in + i];
    for (int64_t i = 0; i < in; i++) {
        row[i] = (double) w[i * stride] + scale * row[i];
        length2 += row[i] * row[i];
    }
    if (!j->magnitude)
        return;
    double factor = length2 > 0 ? (double) j->magnitude[o] / sqrt(length2) : 0;
    for (int64_t i = 0; i < in; i++)
        row[i] *= factor;
}

/* W += weight (changed W - W); W [out, in], or [in, out] where `turned`. */
static enum tuff_status change(const struct merge *j, float *w, int64_t out, int64_t in, int64_t r,
                               bool turned)
{
    double *row = tuff_calloc((size_t) in, sizeof *row);
    if (!row)
        return no_memory(j->model->ctx);
    for (int64_t o = 0; o < out; o++) {
        int64_t stride = turned ? out : 1;
        float *at = w + (turned ? o : o * in);
        changed_row(j, at, stride, o, in, r, row);
        for (int64_t i = 0; i < in; i++) {
            double was = (double) at[i * stride];
            at[i * stride] = (float) (was + j->weight * (row[i] - was));
        }
    }
    free(row);
    return TUFF_OK;
}

static const struct tuff_file_tensor *part(const struct tuff_weights_file *file, const char *module,
                                           const char *what)
{
    char name[400];
    snprintf(name, sizeof name, TUFF_LORA_PREFIX "%s.%s", module, what);
    return tuff_weights_find(file, name);
}

static enum tuff_status merge_layer(struct merge *j, const struct tuff_weights_file *file,
                                    const struct tuff_file_tensor *a, const char *module)
{
    struct tuff_model *m = j->model;
    char name[400];
    const struct tuff_file_tensor *b = part(file, module, "lora_B.weight");
    const struct tuff_file_tensor *magnitude = part(file, module, "lora_magnitude_vector");
    snprintf(name, sizeof name, "%s.weight", module);
    struct tuff_variable *v = tuff_store_find(m->store, name);
    bool turned = m->family->needs & TUFF_WEIGHTS_BY_INPUT;
    if (!b || !v || a->rank != 2 || b->rank != 2 || tuff_variable_rank(v) != 2 ||
        a->dims[0] != b->dims[1] || b->dims[0] != tuff_variable_dims(v)[0] ||
        a->dims[1] != tuff_variable_dims(v)[1] || j->params->dora != (magnitude != NULL) ||
        (magnitude && (magnitude->rank != 1 || magnitude->dims[0] != b->dims[0])))
        return other_model(j, a->name);
    float *w = tuff_calloc((size_t) tuff_variable_elements(v), sizeof *w);
    enum tuff_status status = w ? read_tensor(j, a, &j->a) : no_memory(m->ctx);
    if (status == TUFF_OK)
        status = read_tensor(j, b, &j->b);
    if (status == TUFF_OK && magnitude)
        status = read_tensor(j, magnitude, &j->magnitude);
    if (status == TUFF_OK)
        status = tuff_weight_read(m->store, v, TUFF_VALUE, w);
    if (status == TUFF_OK)
        status = change(j, w, b->dims[0], a->dims[1], a->dims[0], turned);
    if (status == TUFF_OK)
        status = tuff_weight_write(m->store, v, TUFF_VALUE, w);
    free(w);
    free(j->a);
    free(j->b);
    free(j->magnitude);
    j->a = j->b = j->magnitude = NULL;
    return status;
}

/* A tensor of modules_to_save takes the place of the model's. */
static enum tuff_status merge_whole(struct merge *j, const struct tuff_file_tensor *t, const char *name)
{
    struct tuff_model *m = j->model;
    struct tuff_variable *v = tuff_store_find(m->store, name);
    if (!v || !tuff_weight_of_head(name, m->family->prefix) || t->rank != tuff_variable_rank(v) ||
        t->dims[0] != tuff_variable_dims(v)[0] || (t->rank > 1 && t->dims[1] != tuff_variable_dims(v)[1]))
        return other_model(j, t->name);
    float *values = NULL, *before = tuff_calloc(t->count, sizeof *before);
    enum tuff_status status = before ? read_tensor(j, t, &values) : no_memory(m->ctx);
    if (status == TUFF_OK)
        status = tuff_weight_read(m->store, v, TUFF_VALUE, before);
    if (status == TUFF_OK && j->weight != 0)
        status = tuff_weight_write(m->store, v, TUFF_VALUE, values);
    if (status == TUFF_OK)
        status = tuff_weight_read(m->store, v, TUFF_VALUE, values); /* as the model's type rounds it */
    if (status == TUFF_OK && m->head_given && memcmp(values, before, t->count * sizeof *values))
        status = tuff_fail(m->ctx, TUFF_E_ARG, "%s: has another %s than the adapter before: heads cannot be added up",
                           j->path, name);
    free(values);
    free(before);
    return status;
}

static enum tuff_status merge_all(struct merge *j, const struct tuff_weights_file *file)
{
    static const char end[] = ".lora_A.weight";
    size_t layers = 0, whole = 0, n = tuff_weights_count(file), each = j->params->dora ? 3 : 2;
    for (size_t i = 0; i < n; i++) {
        const struct tuff_file_tensor *t = tuff_weights_get(file, i);
        size_t length = strlen(t->name), prefix = strlen(TUFF_LORA_PREFIX), tail = sizeof end - 1;
        char module[300];
        if (length <= prefix || strncmp(t->name, TUFF_LORA_PREFIX, prefix))
            return other_model(j, t->name);
        if (tuff_module_find(j->params->modules_to_save, j->params->n_modules_to_save, t->name + prefix)) {
            TUFF_TRY(merge_whole(j, t, t->name + prefix));
            whole++;
            continue;
        }
        if (length <= prefix + tail || strcmp(t->name + length - tail, end))
            continue;
        if (length >= sizeof module)
            return other_model(j, t->name);
        snprintf(module, sizeof module, "%.*s", (int) (length - prefix - tail), t->name + prefix);
        TUFF_TRY(merge_layer(j, file, t, module));
        layers++;
    }
    j->model->head_given |= whole && j->weight != 0;
    return layers && each * layers + whole == n ? TUFF_OK : other_model(j, layers ? "other tensors" : "no pair");
}

enum tuff_status tuff_lora_merge(struct tuff_model *m, const char *folder, double weight)
{
    struct tuff_lora_params params;
    struct tuff_weights_file *file = NULL;
    char *memory = NULL, *path = tensors_of(folder);
    enum tuff_status status =
        path ? tuff_lora_config(m->ctx, folder, &params, NULL, &memory) : no_memory(m->ctx);
    if (status == TUFF_OK)
        status = tuff_weights_open(m->ctx, path, &file);
    if (status == TUFF_OK)
        status = merge_all(&(struct merge) {.model = m, .path = path, .params = &params,
                                            .weight = weight},
                           file);
    tuff_weights_close(file);
    free(memory);
    free(path);
    return status;
}
