/* tuff verify: a checkpoint's logits, gradients, optimizer steps and greedy text against reference
 * values made with PyTorch and transformers; several checkpoints on one device, whose kernels are
 * compiled once. */
#include "base/os.h"
#include "cli/cli.h"
#include "cli/device.h"
#include "cli/verify_attention.h"
#include "cli/verify_generate.h"
#include "tuff/io.h"
#include "tuff/ops.h"
#include "tuff/optim.h"

#include <jansson.h>
#include <math.h>

struct line {
    char name[160];
    double error, tolerance;
};

struct verify {
    struct cli *cli;
    struct tuff_ctx *ctx;
    struct tuff_device *device;
    const char *model_path;
    struct tuff_weights_file *golden;
    struct tuff_model_config config;
    double tolerance; /* of what a forward pass gives */
    int64_t batch, time;
    uint32_t *ids, *positions, *types, *targets, *sentence, *visible; /* of the golden batch */
    float *values; /* targets that are numbers */
    uint32_t *source, *source_visible; /* of an encoder-decoder: ids are the decoder's then */
    int64_t source_time;
    struct cli_verify_attention attention;
    struct {
        struct line *items;
        size_t n, cap;
    } lines;
};

/* One model in its own store, with programs for the golden batch. */
struct session {
    struct tuff_store *store;
    struct tuff_model *model;
    struct tuff_optimizer *optimizer;
    struct tuff_program *program, *apply, *refresh; /* refresh: NULL where there are no subspaces */
    struct tuff_optimizer_params params;
    uint64_t applied;
    struct tuff_model_inputs in;
    struct tuff_model_targets targets;
    struct tuff_model_heads heads; /* as outputs */
    struct tuff_tensor *loss, *hidden, *norm;
};

static enum tuff_status add_line(struct verify *v, const char *name, double error,
                                 double tolerance)
{
    struct line *line = TUFF_PUSH(&v->lines);
    if (!line)
        return tuff_fail(v->ctx, TUFF_E_NOMEM, "verify: out of memory");
    snprintf(line->name, sizeof line->name, "%s", name);
    line->error = isnan(error) ? INFINITY : error;
    line->tolerance = tolerance;
    return TUFF_OK;
}

static enum tuff_status add_checked_line(void *user, const char *name, double error,
                                         double tolerance)
{
    return add_line(user, name, error, tolerance);
}

static enum tuff_status read_u32(struct verify *v, const char *name, uint32_t **out, int64_t *rows,
                                 int64_t *cols)
{
    const struct tuff_file_tensor *t = tuff_weights_find(v->golden, name);
    *out = NULL;
    if (!t)
        return TUFF_OK;
    int64_t *wide = tuff_calloc(t->count, sizeof *wide);
    uint32_t *values = tuff_calloc(t->count, sizeof *values);
    enum tuff_status status =
        wide && values ? tuff_file_tensor_read_i64(v->ctx, t, 0, t->count, wide)
                       : tuff_fail(v->ctx, TUFF_E_NOMEM, "verify: out of memory");
    if (status == TUFF_OK && t->rank != 2 && t->rank != 1)
        status = tuff_fail(v->ctx, TUFF_E_FORMAT, "golden %s: must have one or two axes", name);
    for (uint64_t i = 0; status == TUFF_OK && i < t->count; i++)
        values[i] = wide[i] < 0 ? TUFF_IGNORE : (uint32_t) wide[i];
    free(wide);
    if (status != TUFF_OK) {
        free(values);
        return status;
    }
    *out = values;
    if (rows)
        *rows = t->dims[0];
    if (cols)
        *cols = t->rank > 1 ? t->dims[1] : 1;
    return TUFF_OK;
}

