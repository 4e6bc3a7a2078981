/* models/lora: low-rank adapters beside a model's frozen linear layers; see tuff/lora.h. Their files are
 * lora_file.c's. */
#include "tuff/lora.h"
#include "base/rng.h"
#include "graph/op.h"
#include "models/model.h"

#define PREFIX TUFF_LORA_PREFIX
#define STREAM 0x10000u /* dropouts of adapters, apart from the model's own */
#define INIT_STREAM ((uint64_t) 0x6c6f7261 << 32)

static enum tuff_status no_memory(struct tuff_ctx *ctx)
{
    return tuff_fail(ctx, TUFF_E_NOMEM, "lora: out of host memory");
}

double tuff_lora_scale(const struct tuff_lora_params *p)
{
    return p->alpha / (p->rslora ? sqrt((double) p->rank) : (double) p->rank);
}

/* ---- declaring ---- */

bool tuff_module_ends_in(const char *module, const char *end)
{
    size_t n = strlen(module), k = strlen(end);
    return k && n >= k && !strcmp(module + n - k, end) && (n == k || module[n - k - 1] == '.');
}

const char *const *tuff_module_find(const char *const *modules, size_t n, const char *name)
{
    char module[200];
    for (const char *dot = strchr(name, '.'); dot; dot = strchr(dot + 1, '.')) {
        snprintf(module, sizeof module, "%.*s", (int) (dot - name), name);
        for (size_t i = 0; i < n; i++)
            if (tuff_module_ends_in(module, modules[i]))
                return &modules[i];
    }
    return NULL;
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
        if (tuff_module_ends_in(module, l->params.targets[i]))
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

/* DoRA's magnitude, which is not decayed, and |row|^2 of W, which tuff_lora_lengths fills. */
static enum tuff_status add_lengths(struct tuff_model *m, const char *module, int64_t out,
                                    const struct tuff_file_order *file, struct tuff_adapter *a)
{
    char name[240];
    snprintf(name, sizeof name, PREFIX "%s.lora_magnitude_vector", module);
    TUFF_TRY(tuff_weight_add(m->store, name, out, 0, 1, TUFF_F32, file->rank ? file : NULL,
                             &a->magnitude));
    snprintf(name, sizeof name, "%s.length2", module);
    return tuff_store_add(m->store,
                          &(struct tuff_variable_params) {.name = name, .dtype = TUFF_F32,
                                                          .rank = 1, .dims = {out},
                                                          .role = TUFF_STATE, .file = *file},
                          &a->base_length2);
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
    *a = (struct tuff_adapter) {.base = base, .scale = (float) tuff_lora_scale(&l->params),
                                .dropout = (float) l->params.dropout,
                                .stream = STREAM + (uint32_t) l->adapters.n};
    if (!m->family->heads || !tuff_weight_of_head(module, m->family->prefix))
        l->body = l->adapters.n;
    TUFF_TRY(add_matrix(m, module, 'A', l->params.rank, in, NULL, &a->a));
    TUFF_TRY(add_matrix(m, module, 'B', out, l->params.rank, file ? &rows : NULL, &a->b));
    if (file)
        rows.dims[rows.rank - 1] = 1;
    return l->params.dora ? add_lengths(m, module, out, &rows, a) : TUFF_OK;
}

/* A parameter of one of modules_to_save, under the name that PEFT's files have. */
static enum tuff_status add_saved(struct tuff_model *m, const char *name, int64_t rows, int64_t cols,
                                  const struct tuff_file_order *file, const char *const *module,
                                  struct tuff_variable **to)
{
    char full[240];
    if (!tuff_weight_of_head(name, m->family->prefix))
        return tuff_fail(m->ctx, TUFF_E_ARG, "lora: \"modules_to_save\" \"%s\": %s is no part of a head", *module,
                         name);
    if (m->lora)
        m->lora->matched[m->lora->params.n_targets + (size_t) (module - m->lora->params.modules_to_save)] = true;
    snprintf(full, sizeof full, "%s%s", m->lora ? PREFIX : TUFF_PEFT_PREFIX, name);
    return tuff_weight_add(m->store, full, rows, cols, cols ? 0 : 1, TUFF_F32, file, to);
}

enum tuff_status tuff_lora_declare(struct tuff_model *m, const char *name, int64_t rows,
                                   int64_t cols, const struct tuff_file_order *file,
                                   struct tuff_variable **to)
{
    size_t modules;
    const char *const *list = m->soft ? tuff_soft_prompt_modules(m, &modules)
                                      : m->lora->params.modules_to_save;
    if (m->lora)
        modules = m->lora->params.n_modules_to_save;
    const char *const *whole = tuff_module_find(list, modules, name);
    if (whole)
        return add_saved(m, name, rows, cols, file, whole, to);
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
    if (!m->lora || !cols || !end || !is_target(m->lora, module))
        return TUFF_OK;
    bool turned = m->family->needs & TUFF_WEIGHTS_BY_INPUT;
    return add_pair(m, module, rows, cols, turned ? NULL : file, *to);
}

enum tuff_status tuff_lora_check(struct tuff_ctx *ctx, const struct tuff_lora_params *p)
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
    free(l->texts);
    tuff_arena_fini(&l->memory);
    free(l);
}

