/* models/model: what all families share: declaring parameters, giving them values, files. */
#include "models/model.h"
#include "graph/op.h"
#include "base/os.h"
#include "passes/embeds.h"
#include "tuff/ops.h"

#include <math.h>

#include <stdarg.h>

/* ---- declaring ---- */

void tuff_model_scope(struct tuff_model *m, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(m->scope, sizeof m->scope, format, args);
    va_end(args);
}

void tuff_model_weight(struct tuff_model *m, struct tuff_variable **to, const char *name,
                       int64_t rows, int64_t cols, enum tuff_init init)
{
    tuff_model_weight_ordered(m, to, name, rows, cols, init, NULL);
}

void tuff_model_weight_ordered(struct tuff_model *m, struct tuff_variable **to, const char *name,
                               int64_t rows, int64_t cols, enum tuff_init init,
                               const struct tuff_file_order *file)
{
    enum { DECAYED, NOT_DECAYED };
    char full[160];
    m->count += rows * TUFF_MAX(cols, 1);
    if (!m->store || m->status != TUFF_OK)
        return;
    snprintf(full, sizeof full, "%s%s", m->scope, name);
    struct tuff_parameter *p = TUFF_PUSH(&m->parameters);
    if (!p) {
        m->status = tuff_fail(m->ctx, TUFF_E_NOMEM, "model: out of host memory");
        return;
    }
    m->status = m->lora || m->soft ? tuff_lora_declare(m, full, rows, cols, file, to)
                        : tuff_weight_add(m->store, full, rows, cols,
                                          cols ? DECAYED : NOT_DECAYED,
                                          m->config.frozen_dtype, file, to);
    *p = (struct tuff_parameter) {*to, init};
}

void tuff_model_weight_by_input(struct tuff_model *m, struct tuff_variable **to, const char *name,
                                int64_t in, int64_t out, enum tuff_init init)
{
    const struct tuff_file_order file = {2, {in, out}, {1, 0}};
    tuff_model_weight_ordered(m, to, name, out, in, init, &file);
}

void tuff_model_linear(struct tuff_model *m, struct tuff_variable **weight,
                       struct tuff_variable **bias, const char *name, int64_t out, int64_t in)
{
    char full[96];
    snprintf(full, sizeof full, "%s.weight", name);
    tuff_model_weight(m, weight, full, out, in, TUFF_INIT_NORMAL);
    snprintf(full, sizeof full, "%s.bias", name);
    tuff_model_weight(m, bias, full, out, 0, TUFF_INIT_ZEROS);
}

void tuff_model_norm(struct tuff_model *m, struct tuff_variable **weight,
                     struct tuff_variable **bias, const char *name)
{
    char full[96];
    snprintf(full, sizeof full, "%s.weight", name);
    tuff_model_weight(m, weight, full, m->config.hidden_size, 0, TUFF_INIT_ONES);
    snprintf(full, sizeof full, "%s.bias", name);
    tuff_model_weight(m, bias, full, m->config.hidden_size, 0, TUFF_INIT_ZEROS);
}

void tuff_model_head(struct tuff_model *m, struct tuff_variable *tokens)
{
    tuff_model_scope(m, "%s", "");
    m->head = tokens;
    if (!m->config.tie_word_embeddings)
        tuff_model_weight(m, &m->head, "lm_head.weight", m->config.vocab_size,
                          m->config.hidden_size, TUFF_INIT_NORMAL);
}

void tuff_model_frozen(struct tuff_model *m, struct tuff_variable **to, const char *name,
                       int64_t rows, int64_t cols)
{
    if (m->store && m->status == TUFF_OK)
        m->status = tuff_store_add(m->store,
                                   &(struct tuff_variable_params) {.name = name,
                                                                   .dtype = TUFF_F32,
                                                                   .rank = 2,
                                                                   .dims = {rows, cols},
                                                                   .role = TUFF_FROZEN},
                                   to);
}

