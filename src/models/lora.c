/* models/lora: low-rank adapters beside a model's frozen linear layers; see tuff/lora.h. */
#include "tuff/lora.h"
#include "base/json.h"
#include "base/os.h"
#include "base/rng.h"
#include "graph/op.h"
#include "io/weights_file.h"
#include "models/model.h"

#define PREFIX "base_model.model."
#define FILE_NAME "adapter_model.safetensors"
#define STREAM 0x10000u /* dropouts of adapters, apart from the model's own */
#define INIT_STREAM ((uint64_t) 0x6c6f7261 << 32)

static enum tuff_status no_memory(struct tuff_ctx *ctx)
{
    return tuff_fail(ctx, TUFF_E_NOMEM, "lora: out of host memory");
}

static float scale_of(const struct tuff_lora_params *p)
{
    return (float) (p->alpha / (p->rslora ? sqrt((double) p->rank) : (double) p->rank));
}

/* ---- declaring ---- */

/* `module` is the layer, or ends in it behind a dot. */
static bool ends_in(const char *module, const char *target)
{
    size_t n = strlen(module), k = strlen(target);
    return k && n >= k && !strcmp(module + n - k, target) && (n == k || module[n - k - 1] == '.');
}

/* No embedding and no head: these two are not in the blocks. */
static bool in_a_block(const char *module)
{
    static const char *const others[] = {"embed", "wte",    "wpe",        "shared", "lm_head",
                                         "score", "pooler", "classifier", "cls.",   "qa_outputs"};
    for (size_t i = 0; i < TUFF_COUNT(others); i++)
        if (strstr(module, others[i]))
            return false;
    return true;
}

static bool is_target(struct tuff_lora *l, const char *module)
{
    bool found = !l->params.n_targets && in_a_block(module);
    for (size_t i = 0; i < l->params.n_targets; i++)
        if (ends_in(module, l->params.targets[i]))
            found = l->matched[i] = true;
    return found;
}

static enum tuff_status add_matrix(struct tuff_model *m, const char *module, char which,
                                   int64_t rows, int64_t cols, const struct tuff_file_order *file,
                                   struct tuff_variable **to)
{
    char name[240];
    snprintf(name, sizeof name, PREFIX "%s.lora_%c.weight", module, which);
    return tuff_weight_add(m->store, name, rows, cols, which == 'B' ? TUFF_LORA_B_GROUP : 0,
                           TUFF_F32, file, to);
}

static enum tuff_status add_pair(struct tuff_model *m, const char *module, int64_t out, int64_t in,
                                 const struct tuff_file_order *file, struct tuff_variable *base)
{
    struct tuff_lora *l = m->lora;
    struct tuff_adapter *a = TUFF_PUSH(&l->adapters);
    struct tuff_file_order rows = {0};
    if (!a)
        return no_memory(m->ctx);
    /* Where the base's outputs have another order, so have B's: r takes the place of the inputs. */
    if (file) {
        rows = *file;
        rows.dims[rows.rank - 1] = l->params.rank;
    }
    *a = (struct tuff_adapter) {.base = base, .scale = scale_of(&l->params),
                                .dropout = (float) l->params.dropout,
                                .stream = STREAM + (uint32_t) l->adapters.n};
    TUFF_TRY(add_matrix(m, module, 'A', l->params.rank, in, NULL, &a->a));
    return add_matrix(m, module, 'B', out, l->params.rank, file ? &rows : NULL, &a->b);
}

enum tuff_status tuff_lora_declare(struct tuff_model *m, const char *name, int64_t rows,
                                   int64_t cols, const struct tuff_file_order *file,
                                   struct tuff_variable **to)
{
    size_t n = strlen(name), end = n > 7 && !strcmp(name + n - 7, ".weight") ? n - 7 : 0;
    char module[200];
    snprintf(module, sizeof module, "%.*s", (int) end, name);
    TUFF_TRY(tuff_store_add(
        m->store,
        &(struct tuff_variable_params) {.name = name, .dtype = cols ? m->config.frozen_dtype : TUFF_F32,
                                        .rank = cols ? 2 : 1, .dims = {rows, cols},
                                        .role = TUFF_FROZEN,
                                        .file = file ? *file : (struct tuff_file_order) {0}},
        to));
    if (!cols || !end || !is_target(m->lora, module))
        return TUFF_OK;
    bool turned = m->family->needs & TUFF_WEIGHTS_BY_INPUT;
    return add_pair(m, module, turned ? cols : rows, turned ? rows : cols, file, *to);
}