static enum tuff_status copy_params(struct tuff_ctx *ctx, const struct tuff_lora_params *p,
                                    struct tuff_lora *l)
{
    size_t n = p->n_targets + p->n_modules_to_save;
    l->params = *p;
    l->texts = tuff_calloc(n + 1, sizeof *l->texts);
    l->matched = tuff_calloc(n + 1, sizeof *l->matched);
    for (size_t i = 0; i < n && l->texts; i++)
        if (!(l->texts[i] = tuff_arena_strdup(&l->memory, i < p->n_targets
                                                              ? p->targets[i]
                                                              : p->modules_to_save[i - p->n_targets])))
            return no_memory(ctx);
    l->params.targets = l->texts;
    l->params.modules_to_save = l->texts + p->n_targets;
    return l->texts && l->matched ? TUFF_OK : no_memory(ctx);
}

/* Every text names something. What PEFT puts into modules_to_save of every classifier need not. */
static enum tuff_status check_matched(struct tuff_ctx *ctx, const struct tuff_lora *l, const char *model_type)
{
    for (size_t i = 0; i < l->params.n_targets + l->params.n_modules_to_save; i++) {
        const char *text = l->texts[i];
        bool target = i < l->params.n_targets;
        if (l->matched[i] || (!target && (!strcmp(text, "classifier") || !strcmp(text, "score"))))
            continue;
        return target ? tuff_fail(ctx, TUFF_E_ARG, "lora: target \"%s\" is no linear layer of a %s", text, model_type)
                      : tuff_fail(ctx, TUFF_E_ARG, "lora: \"modules_to_save\" \"%s\" is no module of a %s", text,
                                  model_type);
    }
    return TUFF_OK;
}

enum tuff_status tuff_lora_create(struct tuff_store *store, const struct tuff_model_config *config,
                                  const struct tuff_lora_params *params, struct tuff_model **out)
{
    struct tuff_ctx *ctx = tuff_store_ctx(store);
    *out = NULL;
    TUFF_TRY(tuff_lora_check(ctx, params));
    struct tuff_lora *l = tuff_calloc(1, sizeof *l);
    if (!l)
        return no_memory(ctx);
    enum tuff_status status = copy_params(ctx, params, l);
    if (status == TUFF_OK)
        status = tuff_model_create_with(store, config, l, NULL, out);
    else
        tuff_lora_free(l);
    TUFF_TRY(status);
    status = check_matched(ctx, (*out)->lora, config->model_type);
    if (status != TUFF_OK) {
        tuff_model_destroy(*out);
        *out = NULL;
    }
    return status;
}

/* Adapters `first` to `end`. */
static bool apply(struct tuff_graph *g, struct tuff_lora *l, size_t first, size_t end, struct tuff_tensor *seed)
{
    if (first < end)
        tuff_adapt(g, l->adapters.items + first, end - first, seed);
    for (size_t i = first; i < end; i++)
        if (!l->adapters.items[i].used) {
            tuff_graph_fail(g, TUFF_E_UNSUPPORTED, "lora: %s is no linear layer of the forward pass",
                            tuff_variable_name(l->adapters.items[i].base));
            return false;
        }
    return true;
}

struct tuff_tensor *tuff_lora_apply(struct tuff_graph *g, struct tuff_model *m,
                                    struct tuff_tensor *seed, struct tuff_tensor *hidden)
{
    return hidden && apply(g, m->lora, 0, m->lora->body, seed) ? hidden : NULL;
}

