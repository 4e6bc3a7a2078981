/* models/soft_prompt: virtual tokens before every text; see tuff/soft_prompt.h. They are rows of every pass,
 * in training as in generation: what is learnt takes the place of their embeddings, or of their keys and
 * values. */
#include "tuff/soft_prompt.h"
#include "base/json.h"
#include "base/os.h"
#include "base/rng.h"
#include "models/model.h"
#include "passes/embeds.h"
#include "tuff/ops.h"

#define NAME TUFF_SOFT_PROMPT_NAME
/* What PEFT names of every classifier, and what may be new with it. */
static const char *const head_modules[] = {"classifier", "score", "pooler"};
#define INIT_STREAM ((uint64_t) 0x70726f6d << 32)

static enum tuff_status no_memory(struct tuff_ctx *ctx)
{
    return tuff_fail(ctx, TUFF_E_NOMEM, "soft prompt: out of host memory");
}

static int64_t kv_width(const struct tuff_model_config *c)
{
    return c->num_key_value_heads * c->head_dim;
}

int64_t tuff_model_virtual_tokens(const struct tuff_model *m)
{
    return m->soft ? m->soft->virtual_tokens : 0;
}

/* Of n + T rows a classifier of texts reads the first, whatever it holds: in prompt tuning the first virtual
 * token's, as with PEFT; the keys and values of a prefix have no row of their own. */
static bool reads_virtual_token(const struct tuff_model *m)
{
    return m->soft->kind == TUFF_ADAPTER_PROMPT && m->config.task == TUFF_TASK_SEQUENCE_CLASSIFICATION;
}

/* ---- declaring ---- */

const char *const *tuff_soft_prompt_modules(const struct tuff_model *m, size_t *n)
{
    *n = m->config.task == TUFF_TASK_CAUSAL_LM ? 0 : TUFF_COUNT(head_modules) - !m->soft->pooler;
    return head_modules;
}

enum tuff_status tuff_soft_prompt_head(struct tuff_ctx *ctx, const struct tuff_model_config *config,
                                       const char *base, struct tuff_soft_prompt_params *params)
{
    struct tuff_lora_params head = {0};
    TUFF_TRY(tuff_lora_head(ctx, config, base, &head));
    params->pooler = head.n_modules_to_save > 1;
    return TUFF_OK;
}

enum tuff_status tuff_soft_prompt_create(struct tuff_store *store,
                                         const struct tuff_model_config *config,
                                         const struct tuff_soft_prompt_params *params,
                                         struct tuff_model **out)
{
    struct tuff_ctx *ctx = tuff_store_ctx(store);
    *out = NULL;
    if (params->virtual_tokens < 1 || params->virtual_tokens > TUFF_VIRTUAL_TOKENS_MAX)
        return tuff_fail(ctx, TUFF_E_RANGE, "soft prompt: %lld virtual tokens; 1 to %d are possible",
                         (long long) params->virtual_tokens, TUFF_VIRTUAL_TOKENS_MAX);
    TUFF_TRY(tuff_model_check_prompted(ctx, "a soft prompt", config));
    TUFF_TRY(tuff_model_create_with(store, config, NULL, params, out));
    const struct tuff_model_config *c = &(*out)->config;
    bool prefix = params->kind == TUFF_ADAPTER_PREFIX;
    enum tuff_status status = tuff_weight_add(
        store, NAME, params->virtual_tokens,
        prefix ? 2 * c->num_hidden_layers * kv_width(c) : c->hidden_size, 1, TUFF_F32, NULL,
        &(*out)->prompt);
    if (status != TUFF_OK) {
        tuff_model_destroy(*out);
        *out = NULL;
    }
    return status;
}

/* ---- the forward pass ---- */