static enum tuff_status check_params(struct tuff_ctx *ctx, const struct tuff_lora_params *p)
{
    if (p->rank < 1 || p->rank > 65536)
        return tuff_fail(ctx, TUFF_E_RANGE, "lora: r is %lld; it must be 1 to 65536",
                         (long long) p->rank);
    if (!(p->dropout >= 0 && p->dropout < 1) || !isfinite(p->alpha))
        return tuff_fail(ctx, TUFF_E_RANGE, "lora: dropout %g, alpha %g: dropout must be 0 to 1",
                         p->dropout, p->alpha);
    return TUFF_OK;
}

void tuff_lora_free(struct tuff_lora *l)
{
    if (!l)
        return;
    free(l->adapters.items);
    free(l->matched);
    free(l->targets);
    tuff_arena_fini(&l->memory);
    free(l);
}

static enum tuff_status copy_params(struct tuff_ctx *ctx, const struct tuff_lora_params *p,
                                    struct tuff_lora *l)
{
    l->params = *p;
    l->targets = tuff_calloc(p->n_targets + 1, sizeof *l->targets);
    l->matched = tuff_calloc(p->n_targets + 1, sizeof *l->matched);
    for (size_t i = 0; i < p->n_targets && l->targets; i++)
        if (!(l->targets[i] = tuff_arena_strdup(&l->memory, p->targets[i])))
            return no_memory(ctx);
    l->params.targets = l->targets;
    return l->targets && l->matched ? TUFF_OK : no_memory(ctx);
}

enum tuff_status tuff_lora_create(struct tuff_store *store, const struct tuff_model_config *config,
                                  const struct tuff_lora_params *params, struct tuff_model **out)
{
    struct tuff_ctx *ctx = tuff_store_ctx(store);
    *out = NULL;
    TUFF_TRY(check_params(ctx, params));
    struct tuff_lora *l = tuff_calloc(1, sizeof *l);
    if (!l)
        return no_memory(ctx);
    enum tuff_status status = copy_params(ctx, params, l);
    if (status == TUFF_OK)
        status = tuff_model_create_with(store, config, l, out);
    else
        tuff_lora_free(l);
    TUFF_TRY(status);
    for (size_t i = 0; i < params->n_targets && status == TUFF_OK; i++)
        if (!(*out)->lora->matched[i])
            status = tuff_fail(ctx, TUFF_E_ARG, "lora: target \"%s\" is no linear layer of a %s",
                               params->targets[i], config->model_type);
    if (status != TUFF_OK) {
        tuff_model_destroy(*out);
        *out = NULL;
    }
    return status;
}

struct tuff_tensor *tuff_lora_apply(struct tuff_graph *g, struct tuff_model *m,
                                    struct tuff_tensor *seed, struct tuff_tensor *hidden)
{
    struct tuff_lora *l = m->lora;
    if (!hidden)
        return NULL;
    tuff_adapt(g, l->adapters.items, l->adapters.n, seed);
    for (size_t i = 0; i < l->adapters.n; i++)
        if (!l->adapters.items[i].used)
            return tuff_graph_fail(g, TUFF_E_UNSUPPORTED, "lora: %s is no linear layer of the "
                                   "forward pass", tuff_variable_name(l->adapters.items[i].base));
    return hidden;
}

/* ---- values ---- */