/* Labels are targets as they are, but for causal language models: there moved by one. */
static enum tuff_status read_labels(struct verify *v)
{
    const struct tuff_file_tensor *t = tuff_weights_find(v->golden, "labels");
    bool numbers = t && tuff_convert_to_f32(t->dtype, NULL, 0, NULL);
    bool causal = v->config.task == TUFF_TASK_CAUSAL_LM;
    size_t n = (size_t) (v->batch * v->time), time = (size_t) v->time;
    if (v->config.task == TUFF_TASK_SEQUENCE_CLASSIFICATION && t &&
        numbers != (v->config.problem != TUFF_PROBLEM_ONE_LABEL))
        return tuff_fail(v->ctx, TUFF_E_FORMAT, "golden labels: not of the kind of problem_type");
    if (numbers) {
        v->values = tuff_calloc(t->count, sizeof *v->values);
        if (!v->values)
            return tuff_fail(v->ctx, TUFF_E_NOMEM, "verify: out of memory");
        return tuff_file_tensor_read_f32(v->ctx, t, 0, t->count, v->values);
    }
    TUFF_TRY(read_u32(v, "labels", &v->targets, NULL, NULL));
    TUFF_TRY(read_u32(v, "next_sentence_label", &v->sentence, NULL, NULL));
    for (size_t i = 0; i < n && causal && v->targets; i++)
        v->targets[i] = i % time == time - 1 ? TUFF_IGNORE : v->targets[i + 1];
    return TUFF_OK;
}

/* The first and the end of what the mask shows in each row. */
static enum tuff_status read_visible(struct verify *v, size_t time, uint32_t **visible)
{
    uint32_t *mask = NULL;
    TUFF_TRY(read_u32(v, "attention_mask", &mask, NULL, NULL));
    *visible = tuff_calloc((size_t) (2 * v->batch), sizeof **visible);
    for (size_t b = 0; b < (size_t) v->batch && *visible; b++) {
        size_t first = 0, end = time;
        while (mask && first < time && !mask[b * time + first])
            first++;
        while (mask && end > first && !mask[b * time + end - 1])
            end--;
        (*visible)[2 * b] = (uint32_t) first;
        (*visible)[2 * b + 1] = (uint32_t) end;
    }
    free(mask);
    return *visible ? TUFF_OK : tuff_fail(v->ctx, TUFF_E_NOMEM, "verify: out of memory");
}

static enum tuff_status read_batch(struct verify *v)
{
    bool translation = v->config.task == TUFF_TASK_TRANSLATION;
    if (translation)
        TUFF_TRY(read_u32(v, "input_ids", &v->source, &v->batch, &v->source_time));
    TUFF_TRY(read_u32(v, translation ? "decoder_input_ids" : "input_ids", &v->ids, &v->batch,
                      &v->time));
    if (!v->ids || (translation && !v->source))
        return tuff_fail(v->ctx, TUFF_E_FORMAT, "golden file: has no input_ids%s",
                         translation ? " or no decoder_input_ids" : "");
    TUFF_TRY(read_u32(v, "position_ids", &v->positions, NULL, NULL));
    TUFF_TRY(read_u32(v, "token_type_ids", &v->types, NULL, NULL));
    TUFF_TRY(read_labels(v));
    return translation ? read_visible(v, (size_t) v->source_time, &v->source_visible)
                       : read_visible(v, (size_t) v->time, &v->visible);
}

