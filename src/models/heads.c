/* models/heads: what a task adds to a model: targets, loss, labels; and sentence embeddings. */
#include "graph/op.h"
#include "models/model.h"

/* ---- labels in config.json ---- */

static const char *const problems[] = {[TUFF_PROBLEM_ONE_LABEL] = "single_label_classification",
                                       [TUFF_PROBLEM_SOME_LABELS] = "multi_label_classification",
                                       [TUFF_PROBLEM_REGRESSION] = "regression"};

enum tuff_status tuff_model_config_set_problem(struct tuff_ctx *ctx, struct tuff_model_config *c,
                                               const char *problem_type)
{
    for (size_t i = 0; i < TUFF_COUNT(problems); i++)
        if (!strcmp(problem_type, problems[i])) {
            c->problem = (enum tuff_problem) i;
            return TUFF_OK;
        }
    return tuff_fail(ctx, TUFF_E_ARG, "\"problem_type\" is \"%s\"; supported are %s, %s and %s",
                     problem_type, problems[0], problems[1], problems[2]);
}

/* Appends a name; false: there is no room. */
static bool add_name(struct tuff_model_config *c, const char *name)
{
    size_t n = strlen(name) + 1;
    if (n > sizeof c->label_names - c->label_bytes)
        return false;
    memcpy(c->label_names + c->label_bytes, name, n);
    c->label_bytes += n;
    return true;
}

enum tuff_status tuff_model_config_set_labels(struct tuff_ctx *ctx, struct tuff_model_config *c,
                                              const char *const *names, size_t n)
{
    c->label_bytes = 0;
    c->num_labels = (int64_t) n;
    for (size_t i = 0; i < n; i++)
        if (!add_name(c, names[i])) {
            c->label_bytes = 0;
            return tuff_fail(ctx, TUFF_E_RANGE, "labels: their names take more than %d bytes",
                             TUFF_LABEL_BYTES);
        }
    return TUFF_OK;
}

const char *tuff_model_label(const struct tuff_model_config *c, int64_t i, char usual[32])
{
    const char *name = c->label_names, *end = c->label_names + c->label_bytes;
    for (int64_t k = 0; k < i && name < end; k++)
        name += strlen(name) + 1;
    if (i >= 0 && name < end)
        return name;
    snprintf(usual, 32, "LABEL_%lld", (long long) i);
    return usual;
}

/* "id2label": names by numbers; those that miss have the usual names. */
static void read_names(struct tuff_ctx *ctx, const char *path, const json_t *names,
                       struct tuff_model_config *c)
{
    char usual[32], key[32];
    bool fits = true, special = false;
    c->label_bytes = 0;
    for (int64_t i = 0; i < c->num_labels && fits; i++) {
        snprintf(key, sizeof key, "%lld", (long long) i);
        snprintf(usual, sizeof usual, "LABEL_%lld", (long long) i);
        const char *name = json_string_value(json_object_get(names, key));
        special |= name && strcmp(name, usual);
        fits = add_name(c, name ? name : usual);
    }
    if (!fits && special)
        tuff_log(ctx, TUFF_LOG_WARN, "%s: \"id2label\" has more than %d bytes of names; labels go by "
                 "their numbers", path, TUFF_LABEL_BYTES);
    if (!fits || !special)
        c->label_bytes = 0;
}

enum tuff_status tuff_config_read_labels(struct tuff_ctx *ctx, const char *path,
                                         const json_t *root, struct tuff_model_config *c)
{
    const json_t *names = json_object_get(root, "id2label");
    const char *problem = NULL;
    if (json_is_object(names) && json_object_size(names))
        c->num_labels = (int64_t) json_object_size(names);
    else
        TUFF_TRY(tuff_json_int(ctx, path, root, "num_labels", &c->num_labels));
    if (c->num_labels < 1 || c->num_labels > 1 << 20)
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: \"num_labels\" is %lld; it must be 1 to %d", path,
                         (long long) c->num_labels, 1 << 20);
    read_names(ctx, path, names, c);
    /* transformers decides by the labels it is given; a lone one is a regression there. */
    c->problem = c->num_labels == 1 ? TUFF_PROBLEM_REGRESSION : TUFF_PROBLEM_ONE_LABEL;
    TUFF_TRY(tuff_json_string(ctx, path, root, "problem_type", &problem));
    if (!problem || tuff_model_config_set_problem(ctx, c, problem) == TUFF_OK)
        return TUFF_OK;
    return tuff_fail(ctx, TUFF_E_UNSUPPORTED, "%s: \"problem_type\" is \"%s\"; supported are %s, "
                     "%s and %s", path, problem, problems[0], problems[1], problems[2]);
}