void tuff_model_table(struct tuff_model *m, struct tuff_variable **to, const char *name,
                      int64_t rows, int64_t cols, tuff_table_fn fill, int64_t parameter)
{
    if (!m->store || m->status != TUFF_OK)
        return;
    struct tuff_table *t = TUFF_PUSH(&m->tables);
    m->status = t ? tuff_store_add(m->store,
                                   &(struct tuff_variable_params) {.name = name,
                                                                   .dtype = TUFF_F32,
                                                                   .rank = cols ? 2 : 1,
                                                                   .dims = {rows, cols},
                                                                   .role = TUFF_STATE},
                                   to)
                  : tuff_fail(m->ctx, TUFF_E_NOMEM, "model: out of host memory");
    if (t)
        *t = (struct tuff_table) {*to, fill, parameter};
}

static size_t layers_of(const struct tuff_model *m)
{
    return (size_t) (m->family->layer_count ? m->family->layer_count(&m->config)
                                            : m->config.num_hidden_layers);
}

int64_t tuff_model_parameter_count(const struct tuff_model_config *config)
{
    struct tuff_model m = {.family = tuff_family_find(config->model_type), .config = *config};
    if (!m.family)
        return 0;
    tuff_config_complete(&m.config);
    m.own = tuff_calloc(1, m.family->own_size);
    m.layers = tuff_calloc(layers_of(&m), m.family->layer_size);
    if (m.own && m.layers)
        m.family->declare(&m);
    free(m.own);
    free(m.layers);
    return m.count;
}

enum tuff_status tuff_model_create(struct tuff_store *store, const struct tuff_model_config *config,
                                   struct tuff_model **out)
{
    return tuff_model_create_with(store, config, NULL, NULL, out);
}

enum tuff_status tuff_model_create_with(struct tuff_store *store,
                                        const struct tuff_model_config *config,
                                        struct tuff_lora *lora,
                                        const struct tuff_soft_prompt_params *soft,
                                        struct tuff_model **out)
{
    struct tuff_ctx *ctx = tuff_store_ctx(store);
    *out = NULL;
    enum tuff_status checked = tuff_model_config_check(ctx, "model", config);
    struct tuff_model *m = checked == TUFF_OK ? tuff_calloc(1, sizeof *m) : NULL;
    if (!m) {
        tuff_lora_free(lora);
        return checked != TUFF_OK ? checked
                                  : tuff_fail(ctx, TUFF_E_NOMEM, "model: out of host memory");
    }
    m->ctx = ctx;
    m->lora = lora;
    m->store = store;
    m->config = *config;
    m->family = tuff_family_find(config->model_type);
    m->config.model_type = m->family->model_type;
    tuff_config_complete(&m->config);
    m->own = tuff_calloc(1, m->family->own_size);
    m->layers = tuff_calloc(layers_of(m), m->family->layer_size);
    m->soft = soft ? tuff_calloc(1, sizeof *m->soft) : NULL;
    if (m->soft)
        *m->soft = *soft;
    if (m->own && m->layers && (m->soft || !soft))
        m->family->declare(m);
    else
        m->status = tuff_fail(ctx, TUFF_E_NOMEM, "model: out of host memory");
    enum tuff_status status = m->status;
    if (status != TUFF_OK)
        tuff_model_destroy(m);
    else
        *out = m;
    return status;
}

void tuff_model_destroy(struct tuff_model *m)
{
    if (!m)
        return;
    free(m->own);
    free(m->layers);
    free(m->parameters.items);
    free(m->tables.items);
    tuff_lora_free(m->lora);
    free(m->soft);
    free(m);
}

const struct tuff_model_config *tuff_model_get_config(const struct tuff_model *m)
{
    return &m->config;
}

struct tuff_store *tuff_model_store(const struct tuff_model *m)
{
    return m->store;
}

/* ---- values ---- */