void tuff_soft_prompt_inputs(struct tuff_graph *g, const struct tuff_model *m,
                             struct tuff_model_inputs *in, bool gradient)
{
    if (!m->soft || !in->ids)
        return;
    int64_t rows = tuff_elements(in->ids), words = (int64_t) TUFF_EMBEDDING_BUCKET_WORDS(rows);
    int64_t dims[TUFF_RANK_MAX];
    int rank = tuff_rank(in->ids);
    memcpy(dims, tuff_dims(in->ids), (size_t) rank * sizeof *dims);
    in->virtual_ids = tuff_input(g, "virtual", TUFF_U32, rank, dims);
    dims[rank] = 1;
    in->real = tuff_input(g, "real", TUFF_F32, rank + 1, dims);
    if (gradient)
        in->virtual_buckets = tuff_input(g, "virtual.buckets", TUFF_U32, 1, &words);
}

/* x with the rows of virtual tokens from these columns of what is learnt; others' ids are outside the table,
 * for which a lookup gives 0. */
static struct tuff_tensor *replace(struct tuff_graph *g, const struct tuff_model *m,
                                   const struct tuff_model_inputs *in, struct tuff_tensor *x,
                                   int64_t first, int64_t columns)
{
    struct tuff_tensor *table = tuff_use(g, m->prompt);
    if (table && columns < tuff_dims(table)[1])
        table = tuff_copy(g, tuff_slice(g, table, 1, first, columns));
    return tuff_add(g, tuff_mul(g, x, in->real),
                    tuff_embedding(g, table, in->virtual_ids, in->virtual_buckets));
}

void tuff_soft_prompt_keys(struct tuff_graph *g, const struct tuff_model *m, int64_t layer,
                           const struct tuff_model_inputs *in, struct tuff_tensor **q,
                           struct tuff_tensor **k, struct tuff_tensor **v)
{
    int64_t kv = kv_width(&m->config), width = m->config.num_attention_heads * m->config.head_dim;
    if (!m->soft || m->soft->kind != TUFF_ADAPTER_PREFIX || !*q)
        return;
    if (!*k) { /* all three in q */
        struct tuff_tensor *all = *q;
        int axis = tuff_rank(all) - 1;
        *k = tuff_copy(g, tuff_slice(g, all, axis, width, kv));
        *v = tuff_copy(g, tuff_slice(g, all, axis, width + kv, kv));
        *q = tuff_copy(g, tuff_slice(g, all, axis, 0, width));
    }
    *k = replace(g, m, in, *k, 2 * layer * kv, kv);
    *v = replace(g, m, in, *v, (2 * layer + 1) * kv, kv);
}

struct embeds {
    const struct tuff_model *model;
    const struct tuff_model_inputs *in;
};

static struct tuff_tensor *with_prompt(struct tuff_graph *g, struct tuff_tensor *x, const void *user)
{
    const struct embeds *e = user;
    return replace(g, e->model, e->in, x, 0, e->model->config.hidden_size);
}

struct tuff_tensor *tuff_soft_prompt_apply(struct tuff_graph *g, struct tuff_model *m,
                                           const struct tuff_model_inputs *in,
                                           struct tuff_tensor *hidden)
{
    if (!hidden)
        return NULL;
    if (m->soft->kind == TUFF_ADAPTER_PROMPT)
        tuff_embeds(g, in->ids, with_prompt, &(struct embeds) {m, in});
    if (in->cache)
        return hidden;
    int64_t n = m->soft->virtual_tokens;
    return tuff_copy(g, tuff_slice(g, hidden, 1, reads_virtual_token(m) ? 0 : n, tuff_dims(hidden)[1] - n));
}

enum tuff_status tuff_soft_prompt_write(struct tuff_program *p, const struct tuff_model *m,
                                        const struct tuff_model_inputs *in)
{
    uint32_t *ids = in->virtual_ids ? tuff_program_input(p, in->virtual_ids) : NULL;
    float *real = in->real ? tuff_program_input(p, in->real) : NULL;
    uint32_t *buckets = in->virtual_buckets ? tuff_program_input(p, in->virtual_buckets) : NULL;
    if (!ids || !real)
        return TUFF_OK;
    int64_t rows = tuff_elements(in->ids), time = tuff_dims(in->ids)[1];
    for (int64_t i = 0; i < rows; i++) {
        bool is_virtual = i % time < m->soft->virtual_tokens;
        ids[i] = is_virtual ? (uint32_t) (i % time) : UINT32_MAX;
        real[i] = is_virtual ? 0 : 1;
    }
    return buckets ? tuff_embedding_buckets(m->ctx, ids, (size_t) rows, buckets) : TUFF_OK;
}