void tuff_lora_apply_heads(struct tuff_graph *g, struct tuff_model *m, struct tuff_tensor *seed)
{
    apply(g, m->lora, m->lora->body, m->lora->adapters.n, seed);
}

/* ---- values ---- */

static void row_lengths2(const float *w, int64_t out, int64_t in, bool turned, double *lengths2)
{
    for (int64_t o = 0; o < out; o++) {
        lengths2[o] = 0;
        for (int64_t i = 0; i < in; i++) {
            double x = (double) w[turned ? i * out + o : o * in + i];
            lengths2[o] += x * x;
        }
    }
}

/* What an adapter's magnitude, if `set`, and the lengths of its base are made of. */
static enum tuff_status write_lengths(struct tuff_model *m, struct tuff_adapter *a, bool set)
{
    bool turned = m->family->needs & TUFF_WEIGHTS_BY_INPUT;
    const int64_t *dims = tuff_variable_dims(a->base);
    int64_t out = dims[0], in = dims[1];
    float *w = tuff_calloc((size_t) (out * in), sizeof *w);
    double *lengths2 = tuff_calloc((size_t) out, sizeof *lengths2);
    enum tuff_status status = w && lengths2 ? tuff_weight_read(m->store, a->base, TUFF_VALUE, w)
                                            : no_memory(m->ctx);
    if (status == TUFF_OK) {
        row_lengths2(w, out, in, turned, lengths2);
        for (int64_t o = 0; o < out; o++)
            w[o] = (float) lengths2[o];
        status = tuff_weight_write(m->store, a->base_length2, TUFF_VALUE, w);
        for (int64_t o = 0; o < out; o++)
            w[o] = (float) sqrt(lengths2[o]);
    }
    if (status == TUFF_OK && set)
        status = tuff_weight_write(m->store, a->magnitude, TUFF_VALUE, w);
    free(w);
    free(lengths2);
    return status;
}

enum tuff_status tuff_lora_lengths(struct tuff_model *m, bool magnitudes)
{
    for (size_t i = 0; i < m->lora->adapters.n; i++)
        if (m->lora->adapters.items[i].magnitude)
            TUFF_TRY(write_lengths(m, &m->lora->adapters.items[i], magnitudes));
    return TUFF_OK;
}

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
    return tuff_lora_lengths(m, true);
}

bool tuff_lora_owns(const struct tuff_variable *v)
{
    return tuff_variable_role(v) == TUFF_TRAINABLE &&
           (!strncmp(tuff_variable_name(v), TUFF_PEFT_PREFIX, strlen(TUFF_PEFT_PREFIX)) ||
            !strcmp(tuff_variable_name(v), TUFF_SOFT_PROMPT_NAME));
}

const char *tuff_lora_saved(const struct tuff_variable *v)
{
    static const char *const ends[] = {".lora_A.weight", ".lora_B.weight", ".lora_magnitude_vector"};
    const char *name = tuff_variable_name(v);
    bool of_lora = !strncmp(name, PREFIX, strlen(PREFIX));
    bool other = strncmp(name, TUFF_PEFT_PREFIX, strlen(TUFF_PEFT_PREFIX)) != 0;
    for (size_t i = 0; i < TUFF_COUNT(ends) && !other; i++)
        other = strlen(name) > strlen(ends[i]) && !strcmp(name + strlen(name) - strlen(ends[i]), ends[i]);
    return other ? NULL : name + strlen(of_lora ? PREFIX : TUFF_PEFT_PREFIX);
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
    if (!strcmp(key, "dora") && !value)
        return p->dora = true, TUFF_OK;
    if (good && !strcmp(key, "r") && number == (double) (int64_t) number)
        return p->rank = (int64_t) number, TUFF_OK;
    if (good && !strcmp(key, "alpha"))
        return p->alpha = number, TUFF_OK;
    if (good && !strcmp(key, "dropout"))
        return p->dropout = number, TUFF_OK;
    if (strcmp(key, "target") || !value || !*value)
        return tuff_fail(ctx, TUFF_E_ARG, "lora: \"%.40s%s%.40s\": options are r=N, alpha=X, "
                         "dropout=P, rslora, dora, target=NAME+NAME", key, value ? "=" : "",
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
    return tuff_lora_check(ctx, p);
}