static enum tuff_status fill_tables(struct tuff_model *m)
{
    for (size_t i = 0; i < m->tables.n; i++) {
        struct tuff_variable *v = m->tables.items[i].variable;
        const int64_t *dims = tuff_variable_dims(v);
        float *values = tuff_calloc((size_t) tuff_variable_elements(v), sizeof *values);
        if (!values)
            return tuff_fail(m->ctx, TUFF_E_NOMEM, "model: out of host memory");
        m->tables.items[i].fill(m, dims[0], tuff_variable_rank(v) > 1 ? dims[1] : 0,
                                m->tables.items[i].parameter, values);
        enum tuff_status status = tuff_variable_write(m->store, v, TUFF_VALUE, values);
        free(values);
        TUFF_TRY(status);
    }
    return TUFF_OK;
}

/* Parameter i. Residual projections: GPT-2 scales them by 1 / sqrt(number of residual layers). */
static enum tuff_status init_parameter(struct tuff_model *m, size_t i, uint64_t seed)
{
    const struct tuff_parameter *p = &m->parameters.items[i];
    double range = m->config.initializer_range;
    double residual = range / sqrt(2.0 * (double) m->config.num_hidden_layers);
    return tuff_weight_init(m->store, p->variable, p->init == TUFF_INIT_ONES ? 1 : 0,
                            p->init == TUFF_INIT_NORMAL     ? range
                            : p->init == TUFF_INIT_RESIDUAL ? residual
                                                            : 0,
                            seed, i);
}

enum tuff_status tuff_model_init(struct tuff_model *m, uint64_t seed)
{
    for (size_t i = 0; i < m->parameters.n; i++)
        TUFF_TRY(init_parameter(m, i, seed));
    return fill_tables(m);
}

static struct tuff_weight_names names_of(const struct tuff_model *m)
{
    return (struct tuff_weight_names) {
        .prefix = m->family->prefix,
        .tied = m->config.tie_word_embeddings ? m->family->tied : NULL,
        .ignored = m->family->ignored};
}

enum tuff_status tuff_model_load(struct tuff_model *m, const char *path)
{
    struct tuff_weight_names names = names_of(m);
    TUFF_TRY(tuff_weights_load(m->store, path, &names));
    return fill_tables(m);
}

enum tuff_status tuff_model_load_some(struct tuff_model *m, const char *path)
{
    struct tuff_weight_names names = names_of(m);
    names.some = true;
    TUFF_TRY(tuff_weights_load(m->store, path, &names));
    return fill_tables(m);
}

static enum tuff_status load_but(struct tuff_model *m, const char *path,
                                 struct tuff_missing_weights *missing)
{
    struct tuff_weight_names names = names_of(m);
    names.missing = missing;
    return tuff_weights_load(m->store, path, &names);
}

enum tuff_status tuff_model_load_adapted(struct tuff_model *m, const char *path, const char *adapter)
{
    struct tuff_missing_weights missing = {0};
    enum tuff_status status = load_but(m, path, &missing);
    if (status == TUFF_OK && missing.n)
        status = tuff_peft_check(m, adapter, &missing);
    free(missing.items);
    return status == TUFF_OK ? fill_tables(m) : status;
}

enum tuff_status tuff_model_load_base(struct tuff_model *m, const char *path, uint64_t seed)
{
    struct tuff_missing_weights missing = {0};
    struct tuff_text list = {0};
    enum tuff_status status = load_but(m, path, &missing);
    for (size_t k = 0; k < missing.n && status == TUFF_OK; k++) {
        size_t i = 0;
        while (i < m->parameters.n && m->parameters.items[i].variable != missing.items[k])
            i++;
        if (i == m->parameters.n)
            continue; /* frozen ones are 0 */
        status = (m->lora || m->soft) && !tuff_lora_owns(missing.items[k])
                     ? tuff_fail(m->ctx, TUFF_E_ARG, "%s: has no %s, which adapters leave frozen", path,
                                 tuff_weight_name(missing.items[k]))
                     : init_parameter(m, i, seed);
        tuff_text_printf(&list, "%s%s", list.n ? ", " : "", tuff_weight_name(missing.items[k]));
    }
    if (list.n && status == TUFF_OK)
        tuff_log(m->ctx, TUFF_LOG_WARN, "%s: has no %s: new values, to be trained", path, list.s);
    tuff_text_fini(&list);
    free(missing.items);
    return status == TUFF_OK ? fill_tables(m) : status;
}