bool tuff_config_write_labels(json_t *root, const struct tuff_model_config *c)
{
    bool classifies = c->task == TUFF_TASK_SEQUENCE_CLASSIFICATION ||
                      c->task == TUFF_TASK_TOKEN_CLASSIFICATION;
    json_t *names = json_object(), *ids = json_object();
    bool bad = !names || !ids;
    for (int64_t i = 0; i < c->num_labels && classifies && !bad; i++) {
        char id[32], usual[32];
        const char *name = tuff_model_label(c, i, usual);
        snprintf(id, sizeof id, "%lld", (long long) i);
        bad = json_object_set_new(names, id, json_string(name)) ||
              json_object_set_new(ids, name, json_integer(i));
    }
    if (!bad && classifies)
        bad = json_object_set(root, "id2label", names) || json_object_set(root, "label2id", ids);
    if (!bad && c->task == TUFF_TASK_SEQUENCE_CLASSIFICATION)
        bad = json_object_set_new(root, "problem_type", json_string(problems[c->problem])) != 0;
    json_decref(names);
    json_decref(ids);
    return !bad;
}

static enum tuff_status refuse_task(struct tuff_ctx *ctx, const char *where,
                                    const struct tuff_model_config *c, const char *needed)
{
    const struct tuff_architecture *a = tuff_family_find(c->model_type)->architectures;
    while (a->name && a->task != c->task)
        a++;
    return tuff_fail(ctx, TUFF_E_UNSUPPORTED, "%s needs %s, which %s is not", where, needed,
                     a->name ? a->name : c->model_type);
}

enum tuff_status tuff_model_check_causal(struct tuff_ctx *ctx, const char *where,
                                         const struct tuff_model_config *c)
{
    return c->task == TUFF_TASK_CAUSAL_LM
               ? TUFF_OK
               : refuse_task(ctx, where, c, "a causal language model");
}

enum tuff_status tuff_model_check_prompted(struct tuff_ctx *ctx, const char *where,
                                           const struct tuff_model_config *c)
{
    return c->task == TUFF_TASK_CAUSAL_LM || c->task == TUFF_TASK_SEQUENCE_CLASSIFICATION ||
                   c->task == TUFF_TASK_TOKEN_CLASSIFICATION
               ? TUFF_OK
               : refuse_task(ctx, where, c, "a causal language model or a classifier");
}

enum tuff_status tuff_model_check_writes(struct tuff_ctx *ctx, const char *where,
                                         const struct tuff_model_config *c)
{
    return c->task == TUFF_TASK_CAUSAL_LM || c->task == TUFF_TASK_TRANSLATION
               ? TUFF_OK
               : refuse_task(ctx, where, c, "a causal language model or an encoder-decoder");
}

/* ---- targets and loss ---- */

/* How a task's targets lie: one id a token, one a sequence, or numbers a sequence. */
static enum { A_TOKEN, A_SEQUENCE, NUMBERS } target_kind(const struct tuff_model *m)
{
    const struct tuff_model_config *c = &m->config;
    if (c->task == TUFF_TASK_NEXT_SENTENCE)
        return A_SEQUENCE;
    if (c->task == TUFF_TASK_SEQUENCE_CLASSIFICATION)
        return c->problem == TUFF_PROBLEM_ONE_LABEL ? A_SEQUENCE : NUMBERS;
    return A_TOKEN;
}

static void add_ids(struct tuff_graph *g, struct tuff_model_target *t, const char *name,
                    const char *weight, int rank, const int64_t *dims)
{
    t->ids = tuff_input(g, name, TUFF_U32, rank, dims);
    t->weight = tuff_input(g, weight, TUFF_F32, 1, (int64_t[]) {1});
}

