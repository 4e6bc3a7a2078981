/* train/trainer: three programs over one store: micro (forward, backward, gradients added up),
 * apply (clip, update, zero), evaluate. Each is recorded once and replayed (trainer_step.c). */
#include "train/trainer.h"
#include "graph/store.h"
#include "tuff/ops.h"

/* What a language model says of the tokens that follow: the head is left to the loss, which may take it in chunks. */
static struct tuff_tensor *add_token_loss(struct tuff_graph *g, struct tuff_trainer *t, struct trainer_pass *pass,
                                          bool training)
{
    int64_t dims[2] = {pass->shape.batch, pass->shape.context};
    pass->targets = tuff_input(g, "targets", TUFF_U32, 2, dims);
    pass->weight = tuff_input(g, "weight", TUFF_F32, 1, (int64_t[]) {1});
    struct tuff_tensor *hidden = tuff_model_hidden(g, t->params.model, &pass->in);
    struct tuff_tensor *loss =
        tuff_model_token_loss(g, t->params.model, hidden, pass->targets, pass->weight,
                              training ? (float) t->params.label_smoothing : 0);
    pass->loss = tuff_output(g, tuff_named(loss, "loss"), "loss");
    if (!training && t->params.eval_logits)
        pass->logits = tuff_output(g, tuff_model_logits(g, t->params.model, hidden), "logits");
    return loss;
}

static struct tuff_tensor *add_task_loss(struct tuff_graph *g, struct tuff_trainer *t, struct trainer_pass *pass,
                                         bool training)
{
    struct tuff_model_targets targets;
    struct tuff_model_heads heads;
    tuff_model_targets_add(g, t->params.model, &pass->in, &targets);
    targets.label_smoothing = training ? (float) t->params.label_smoothing : 0;
    tuff_model_apply_heads(g, t->params.model, &pass->in,
                           tuff_model_hidden(g, t->params.model, &pass->in), &heads);
    struct tuff_tensor *loss = tuff_model_loss(g, t->params.model, &heads, &targets);
    pass->targets = targets.main.ids;
    pass->weight = targets.main.weight;
    pass->loss = tuff_output(g, tuff_named(loss, "loss"), "loss");
    if (!training && t->params.eval_logits)
        pass->logits = tuff_output(g, heads.logits, "logits");
    return loss;
}

static void add_pass(struct tuff_graph *g, struct tuff_trainer *t, struct trainer_pass *pass, bool training)
{
    bool causal = tuff_model_get_config(t->params.model)->task == TUFF_TASK_CAUSAL_LM;
    tuff_model_inputs_add(g, t->params.model, &pass->in, .batch = pass->shape.batch, .time = pass->shape.context,
                          .gradient = training, .visible = !causal, .segments = t->params.packed,
                          .dropout = training && t->params.dropout,
                          .neftune = training ? t->params.neftune : 0);
    struct tuff_tensor *loss = causal ? add_token_loss(g, t, pass, training)
                                      : add_task_loss(g, t, pass, training);
    if (training && t->params.on_graph)
        t->params.on_graph(t->params.on_graph_user, g, loss);
    if (t->params.amp)
        tuff_amp(g, t->params.amp, t->params.amp_dtype);
    if (!t->params.unfused)
        tuff_fuse(g);
    if (training) {
        tuff_optimizer_scale_loss(g, t->optimizer, loss);
        tuff_backward(g, loss);
        if (t->params.checkpoint)
            tuff_checkpoint(g, t->params.checkpoint);
    }
}

static enum tuff_status create_pass(struct tuff_trainer *t, struct trainer_pass *pass, bool training)
{
    struct tuff_graph *g;
    TUFF_TRY(tuff_graph_create(t->ctx, &g));
    add_pass(g, t, pass, training);
    if (tuff_graph_status(g) != TUFF_OK) {
        enum tuff_status status = tuff_graph_status(g);
        tuff_graph_destroy(g);
        return status;
    }
    if (training && pass == t->train)
        tuff_store_order(t->params.store, g);
    return tuff_program_create(t->params.store, g,
                               &(struct tuff_program_params) {
                                   .name = training ? "train" : "evaluate",
                                   .generic = t->params.generic,
                                   .order = t->params.order,
                                   .order_seed = t->params.order_seed},
                               &pass->program);
}