static enum tuff_status build(struct verify *v, struct session *s,
                              const struct tuff_optimizer_params *optimizer, float smoothing)
{
    struct tuff_graph *g;
    TUFF_TRY(tuff_store_create(v->ctx, v->device, &s->store));
    TUFF_TRY(tuff_model_create(s->store, &v->config, &s->model));
    if (optimizer)
        TUFF_TRY(tuff_optimizer_create(s->store, optimizer, &s->optimizer));
    TUFF_TRY(tuff_graph_create(v->ctx, &g));
    tuff_model_inputs_add(g, s->model, &s->in, .batch = v->batch, .time = v->time,
                          .source = v->source_time, .gradient = optimizer != NULL, .visible = true,
                      .token_types = v->types != NULL,
                      .head_mask = v->attention.head_mask != NULL);
    s->in.attentions = v->attention.weights;
    struct tuff_tensor *hidden = tuff_model_hidden(g, s->model, &s->in);
    struct tuff_model_heads heads;
    for (int64_t i = 0; i < v->attention.n; i++)
        v->attention.weights[i] = tuff_output(g, v->attention.weights[i], "attention");
    tuff_model_apply_heads(g, s->model, &s->in, hidden, &heads);
    s->hidden = tuff_output(g, hidden, "hidden");
    s->heads.logits = tuff_output(g, heads.logits, "logits");
    if (heads.sentence_logits)
        s->heads.sentence_logits = tuff_output(g, heads.sentence_logits, "sentence_logits");
    if (v->config.task != TUFF_TASK_ENCODE) {
        tuff_model_targets_add(g, s->model, &s->in, &s->targets);
        s->targets.label_smoothing = smoothing;
        struct tuff_tensor *loss = tuff_model_loss(g, s->model, &heads, &s->targets);
        s->loss = tuff_output(g, loss, "loss");
        if (optimizer)
            tuff_backward(g, loss);
    }
    TUFF_TRY(tuff_program_create(s->store, g, NULL, &s->program));
    if (!optimizer) {
        TUFF_TRY(tuff_store_allocate(s->store, false, 0));
        return tuff_model_load(s->model, v->model_path);
    }
    TUFF_TRY(tuff_graph_create(v->ctx, &g));
    struct tuff_tensor *norm = NULL;
    tuff_optimizer_apply(g, s->optimizer, &norm, NULL);
    s->norm = tuff_output(g, norm, "norm");
    TUFF_TRY(tuff_program_create(s->store, g, NULL, &s->apply));
    if (tuff_optimizer_refreshes(optimizer, 0)) {
        TUFF_TRY(tuff_graph_create(v->ctx, &g));
        tuff_optimizer_refresh(g, s->optimizer);
        TUFF_TRY(tuff_program_create(s->store, g, NULL, &s->refresh));
    }
    s->params = *optimizer;
    TUFF_TRY(tuff_store_allocate(s->store, true, tuff_optimizer_states(optimizer)));
    TUFF_TRY(tuff_model_load(s->model, v->model_path));
    return tuff_optimizer_start(s->optimizer, 0);
}

static void destroy(struct session *s)
{
    tuff_program_destroy(s->program);
    tuff_program_destroy(s->apply);
    tuff_program_destroy(s->refresh);
    tuff_optimizer_destroy(s->optimizer);
    tuff_model_destroy(s->model);
    tuff_store_destroy(s->store);
}

/* Forward and backward over the golden batch; gradients are added to the arena. */
static enum tuff_status pass(struct verify *v, struct session *s, double *loss)
{
    struct tuff_program *p = s->program;
    TUFF_TRY(tuff_program_begin(p));
    tuff_model_targets_write(p, &s->targets,
                             &(struct tuff_model_labels) {.ids = v->targets,
                                                          .sentence = v->sentence,
                                                          .values = v->values});
    TUFF_TRY(tuff_model_inputs_write(
        p, s->model, &s->in,
        &(struct tuff_model_batch) {.ids = v->ids, .positions = v->positions,
                                    .token_types = v->types, .visible = v->visible,
                                    .source = v->source, .source_visible = v->source_visible,
                                    .head_mask = v->attention.head_mask}));
    TUFF_TRY(tuff_program_submit(p));
    TUFF_TRY(tuff_program_wait(p, 0));
    *loss = s->loss ? (double) *(const float *) tuff_program_output(p, s->loss, 0) : 0;
    return TUFF_OK;
}

static enum tuff_status apply(struct session *s, double *norm)
{
    if (s->refresh && tuff_optimizer_refreshes(&s->params, s->applied)) {
        TUFF_TRY(tuff_program_begin(s->refresh));
        TUFF_TRY(tuff_program_submit(s->refresh));
    }
    s->applied++;
    TUFF_TRY(tuff_program_begin(s->apply));
    TUFF_TRY(tuff_program_submit(s->apply));
    TUFF_TRY(tuff_program_wait(s->apply, 0));
    *norm = (double) *(const float *) tuff_program_output(s->apply, s->norm, 0);
    return TUFF_OK;
}