enum tuff_status tuff_lora_init(struct tuff_model *m, uint64_t seed)
{
    for (size_t i = 0; i < m->lora->adapters.n; i++) {
        struct tuff_adapter *a = &m->lora->adapters.items[i];
        size_t n = (size_t) tuff_variable_elements(a->a);
        size_t n_b = (size_t) tuff_variable_elements(a->b);
        /* PyTorch's kaiming_uniform_(a = sqrt(5)) */
        double bound = 1 / sqrt((double) tuff_variable_dims(a->a)[1]);
        float *values = tuff_calloc(TUFF_MAX(n, n_b), sizeof *values);
        struct tuff_rng rng;
        if (!values)
            return no_memory(m->ctx);
        enum tuff_status status = tuff_variable_write(m->store, a->b, TUFF_VALUE, values);
        tuff_rng_init(&rng, seed, INIT_STREAM + i);
        for (size_t k = 0; k < n; k++)
            values[k] = (float) (bound * (2 * tuff_rng_uniform(&rng) - 1));
        if (status == TUFF_OK)
            status = tuff_variable_write(m->store, a->a, TUFF_VALUE, values);
        free(values);
        TUFF_TRY(status);
    }
    return TUFF_OK;
}

bool tuff_lora_owns(const struct tuff_variable *v)
{
    return tuff_variable_role(v) == TUFF_TRAINABLE &&
           !strncmp(tuff_variable_name(v), PREFIX, strlen(PREFIX));
}

/* ---- files ---- */