void tuff_model_targets_add(struct tuff_graph *g, const struct tuff_model *m,
                            const struct tuff_model_inputs *in, struct tuff_model_targets *t)
{
    *t = (struct tuff_model_targets) {0};
    if (!in->ids)
        return;
    const int64_t dims[2] = {tuff_dims(in->ids)[0],
                             tuff_dims(in->ids)[1] - tuff_model_virtual_tokens(m)};
    if (target_kind(m) == NUMBERS)
        t->values = tuff_input(g, "targets", TUFF_F32, 2,
                               (int64_t[]) {dims[0], m->config.num_labels});
    else
        add_ids(g, &t->main, "targets", "weight", target_kind(m) == A_TOKEN ? 2 : 1, dims);
    if (m->config.task == TUFF_TASK_PRETRAINING)
        add_ids(g, &t->sentence, "sentence.targets", "sentence.weight", 1, dims);
}

static void write_ids(struct tuff_program *p, const struct tuff_model_target *t,
                      const uint32_t *ids)
{
    uint32_t *to = t->ids ? tuff_program_input(p, t->ids) : NULL;
    float *weight = t->weight ? tuff_program_input(p, t->weight) : NULL;
    int64_t n = to ? tuff_elements(t->ids) : 0, counted = 0;
    for (int64_t i = 0; i < n; i++) {
        to[i] = ids ? ids[i] : TUFF_IGNORE;
        counted += to[i] != TUFF_IGNORE;
    }
    if (weight)
        *weight = (float) (1.0 / (double) TUFF_MAX(counted, 1));
}

void tuff_model_targets_write(struct tuff_program *p, const struct tuff_model_targets *t,
                              const struct tuff_model_labels *labels)
{
    write_ids(p, &t->main, labels->ids);
    write_ids(p, &t->sentence, labels->sentence);
    float *to = t->values ? tuff_program_input(p, t->values) : NULL;
    if (to && labels->values)
        memcpy(to, labels->values, (size_t) tuff_elements(t->values) * sizeof *to);
}

void tuff_model_apply_heads(struct tuff_graph *g, struct tuff_model *m,
                            const struct tuff_model_inputs *in, struct tuff_tensor *hidden,
                            struct tuff_model_heads *out)
{
    *out = (struct tuff_model_heads) {0};
    if (m->family->heads)
        m->family->heads(g, m, in, hidden, out);
    else
        out->logits = m->family->logits ? m->family->logits(g, m, hidden)
                                        : tuff_block_head(g, hidden, m->head);
    if (m->lora)
        tuff_lora_apply_heads(g, m, in->seed);
}

struct tuff_tensor *tuff_model_loss(struct tuff_graph *g, const struct tuff_model *m,
                                    const struct tuff_model_heads *heads,
                                    const struct tuff_model_targets *t)
{
    if (m->config.task == TUFF_TASK_ENCODE)
        return tuff_graph_fail(g, TUFF_E_UNSUPPORTED, "a model without a head has no loss");
    if (t->values)
        return m->config.problem == TUFF_PROBLEM_REGRESSION
                   ? tuff_mse_loss(g, heads->logits, t->values, TUFF_REDUCTION_MEAN)
                   : tuff_binary_cross_entropy_with_logits(g, heads->logits, t->values,
                                                           TUFF_REDUCTION_MEAN);
    struct tuff_tensor *loss =
        tuff_cross_entropy(g, heads->logits, t->main.ids, t->main.weight,
                           .label_smoothing = t->label_smoothing);
    if (!t->sentence.ids)
        return loss;
    return tuff_add(g, loss,
                    tuff_cross_entropy(g, heads->sentence_logits, t->sentence.ids,
                                       t->sentence.weight,
                                       .label_smoothing = t->label_smoothing));
}

/* ---- sentence embeddings ---- */

struct tuff_tensor *tuff_model_mean(struct tuff_graph *g, struct tuff_tensor *hidden,
                                    struct tuff_tensor *weights)
{
    if (!hidden || !weights)
        return NULL;
    const int64_t *dims = tuff_dims(hidden);
    struct tuff_tensor *rows =
        tuff_reshape(g, weights, 3, (int64_t[]) {dims[0], 1, tuff_dims(weights)[1]});
    return tuff_reshape(g, tuff_matmul(g, rows, hidden, .alpha = 1), 2,
                        (int64_t[]) {dims[0], dims[2]});
}