/* |got - want| / |want| over the elements that `counts` (NULL: all; one flag a row) tells; where
 * the reference is zero in exact arithmetic the absolute size, in units that make 1e-5 the limit. */
static enum tuff_status compare(struct verify *v, const char *name, const float *got, size_t n,
                                const bool *counts, size_t row, double tolerance)
{
    const struct tuff_file_tensor *t = tuff_weights_find(v->golden, name);
    if (!t)
        return TUFF_OK;
    if (t->count != n)
        return tuff_fail(v->ctx, TUFF_E_FORMAT, "golden %s: %llu elements, the model gives %zu", name,
                         (unsigned long long) t->count, n);
    float *want = tuff_calloc(n, sizeof *want);
    enum tuff_status status = want ? tuff_file_tensor_read_f32(v->ctx, t, 0, n, want)
                                   : tuff_fail(v->ctx, TUFF_E_NOMEM, "verify: out of memory");
    double difference = 0, size = 0;
    for (size_t i = 0; i < n && status == TUFF_OK; i++) {
        if (counts && !counts[i / row])
            continue;
        double d = (double) got[i] - (double) want[i];
        difference += d * d;
        size += (double) want[i] * (double) want[i];
    }
    free(want);
    TUFF_TRY(status);
    bool zero = sqrt(size) < 1e-6;
    return add_line(v, name, zero ? sqrt(difference) : sqrt(difference / size),
                    zero ? 1e-5 : tolerance);
}

static enum tuff_status compare_variables(struct verify *v, struct session *s, const char *prefix,
                                          enum tuff_copy copy, double tolerance)
{
    for (size_t i = 0; i < tuff_store_count(s->store); i++) {
        struct tuff_variable *p = tuff_store_get(s->store, i);
        char name[160];
        if (tuff_variable_role(p) != TUFF_TRAINABLE)
            continue;
        snprintf(name, sizeof name, "%s%s", prefix, tuff_variable_name(p));
        if (!tuff_weights_find(v->golden, name))
            continue;
        size_t n = (size_t) tuff_variable_elements(p);
        float *values = tuff_calloc(n, sizeof *values);
        enum tuff_status status = values
                                      ? tuff_model_read(s->model, p, copy, values)
                                      : tuff_fail(v->ctx, TUFF_E_NOMEM, "verify: out of memory");
        if (status == TUFF_OK)
            status = compare(v, name, values, n, NULL, 1, tolerance);
        free(values);
        TUFF_TRY(status);
    }
    return TUFF_OK;
}

/* Those of tokens where there are tokens, those of sequences all. */
static enum tuff_status compare_logits(struct verify *v, struct session *s, const char *name,
                                       const struct tuff_tensor *logits, const bool *counts)
{
    int rank = tuff_rank(logits);
    return compare(v, name, tuff_program_output(s->program, logits, 0),
                   (size_t) tuff_elements(logits), rank > 2 ? counts : NULL,
                   (size_t) tuff_dims(logits)[rank - 1], v->tolerance);
}

/* Rows of queries that are no padding: the encoder's of the source, the others of the text. */
static enum tuff_status compare_attention(struct verify *v, struct session *s, int64_t i)
{
    const struct tuff_tensor *w = v->attention.weights[i];
    const int64_t *dims = tuff_dims(w);
    const uint32_t *visible = v->source && i < v->config.num_hidden_layers ? v->source_visible
                                                                           : v->visible;
    size_t rows = (size_t) (dims[0] * dims[1] * dims[2]);
    bool *counts = tuff_calloc(rows, sizeof *counts);
    char name[32];
    if (!counts)
        return tuff_fail(v->ctx, TUFF_E_NOMEM, "verify: out of memory");
    for (size_t r = 0; r < rows; r++) {
        size_t b = r / (size_t) (dims[1] * dims[2]), t = r % (size_t) dims[2];
        counts[r] = !visible || (t >= visible[2 * b] && t < visible[2 * b + 1]);
    }
    snprintf(name, sizeof name, "attentions.%lld", (long long) i);
    enum tuff_status status = compare(v, name, tuff_program_output(s->program, w, 0),
                                      rows * (size_t) dims[3], counts, (size_t) dims[3],
                                      v->tolerance);
    free(counts);
    return status;
}