static enum tuff_status create_passes(struct tuff_trainer *t)
{
    const struct tuff_trainer_params *p = &t->params;
    t->n = TUFF_MAX(p->n_shapes, 1);
    t->train = tuff_calloc(t->n, sizeof *t->train);
    t->eval = tuff_calloc(t->n, sizeof *t->eval);
    if (!t->train || !t->eval)
        return tuff_fail(t->ctx, TUFF_E_NOMEM, "trainer: out of host memory");
    for (size_t i = 0; i < t->n; i++) {
        t->train[i].shape = t->eval[i].shape =
            p->n_shapes ? p->shapes[i] : (struct tuff_train_shape) {p->batch, p->context};
        if (!p->n_shapes && p->eval_batch)
            t->eval[i].shape.batch = p->eval_batch;
        TUFF_TRY(create_pass(t, &t->train[i], true));
        TUFF_TRY(create_pass(t, &t->eval[i], false));
    }
    return TUFF_OK;
}

static enum tuff_status prepare(struct tuff_trainer *t)
{
    for (size_t i = 0; i < t->n; i++) {
        TUFF_TRY(tuff_program_prepare(t->train[i].program));
        TUFF_TRY(tuff_program_prepare(t->eval[i].program));
    }
    if (t->refresh)
        TUFF_TRY(tuff_program_prepare(t->refresh));
    if (t->swap)
        TUFF_TRY(tuff_program_prepare(t->swap));
    return tuff_program_prepare(t->apply);
}

static enum tuff_status check_shapes(struct tuff_ctx *ctx, const struct tuff_trainer_params *p)
{
    const struct tuff_train_shape one = {p->batch, p->context},
                                  *shapes = p->n_shapes ? p->shapes : &one;
    for (size_t i = 0; i < TUFF_MAX(p->n_shapes, 1); i++) {
        if (shapes[i].batch < 1 || shapes[i].context < 1)
            return tuff_fail(ctx, TUFF_E_RANGE, "batch and context must be 1 or more");
        TUFF_TRY(tuff_model_context_check(ctx, tuff_model_get_config(p->model),
                                          shapes[i].context +
                                              tuff_model_virtual_tokens(p->model)));
    }
    return TUFF_OK;
}

static enum tuff_status create_program(struct tuff_trainer *t, struct tuff_graph *g,
                                       const char *name, struct tuff_program **program)
{
    return tuff_program_create(t->params.store, g,
                               &(struct tuff_program_params) {.name = name,
                                                              .generic = t->params.generic,
                                                              .order = t->params.order,
                                                              .order_seed = t->params.order_seed},
                               program);
}

static enum tuff_status create_apply(struct tuff_trainer *t)
{
    struct tuff_graph *g;
    struct tuff_tensor *norm, *applied;
    TUFF_TRY(tuff_graph_create(t->ctx, &g));
    tuff_optimizer_apply(g, t->optimizer, &norm, &applied);
    t->norm = tuff_output(g, norm, "norm");
    t->applied = tuff_output(g, applied, "applied");
    TUFF_TRY(create_program(t, g, "apply", &t->apply));
    if (tuff_optimizer_refreshes(&t->params.optimizer, 0)) {
        TUFF_TRY(tuff_graph_create(t->ctx, &g));
        tuff_optimizer_refresh(g, t->optimizer);
        TUFF_TRY(create_program(t, g, "refresh", &t->refresh));
    }
    if (t->params.optimizer.average > 0) {
        TUFF_TRY(tuff_graph_create(t->ctx, &g));
        tuff_optimizer_swap_average(g, t->optimizer);
        TUFF_TRY(create_program(t, g, "swap", &t->swap));
    }
    return TUFF_OK;
}

/* Everything the programs and the store will take, before anything is allocated. */
static enum tuff_status check_memory(struct tuff_trainer *t)
{
    struct tuff_device *device = tuff_store_device(t->params.store);
    struct tuff_plan_sizes s;
    tuff_trainer_sizes(t, &s);
    uint64_t need = tuff_plan_peak(&s);
    uint64_t have = tuff_device_info(device)->memory_available;
    if (have && need > have)
        return tuff_fail(t->ctx, TUFF_E_DEVICE_MEMORY,
                         "training needs %.0f MiB (parameters %.0f, gradients %.0f, optimizer "
                         "%.0f, activations %.0f), device %s has %.0f; a smaller batch or context "
                         "makes the activations fit", (double) need / 1048576,
                         (double) s.parameters / 1048576, (double) s.gradients / 1048576,
                         (double) s.states / 1048576, (double) s.activations / 1048576,
                         tuff_device_info(device)->name, (double) have / 1048576);
    return TUFF_OK;
}

void tuff_trainer_amp(struct tuff_optimizer_params *optimizer, int amp, enum tuff_dtype dtype)
{
    if (amp > 0 && dtype == TUFF_F16 && optimizer->loss_scale == 0)
        optimizer->loss_scale = 65536;
    if (amp == 3)
        optimizer->round = dtype;
}