enum tuff_status tuff_model_save(struct tuff_model *m, const char *folder)
{
    TUFF_TRY(tuff_model_config_save(m->ctx, folder, &m->config));
    return tuff_weights_save(m->store, folder,
                             m->config.task == TUFF_TASK_ENCODE ? m->family->prefix : "");
}

enum tuff_status tuff_model_read(struct tuff_model *m, const struct tuff_variable *v,
                                 enum tuff_copy copy, float *data)
{
    return tuff_weight_read(m->store, v, copy, data);
}

/* ---- the forward pass ---- */

/* NEFTune: a step as long as alpha, shared out over all embeddings of a sequence. */
static struct tuff_tensor *with_noise(struct tuff_graph *g, struct tuff_tensor *x, const void *user)
{
    const struct tuff_model_inputs *in = user;
    enum { NOISE_STREAM = 0x20000 }; /* apart from dropouts */
    double elements = x ? (double) (tuff_dims(x)[1] * tuff_dims(x)[2]) : 1;
    return tuff_noise(g, x, (float) (in->neftune / sqrt(elements)), in->seed, NOISE_STREAM);
}

struct tuff_tensor *tuff_model_hidden(struct tuff_graph *g, struct tuff_model *m,
                                      const struct tuff_model_inputs *in)
{
    struct tuff_tensor *hidden = m->family->hidden(g, m, in);
    if (m->lora)
        hidden = tuff_lora_apply(g, m, in->seed, hidden);
    if (m->soft)
        hidden = tuff_soft_prompt_apply(g, m, in, hidden);
    if (hidden && in->neftune > 0)
        tuff_embeds(g, in->ids, with_noise, in);
    return hidden;
}

struct tuff_tensor *tuff_model_encode_source(struct tuff_graph *g, struct tuff_model *m,
                                             const struct tuff_model_inputs *in)
{
    if (!m->family->encode_source || m->lora || !in->source_cache)
        return tuff_graph_fail(g, TUFF_E_UNSUPPORTED, "encode_source: needs an encoder-decoder "
                               "without adapters and a cache for sources");
    return m->family->encode_source(g, m, in);
}

struct tuff_tensor *tuff_model_token_loss(struct tuff_graph *g, struct tuff_model *m,
                                          struct tuff_tensor *hidden, struct tuff_tensor *targets,
                                          struct tuff_tensor *weight, float label_smoothing)
{
    if (hidden && targets && tuff_model_token_loss_chunk(m, tuff_elements(targets)))
        return tuff_linear_cross_entropy(g, hidden, tuff_use(g, m->head), targets,
                                         weight, .label_smoothing = label_smoothing);
    return tuff_cross_entropy(g, tuff_model_logits(g, m, hidden), targets, weight,
                              .label_smoothing = label_smoothing);
}

int64_t tuff_model_token_loss_chunk(const struct tuff_model *m, int64_t rows)
{
    return m->head && !m->family->logits ? tuff_linear_cross_entropy_chunk(rows, m->config.vocab_size) : 0;
}

struct tuff_tensor *tuff_model_logits(struct tuff_graph *g, struct tuff_model *m,
                                      struct tuff_tensor *hidden)
{
    struct tuff_model_heads heads;
    tuff_model_apply_heads(g, m, &(struct tuff_model_inputs) {0}, hidden, &heads);
    return heads.logits;
}