static enum tuff_status check_pass(struct verify *v, struct session *s, double loss)
{
    size_t n = (size_t) (v->batch * v->time);
    bool *counts = tuff_calloc(n, sizeof *counts);
    if (!counts)
        return tuff_fail(v->ctx, TUFF_E_NOMEM, "verify: out of memory");
    for (size_t i = 0; i < n; i++) {
        size_t b = i / (size_t) v->time, t = i % (size_t) v->time;
        counts[i] = !v->visible || (t >= v->visible[2 * b] && t < v->visible[2 * b + 1]);
    }
    size_t width = (size_t) v->config.hidden_size;
    enum tuff_status status = compare_logits(v, s, "logits", s->heads.logits, counts);
    if (status == TUFF_OK && s->heads.sentence_logits)
        status = compare_logits(v, s, "sentence_logits", s->heads.sentence_logits, counts);
    if (status == TUFF_OK)
        status = compare(v, "hidden", tuff_program_output(s->program, s->hidden, 0), n * width,
                         counts, width, v->tolerance);
    if (status == TUFF_OK && s->loss)
        status = compare(v, "loss", &(float) {(float) loss}, 1, NULL, 1, v->tolerance);
    free(counts);
    for (int64_t i = 0; i < v->attention.n && status == TUFF_OK; i++)
        status = compare_attention(v, s, i);
    return status == TUFF_OK ? compare_variables(v, s, "grad.", TUFF_GRADIENT, 1e-4) : status;
}

static enum tuff_status check_losses(struct verify *v, const char *name, const double *losses)
{
    float got[10];
    for (int i = 0; i < 10; i++)
        got[i] = (float) losses[i];
    return compare(v, name, got, 10, NULL, 1, 1e-3);
}

/* The optimizers of golden files, as golden/README.md has them. */
static const struct {
    const char *name;
    double rate, decay;
    struct tuff_optimizer_params params; /* what is not zero here is not the kind's default */
} optimizers[] = {
    {"adamw", 1e-3, 0.1, {.kind = TUFF_ADAMW}},
    {"adam", 1e-3, 0.01, {.kind = TUFF_ADAM}},
    {"sgd", 0.05, 0, {.kind = TUFF_SGD}},
    {"sgd_momentum", 0.02, 0.01, {.kind = TUFF_SGD, .momentum = 0.9, .dampening = 0.1}},
    {"sgd_nesterov", 0.02, 0, {.kind = TUFF_SGD, .momentum = 0.9, .nesterov = true}},
    {"adagrad", 0.01, 0, {.kind = TUFF_ADAGRAD}},
    {"rmsprop", 1e-3, 0, {.kind = TUFF_RMSPROP, .momentum = 0.5}},
    {"adadelta", 1, 0, {.kind = TUFF_ADADELTA}},
    {"adafactor", 0.01, 0, {.kind = TUFF_ADAFACTOR}},
    {"lion", 1e-3, 0.1, {.kind = TUFF_LION}},
    {"muon", 1e-2, 0.1, {.kind = TUFF_MUON}},
    {"muon_rms", 1e-2, 0.1, {.kind = TUFF_MUON, .match_rms_adamw = true}},
    {"galore", 1e-2, 0, {.kind = TUFF_GALORE, .eps = 1e-12, .rank = 4, .update_proj_gap = 200}},
    {"galore_gap", 1e-2, 0, {.kind = TUFF_GALORE, .eps = 1e-12, .rank = 4, .update_proj_gap = 4}},
    {"adamw_average", 1e-3, 0.1, {.kind = TUFF_ADAMW, .average = 0.8}},
};