/* Tasks whose targets are one id each. */
static enum tuff_status check_task(struct tuff_ctx *ctx, const struct tuff_model_config *c)
{
    bool one = c->task == TUFF_TASK_SEQUENCE_CLASSIFICATION && c->problem == TUFF_PROBLEM_ONE_LABEL;
    return one || c->task == TUFF_TASK_MASKED_LM || c->task == TUFF_TASK_TOKEN_CLASSIFICATION
               ? TUFF_OK
               : tuff_model_check_causal(ctx, "training", c);
}

enum tuff_status tuff_trainer_create(struct tuff_ctx *ctx, const struct tuff_trainer_params *params,
                                     struct tuff_trainer **out)
{
    *out = NULL;
    TUFF_TRY(check_task(ctx, tuff_model_get_config(params->model)));
    TUFF_TRY(check_shapes(ctx, params));
    struct tuff_trainer *t = tuff_calloc(1, sizeof *t);
    if (!t)
        return tuff_fail(ctx, TUFF_E_NOMEM, "trainer: out of host memory");
    t->ctx = ctx;
    t->params = *params;
    enum tuff_status status;
    tuff_trainer_amp(&t->params.optimizer, params->amp, params->amp_dtype);
    tuff_store_offload(params->store, params->offload);
    TUFF_TRY_GOTO(tuff_parameter_rules_apply(params->store, params->rules, params->n_rules,
                                             &t->params.optimizer));
    TUFF_TRY_GOTO(tuff_optimizer_create(params->store, &t->params.optimizer, &t->optimizer));
    TUFF_TRY_GOTO(create_passes(t));
    TUFF_TRY_GOTO(create_apply(t));
    if (tuff_store_device(params->store)) {
        TUFF_TRY_GOTO(check_memory(t));
        TUFF_TRY_GOTO(tuff_store_allocate(params->store, true,
                                          tuff_optimizer_states(&params->optimizer)));
        TUFF_TRY_GOTO(prepare(t));
    }
    *out = t;
    return TUFF_OK;
fail:
    tuff_trainer_destroy(t);
    return status;
}

void tuff_trainer_destroy(struct tuff_trainer *t)
{
    if (!t)
        return;
    tuff_program_destroy(t->apply);
    tuff_program_destroy(t->refresh);
    tuff_program_destroy(t->swap);
    for (size_t i = 0; t->train && t->eval && i < t->n; i++) {
        tuff_program_destroy(t->eval[i].program);
        tuff_program_destroy(t->train[i].program);
    }
    tuff_optimizer_destroy(t->optimizer);
    free(t->train);
    free(t->eval);
    free(t);
}

/* The i-th of 2 n + 3; NULL: there is none. */
static const struct tuff_program *program(const struct tuff_trainer *t, size_t i)
{
    const struct tuff_program *const others[] = {t->apply, t->refresh, t->swap};
    return i >= 2 * t->n ? others[i - 2 * t->n] : (i % 2 ? t->eval : t->train)[i / 2].program;
}

void tuff_trainer_sizes(const struct tuff_trainer *t, struct tuff_plan_sizes *sizes)
{
    const struct tuff_optimizer_params *o = &t->params.optimizer;
    const struct tuff_store *store = t->params.store;
    tuff_program_sizes(t->train[0].program, sizes);
    sizes->gradients = sizes->parameters;
    uint64_t arenas = (uint64_t) tuff_optimizer_states(o) * tuff_store_flat_bytes(store) +
                      (o->average > 0 ? sizes->parameters : 0);
    *(tuff_store_offloaded(store) & TUFF_OFFLOAD_STATES ? &sizes->host : &sizes->states) += arenas;
    sizes->activations = tuff_store_activation_bytes(store);
    for (size_t i = 1; i < 2 * t->n + 3; i++) {
        struct tuff_plan_sizes other;
        if (!program(t, i))
            continue;
        tuff_program_sizes(program(t, i), &other);
        sizes->inputs += other.inputs;
        sizes->constants += other.constants;
    }
}

uint64_t tuff_trainer_numerics(const struct tuff_trainer *t)
{
    uint64_t all = 0;
    for (size_t i = 0; i < 2 * t->n + 3; i++)
        if (program(t, i))
            all = all * 31 + tuff_program_numerics(program(t, i));
    return all;
}

struct tuff_program *tuff_trainer_program(struct tuff_trainer *t)
{
    return t->train[0].program;
}