/* ---- values and files ---- */

/* Rows of the table of tokens, whose name differs from family to family: the one of that shape. */
static enum tuff_status draw_rows(struct tuff_model *m, uint64_t seed, float *values)
{
    const struct tuff_variable *table = NULL;
    int64_t vocab = m->config.vocab_size, width = m->config.hidden_size;
    for (size_t i = 0; i < m->parameters.n && !table; i++) {
        const struct tuff_variable *v = m->parameters.items[i].variable;
        if (tuff_variable_rank(v) == 2 && tuff_variable_dims(v)[0] == vocab &&
            tuff_variable_dims(v)[1] == width)
            table = v;
    }
    float *all = table ? tuff_calloc((size_t) (vocab * width), sizeof *all) : NULL;
    enum tuff_status status = !table ? tuff_fail(m->ctx, TUFF_E_UNSUPPORTED, "soft prompt: the model "
                                                 "has no table of %lld tokens", (long long) vocab)
                              : all  ? tuff_weight_read(m->store, table, TUFF_VALUE, all)
                                     : no_memory(m->ctx);
    struct tuff_rng rng;
    tuff_rng_init(&rng, seed, INIT_STREAM);
    for (int64_t i = 0; i < m->soft->virtual_tokens && status == TUFF_OK; i++)
        memcpy(values + i * width, all + (int64_t) tuff_rng_below(&rng, (uint64_t) vocab) * width,
               (size_t) width * sizeof *values);
    free(all);
    return status;
}

enum tuff_status tuff_soft_prompt_init(struct tuff_model *m, uint64_t seed)
{
    if (m->soft->kind == TUFF_ADAPTER_PREFIX)
        return tuff_weight_init(m->store, m->prompt, 0, m->config.initializer_range, seed,
                                INIT_STREAM);
    float *values = tuff_calloc((size_t) tuff_variable_elements(m->prompt), sizeof *values);
    enum tuff_status status = values ? draw_rows(m, seed, values) : no_memory(m->ctx);
    if (status == TUFF_OK)
        status = tuff_variable_write(m->store, m->prompt, TUFF_VALUE, values);
    free(values);
    return status;
}

static json_t *config_json(const struct tuff_model *m, const char *base)
{
    const struct tuff_model_config *c = &m->config;
    bool prefix = m->soft->kind == TUFF_ADAPTER_PREFIX;
    int64_t heads = prefix ? c->num_key_value_heads : c->num_attention_heads;
    size_t n_modules;
    const char *const *modules = tuff_soft_prompt_modules(m, &n_modules);
    json_t *root = json_pack("{s:s, s:s, s:s?, s:I, s:I, s:I, s:I, s:i, s:b, s:o?}", "peft_type",
                             prefix ? "PREFIX_TUNING" : "PROMPT_TUNING", "task_type",
                             tuff_peft_task(m->config.task),
                             "base_model_name_or_path", base, "num_virtual_tokens",
                             (json_int_t) m->soft->virtual_tokens, "token_dim",
                             (json_int_t) (prefix ? kv_width(c) : c->hidden_size),
                             "num_attention_heads", (json_int_t) heads, "num_layers",
                             (json_int_t) c->num_hidden_layers, "num_transformer_submodules", 1,
                             "inference_mode", 1, "modules_to_save",
                             tuff_peft_texts(modules, n_modules));
    if (root && prefix) {
        json_object_set_new(root, "encoder_hidden_size", json_integer((json_int_t) c->hidden_size));
        json_object_set_new(root, "prefix_projection", json_false());
    } else if (root) {
        json_object_set_new(root, "prompt_tuning_init", json_string("RANDOM"));
    }
    return root;
}

enum tuff_status tuff_soft_prompt_save(struct tuff_model *m, const char *folder, const char *base)
{
    return tuff_peft_save(m, folder, config_json(m, base));
}

enum tuff_status tuff_soft_prompt_load(struct tuff_model *m, const char *folder)
{
    return tuff_peft_load(m, folder);
}