static void set_params(size_t which, struct tuff_optimizer_params *p)
{
    const struct tuff_optimizer_params *own = &optimizers[which].params;
    *p = tuff_optimizer_defaults(own->kind);
    p->momentum = own->momentum != 0 ? own->momentum : p->momentum;
    p->eps = own->eps != 0 ? own->eps : p->eps;
    p->dampening = own->dampening;
    p->nesterov |= own->nesterov;
    p->match_rms_adamw = own->match_rms_adamw;
    p->rank = own->rank ? own->rank : p->rank;
    p->update_proj_gap = own->update_proj_gap ? own->update_proj_gap : p->update_proj_gap;
    p->average = own->average;
    p->lr = &optimizers[which].rate;
    p->lr_count = 1;
    p->weight_decay[0] = p->weight_decay[1] = optimizers[which].decay;
}

/* Forward, gradients, ten steps of an optimizer; `first`: what the pass itself gives, and the losses
 * that are AdamW's in every golden file. */
static enum tuff_status check_steps(struct verify *v, size_t which, bool first)
{
    struct session s = {0};
    struct tuff_optimizer_params params;
    double losses[10] = {0}, norm;
    char name[64];
    set_params(which, &params);
    /* A file may say nothing of steps. */
    bool stepped = tuff_weights_find(v->golden, "adamw.losses") ||
                   tuff_weights_find(v->golden, "opt.adamw.losses");
    int steps = first && !stepped ? 1 : 10;
    enum tuff_status status = build(v, &s, &params, 0);
    for (int i = 0; i < steps && status == TUFF_OK && (i == 0 || s.loss); i++) {
        status = pass(v, &s, &losses[i]);
        if (status == TUFF_OK && first && i == 0)
            status = check_pass(v, &s, losses[0]);
        if (status == TUFF_OK)
            status = apply(&s, &norm);
    }
    if (status == TUFF_OK && first && s.loss)
        status = check_losses(v, "adamw.losses", losses);
    snprintf(name, sizeof name, "opt.%s.losses", optimizers[which].name);
    if (status == TUFF_OK)
        status = check_losses(v, name, losses);
    snprintf(name, sizeof name, "opt.%s.after.", optimizers[which].name);
    /* Muon makes singular values that are tiny 3.4445^5 = 485 times larger, and so what gradients are off by,
     * 1e-6 of them: 5e-4 of a step, 5e-3 of ten, and as much again as later gradients follow. */
    if (status == TUFF_OK)
        status = compare_variables(v, &s, name, params.average > 0 ? TUFF_AVERAGE : TUFF_VALUE,
                                   params.kind == TUFF_MUON ? 1e-2 : 1e-4);
    destroy(&s);
    return status;
}

/* Matrices rounded to half precision: each product's result is off by about u = 2^-11 (F16) or 2^-8
 * (BF16) of its size, and what the table, some six products a layer and the head add to the stream
 * is independent of each other: sqrt(6 L + 2) u of it. Frozen matrices have no gradients. */
static enum tuff_status check_forward(struct verify *v)
{
    struct session s = {0};
    double loss, layers = (double) (v->config.num_hidden_layers + v->config.num_decoder_layers);
    v->tolerance = sqrt(6 * layers + 2) * (v->config.frozen_dtype == TUFF_F16 ? 0x1p-11 : 0x1p-8);
    enum tuff_status status = build(v, &s, NULL, 0);
    if (status == TUFF_OK)
        status = pass(v, &s, &loss);
    if (status == TUFF_OK)
        status = check_pass(v, &s, loss);
    destroy(&s);
    return status;
}

static enum tuff_status check_training(struct verify *v)
{
    enum tuff_status status = check_steps(v, 0, true);
    for (size_t i = 1; i < TUFF_COUNT(optimizers) && status == TUFF_OK; i++) {
        char name[64];
        snprintf(name, sizeof name, "opt.%s.losses", optimizers[i].name);
        if (tuff_weights_find(v->golden, name))
            status = check_steps(v, i, false);
    }
    return status;
}