/* The last part of each layer's name, once. */
static json_t *target_names(const struct tuff_lora *l)
{
    json_t *list = json_array();
    for (size_t i = 0; i < l->adapters.n; i++) {
        char name[200];
        const char *full = tuff_variable_name(l->adapters.items[i].base);
        snprintf(name, sizeof name, "%.*s", (int) (strlen(full) - strlen(".weight")), full);
        const char *dot = strrchr(name, '.'), *last = dot ? dot + 1 : name;
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

static json_t *config_json(const struct tuff_model *m, const char *base)
{
    const struct tuff_lora *l = m->lora;
    json_t *targets = json_array();
    for (size_t i = 0; i < l->params.n_targets; i++)
        json_array_append_new(targets, json_string(l->params.targets[i]));
    if (!l->params.n_targets) {
        json_decref(targets);
        targets = target_names(l);
    }
    return json_pack("{s:s, s:s, s:s?, s:I, s:f, s:f, s:b, s:b, s:o, s:b, s:s, s:b, s:n}",
                     "peft_type", "LORA", "task_type", "CAUSAL_LM", "base_model_name_or_path", base,
                     "r", (json_int_t) l->params.rank, "lora_alpha", l->params.alpha,
                     "lora_dropout", l->params.dropout, "use_rslora", (int) l->params.rslora,
                     "use_dora", 0, "target_modules", targets, "fan_in_fan_out",
                     (m->family->needs & TUFF_WEIGHTS_BY_INPUT) != 0, "bias", "none",
                     "inference_mode", 1, "modules_to_save");
}

enum tuff_status tuff_lora_save(struct tuff_model *m, const char *folder, const char *base)
{
    char *path = tuff_os_path_join(folder, "adapter_config.json");
    json_t *root = config_json(m, base);
    enum tuff_status status = path && root ? tuff_json_save(m->ctx, path, root) : no_memory(m->ctx);
    json_decref(root);
    free(path);
    if (status == TUFF_OK)
        status = tuff_weights_save_some(m->store, folder, "adapter_model", tuff_lora_owns);
    return status;
}

enum tuff_status tuff_lora_load(struct tuff_model *m, const char *folder)
{
    char *path = tuff_os_path_join(folder, FILE_NAME);
    enum tuff_status status = path ? tuff_weights_load_some(m->store, path, tuff_lora_owns)
                                   : no_memory(m->ctx);
    free(path);
    return status == TUFF_E_FORMAT ? tuff_fail_in(m->ctx, status, "an adapter for another model")
                                   : status;
}

/* Settings that change what an adapter computes and that are not done here. */
static enum tuff_status check_kind(struct tuff_ctx *ctx, const char *path, const json_t *root)
{
    static const char *const flags[] = {"use_dora", "use_qalora"};
    static const char *const filled[] = {"modules_to_save", "rank_pattern", "alpha_pattern",
                                         "trainable_token_indices", "target_parameters"};
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

/* One block of memory: the pointers, then the texts they point at. */
static enum tuff_status copy_texts(struct tuff_ctx *ctx, const char *path, const json_t *root,
                                   struct tuff_lora_params *params, const char **base,
                                   char **memory)
{
    const json_t *list = json_object_get(root, "target_modules"), *one;
    const char *name = json_string_value(json_object_get(root, "base_model_name_or_path"));
    size_t n = json_array_size(list), bytes = n * sizeof(char *) + (name ? strlen(name) + 1 : 0), i;
    json_array_foreach(list, i, one)
    {
        if (!json_is_string(one))
            return tuff_fail(ctx, TUFF_E_FORMAT, "%s: \"target_modules\" must be texts", path);
        bytes += strlen(json_string_value(one)) + 1;
    }
    if (!(*memory = tuff_calloc(bytes + 1, 1)))
        return no_memory(ctx);
    char **targets = (char **) (void *) *memory, *at = *memory + n * sizeof(char *);
    json_array_foreach(list, i, one)
    {
        targets[i] = at;
        at += strlen(strcpy(at, json_string_value(one))) + 1;
    }
    params->targets = (const char *const *) targets;
    params->n_targets = n;
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
    return tuff_fail_in(ctx, check_params(ctx, p), path);
}

enum tuff_status tuff_lora_config(struct tuff_ctx *ctx, const char *folder,
                                  struct tuff_lora_params *params, const char **base, char **memory)
{
    char *path = tuff_os_path_join(folder, "adapter_config.json");
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
    double scale;
    float *a, *b, *w;
};

/* w [out, in], or [in, out] where `turned`. */
static void add_product(float *w, const float *a, const float *b, int64_t out, int64_t in,
                        int64_t r, double scale, bool turned)
{
    for (int64_t o = 0; o < out; o++)
        for (int64_t i = 0; i < in; i++) {
            double sum = 0;
            for (int64_t k = 0; k < r; k++)
                sum += (double) b[o * r + k] * (double) a[k * in + i];
            float *at = &w[turned ? i * out + o : o * in + i];
            *at = (float) ((double) *at + scale * sum);
        }
}

static enum tuff_status other_model(const struct merge *j, const char *name)
{
    char shown[80];
    return tuff_fail(j->model->ctx, TUFF_E_FORMAT, "%s: an adapter for another model: %s", j->path,
                     tuff_shown(name, shown));
}

static enum tuff_status merge_pair(struct merge *j, const struct tuff_weights_file *file,
                                   const struct tuff_file_tensor *a, const char *module)
{
    struct tuff_model *m = j->model;
    char name[400];
    snprintf(name, sizeof name, PREFIX "%s.lora_B.weight", module);
    const struct tuff_file_tensor *b = tuff_weights_find(file, name);
    snprintf(name, sizeof name, "%s.weight", module);
    struct tuff_variable *v = tuff_store_find(m->store, name);
    bool turned = m->family->needs & TUFF_WEIGHTS_BY_INPUT;
    if (!b || !v || a->rank != 2 || b->rank != 2 || tuff_variable_rank(v) != 2 ||
        a->dims[0] != b->dims[1] || b->dims[0] != tuff_variable_dims(v)[turned] ||
        a->dims[1] != tuff_variable_dims(v)[!turned])
        return other_model(j, a->name);
    j->a = tuff_calloc(a->count, sizeof *j->a);
    j->b = tuff_calloc(b->count, sizeof *j->b);
    j->w = tuff_calloc((size_t) tuff_variable_elements(v), sizeof *j->w);
    if (!j->a || !j->b || !j->w)
        return no_memory(m->ctx);
    TUFF_TRY(tuff_file_tensor_read_f32(m->ctx, a, 0, a->count, j->a));
    TUFF_TRY(tuff_file_tensor_read_f32(m->ctx, b, 0, b->count, j->b));
    TUFF_TRY(tuff_weight_read(m->store, v, TUFF_VALUE, j->w));
    add_product(j->w, j->a, j->b, b->dims[0], a->dims[1], a->dims[0], j->scale, turned);
    return tuff_weight_write(m->store, v, TUFF_VALUE, j->w);
}

static enum tuff_status merge_all(struct merge *j, const struct tuff_weights_file *file)
{
    static const char end[] = ".lora_A.weight";
    size_t pairs = 0, n = tuff_weights_count(file);
    for (size_t i = 0; i < n; i++) {
        const struct tuff_file_tensor *t = tuff_weights_get(file, i);
        size_t length = strlen(t->name), prefix = strlen(PREFIX), tail = sizeof end - 1;
        char module[300];
        if (length <= prefix + tail || length >= sizeof module || strncmp(t->name, PREFIX, prefix))
            return other_model(j, t->name);
        if (strcmp(t->name + length - tail, end))
            continue;
        snprintf(module, sizeof module, "%.*s", (int) (length - prefix - tail), t->name + prefix);
        enum tuff_status status = merge_pair(j, file, t, module);
        free(j->a);
        free(j->b);
        free(j->w);
        j->a = j->b = j->w = NULL;
        TUFF_TRY(status);
        pairs++;
    }
    return pairs && 2 * pairs == n ? TUFF_OK : other_model(j, pairs ? "other tensors" : "no pair");
}

enum tuff_status tuff_lora_merge(struct tuff_model *m, const char *folder)
{
    struct tuff_lora_params params;
    struct tuff_weights_file *file = NULL;
    char *memory = NULL, *path = tuff_os_path_join(folder, FILE_NAME);
    enum tuff_status status =
        path ? tuff_lora_config(m->ctx, folder, &params, NULL, &memory) : no_memory(m->ctx);
    if (status == TUFF_OK)
        status = tuff_weights_open(m->ctx, path, &file);
    if (status == TUFF_OK)
        status = merge_all(&(struct merge) {.model = m, .path = path,
                                            .scale = (double) params.alpha /
                                                     (params.rslora ? sqrt((double) params.rank)
                                                                    : (double) params.rank)},
                           file);
    tuff_weights_close(file);
    free(memory);
    free(path);
    return status;
}

/* ---- the command line ---- */

static enum tuff_status set_option(struct tuff_ctx *ctx, struct tuff_lora_params *p, char *key,
                                   char *value, const char **targets)
{
    char *end = NULL;
    double number = value ? strtod(value, &end) : 0;
    bool good = value && end != value && !*end;
    if (!strcmp(key, "rslora") && !value)
        return p->rslora = true, TUFF_OK;
    if (good && !strcmp(key, "r") && number == (double) (int64_t) number)
        return p->rank = (int64_t) number, TUFF_OK;
    if (good && !strcmp(key, "alpha"))
        return p->alpha = number, TUFF_OK;
    if (good && !strcmp(key, "dropout"))
        return p->dropout = number, TUFF_OK;
    if (strcmp(key, "target") || !value || !*value)
        return tuff_fail(ctx, TUFF_E_ARG, "lora: \"%.40s%s%.40s\": options are r=N, alpha=X, "
                         "dropout=P, rslora, target=NAME+NAME", key, value ? "=" : "",
                         value ? value : "");
    for (char *next; value && strcmp(value, "all"); value = next) {
        if ((next = strchr(value, '+')))
            *next++ = 0;
        targets[p->n_targets++] = value;
    }
    return TUFF_OK;
}

enum tuff_status tuff_lora_parse(struct tuff_ctx *ctx, const char *text, struct tuff_lora_params *p,
                                 char **memory)
{
    size_t n = strlen(text), room = (n + 1) * sizeof(char *);
    *p = (struct tuff_lora_params) {.rank = 8, .alpha = -1};
    if (!(*memory = tuff_calloc(room + n + 1, 1)))
        return no_memory(ctx);
    const char **targets = (const char **) (void *) *memory;
    char *at = strcpy(*memory + room, text);
    for (char *next; at && *at; at = next) {
        if ((next = strchr(at, ',')))
            *next++ = 0;
        char *value = strchr(at, '=');
        if (value)
            *value++ = 0;
        TUFF_TRY(set_option(ctx, p, at, value, targets));
    }
    p->targets = (const char *const *) targets;
    if (p->alpha < 0)
        p->alpha = 2 * (double) p->rank;
    return check_params(ctx, p);
}