/* With beta1 = 0 the first moment is the clipped gradient itself, as the update sees it. */
static enum tuff_status check_clipping(struct verify *v)
{
    struct session s = {0};
    double rate = 0, loss, norm = 0;
    if (!tuff_weights_find(v->golden, "clip.norm"))
        return TUFF_OK;
    enum tuff_status status = build(v, &s,
                                    &(struct tuff_optimizer_params) {.beta1 = 0, .beta2 = 0.5,
                                                                 .eps = 1e-8, .clip = 0.5,
                                                                 .lr = &rate, .lr_count = 1},
                                    0);
    if (status == TUFF_OK)
        status = pass(v, &s, &loss);
    if (status == TUFF_OK)
        status = apply(&s, &norm);
    if (status == TUFF_OK)
        status = compare(v, "clip.norm", &(float) {(float) norm}, 1, NULL, 1, 1e-4);
    if (status == TUFF_OK)
        status = compare_variables(v, &s, "clip.grad.", TUFF_STATE_0, 1e-4);
    destroy(&s);
    return status;
}

static enum tuff_status check_smoothing(struct verify *v)
{
    struct session s = {0};
    struct tuff_optimizer_params params = tuff_optimizer_defaults(TUFF_SGD);
    double rate = 0, loss;
    if (!tuff_weights_find(v->golden, "smooth.loss"))
        return TUFF_OK;
    params.lr = &rate;
    params.lr_count = 1;
    enum tuff_status status = build(v, &s, &params, 0.1f);
    if (status == TUFF_OK)
        status = pass(v, &s, &loss);
    if (status == TUFF_OK)
        status = compare(v, "smooth.loss", &(float) {(float) loss}, 1, NULL, 1, 1e-5);
    if (status == TUFF_OK)
        status = compare_variables(v, &s, "smooth.grad.", TUFF_GRADIENT, 1e-4);
    destroy(&s);
    return status;
}

static int worst_first(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    double p = x->tolerance > 0 ? x->error / x->tolerance : x->error * 1e9;
    double q = y->tolerance > 0 ? y->error / y->tolerance : y->error * 1e9;
    return p < q ? 1 : p > q ? -1 : strcmp(x->name, y->name);
}

static bool is_input(const char *name)
{
    static const char *const inputs[] = {"input_ids", "attention_mask", "position_ids",
                                         "token_type_ids", "labels", "next_sentence_label",
                                         "decoder_input_ids", "head_mask",
                                         "prompt",
                                         "proc.input_ids", "proc.scores", "proc.bad_words.ids"};
    for (size_t i = 0; i < TUFF_COUNT(inputs); i++)
        if (!strcmp(name, inputs[i]))
            return true;
    return false;
}

static int report(struct verify *v, bool strict, bool json)
{
    size_t misses = 0, unchecked = 0;
    json_t *checks = json_array(), *rest = json_array();
    qsort(v->lines.items, v->lines.n, sizeof *v->lines.items, worst_first);
    for (size_t i = 0; i < v->lines.n; i++) {
        const struct line *l = &v->lines.items[i];
        bool good = l->error <= l->tolerance;
        misses += !good;
        if (!json)
            printf("%s  %-52s error %.2e  allowed %.2e\n", good ? "ok  " : "MISS", l->name,
                   l->error, l->tolerance);
        json_array_append_new(checks, json_pack("{s:s, s:f, s:f, s:b}", "name", l->name, "error",
                                                isfinite(l->error) ? l->error : 1e308, "tolerance",
                                                l->tolerance, "ok", good));
    }
    for (size_t i = 0; i < tuff_weights_count(v->golden); i++) {
        const char *name = tuff_weights_get(v->golden, i)->name;
        bool seen = is_input(name);
        for (size_t k = 0; k < v->lines.n && !seen; k++)
            seen = !strcmp(v->lines.items[k].name, name);
        if (seen)
            continue;
        unchecked++;
        json_array_append_new(rest, json_string(name));
        if (!json)
            printf("not checked  %s\n", name);
    }
    bool failed = misses || !v->lines.n || (strict && unchecked);
    if (json) {
        json_t *root = json_pack("{s:b, s:o, s:o}", "ok", !failed, "checks", checks, "not_checked",
                                 rest);
        char *text = json_dumps(root, JSON_COMPACT);
        printf("%s\n", text ? text : "{}");
        free(text);
        json_decref(root);
    } else {
        printf("%zu checked, %zu missed, %zu not checked\n", v->lines.n, misses, unchecked);
        json_decref(checks);
        json_decref(rest);
    }
    return failed ? CLI_FAILED : CLI_OK;
}

static enum tuff_status check_all(struct verify *v)
{
    if (v->config.frozen_dtype != TUFF_F32)
        return check_forward(v);
    TUFF_TRY(check_training(v));
    TUFF_TRY(check_clipping(v));
    TUFF_TRY(check_smoothing(v));
    TUFF_TRY(cli_verify_generation(v->ctx, v->device, v->model_path, &v->config, v->golden,
                                   add_checked_line, v));
    return cli_verify_processors(v->ctx, v->golden, add_checked_line, v);
}

struct options {
    bool strict, json;
    enum tuff_dtype dtype;
};

/* One checkpoint against one file; `v` has the device. */
static int verify_pair(struct verify *v, const struct cli_command *command, const char *const *pair,
                       const struct options *options)
{
    v->model_path = pair[0];
    enum tuff_status status = tuff_model_config_load(v->ctx, v->model_path, &v->config);
    if (status == TUFF_OK)
        status = tuff_weights_open(v->ctx, pair[1], &v->golden);
    if (status == TUFF_OK)
        status = read_batch(v);
    if (status == TUFF_OK)
        status = cli_verify_attention_read(v->ctx, &v->config, v->golden, &v->attention);
    v->config.frozen_dtype = options->dtype;
    if (status == TUFF_OK)
        status = check_all(v);
    int code = status == TUFF_OK ? report(v, options->strict, options->json)
                                 : cli_fail(v->cli, command);
    tuff_weights_close(v->golden);
    free(v->ids);
    free(v->positions);
    free(v->types);
    free(v->source);
    free(v->source_visible);
    free(v->targets);
    free(v->sentence);
    free(v->values);
    free(v->visible);
    free(v->lines.items);
    cli_verify_attention_free(&v->attention);
    return code;
}

static int run(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    struct options o = {.dtype = TUFF_F32};
    const char *type = NULL;
    struct tuff_device *device = NULL;
    struct cli_strings words = {0};
    const struct cli_option options[] = {
        {"strict", CLI_FLAG, &o.strict, NULL, "tensors not checked are an error too", 0, 0},
        {"json", CLI_FLAG, &o.json, NULL, "one JSON object a pair", 0, 0},
        {"dtype", CLI_STRING, &type, "TYPE",
         "f16, bf16: the forward pass with matrices rounded to that; f32: everything", 0, 0},
    };
    int code = cli_parse(cli, command, options, TUFF_COUNT(options), &words, argc, argv);
    if (code < 0 && (!words.n || words.n % 2))
        code = cli_error(command, CLI_USAGE, "MODEL_DIR and GOLDEN.safetensors are needed, in pairs");
    if (code < 0)
        code = cli_dtype(command, type, &o.dtype);
    if (code < 0) {
        cli->quiet |= o.json;
        code = cli_open_device(cli, command, &device);
    }
    for (size_t i = 0; device && i < words.n; i += 2) {
        struct verify v = {.cli = cli, .ctx = cli->ctx, .device = device, .tolerance = 1e-5};
        if (words.n > 2 && !o.json)
            printf("%s against %s\n", words.items[i], words.items[i + 1]);
        fflush(stdout); /* a failure is told in its place */
        int pair = verify_pair(&v, command, words.items + i, &o);
        code = pair != CLI_OK ? pair : code;
    }
    tuff_device_destroy(device);
    free(words.items);
    return code;
}

const struct cli_command cli_verify = {
    .name = "verify",
    .summary = "compare a checkpoint with reference values",
    .usage = "MODEL_DIR GOLDEN.safetensors [MODEL_DIR GOLDEN.safetensors]... [OPTIONS]",
    .example = "tuff verify tests/golden/models/gpt2-tiny "
               "tests/golden/models/gpt2-tiny/golden.safetensors",
    .run = run,
};
