/* train/task_trainer: see tuff/task_train.h. */
#include "base/base.h"
#include "tuff/ops.h"
#include "tuff/task_train.h"

/* Gradients alone, the update, and what the model says. */
struct tuff_task_trainer {
    struct tuff_ctx *ctx;
    struct tuff_task_trainer_params params;
    struct tuff_optimizer *optimizer;
    struct tuff_program *learn, *update, *infer, *evaluate; /* evaluate NULL: not wanted */
    struct tuff_program *refresh; /* NULL: the optimizer has no subspaces */
    struct tuff_model_inputs learn_in, infer_in, evaluate_in;
    struct tuff_model_targets targets, evaluate_targets;
    struct tuff_tensor *loss, *logits, *evaluate_loss, *applied;
    uint64_t done; /* steps applied */
    uint64_t steps; /* begun; the next is its number in dropout's seed */
};

static enum tuff_status build_learn(struct tuff_task_trainer *t)
{
    const struct tuff_task_trainer_params *p = &t->params;
    struct tuff_graph *g;
    struct tuff_model_heads heads;
    TUFF_TRY(tuff_graph_create(t->ctx, &g));
    tuff_model_inputs_add(g, p->model, &t->learn_in, .batch = p->batch, .time = p->time,
                          .source = p->source, .gradient = true, .visible = true,
                          .dropout = p->dropout);
    tuff_model_targets_add(g, p->model, &t->learn_in, &t->targets);
    tuff_model_apply_heads(g, p->model, &t->learn_in, tuff_model_hidden(g, p->model, &t->learn_in),
                           &heads);
    struct tuff_tensor *loss = tuff_model_loss(g, p->model, &heads, &t->targets);
    t->loss = tuff_output(g, loss, "loss");
    tuff_backward(g, loss);
    tuff_store_order(p->store, g);
    return tuff_program_create(p->store, g, &(struct tuff_program_params) {.name = "learn"},
                               &t->learn);
}

static enum tuff_status build_others(struct tuff_task_trainer *t)
{
    const struct tuff_task_trainer_params *p = &t->params;
    struct tuff_graph *g;
    struct tuff_model_heads heads;
    TUFF_TRY(tuff_graph_create(t->ctx, &g));
    struct tuff_tensor *applied = NULL;
    tuff_optimizer_apply(g, t->optimizer, NULL, &applied);
    t->applied = tuff_output(g, applied, "applied");
    TUFF_TRY(tuff_program_create(p->store, g, &(struct tuff_program_params) {.name = "update"},
                                 &t->update));
    if (tuff_optimizer_refreshes(&p->optimizer, 0)) {
        TUFF_TRY(tuff_graph_create(t->ctx, &g));
        tuff_optimizer_refresh(g, t->optimizer);
        TUFF_TRY(tuff_program_create(p->store, g, &(struct tuff_program_params) {.name = "refresh"},
                                     &t->refresh));
    }
    TUFF_TRY(tuff_graph_create(t->ctx, &g));
    tuff_model_inputs_add(g, p->model, &t->infer_in, .batch = p->batch, .time = p->time,
                          .source = p->source, .visible = true);
    tuff_model_apply_heads(g, p->model, &t->infer_in, tuff_model_hidden(g, p->model, &t->infer_in),
                           &heads);
    t->logits = tuff_output(g, heads.logits, "logits");
    return tuff_program_create(p->store, g, &(struct tuff_program_params) {.name = "infer"},
                               &t->infer);
}

static enum tuff_status build_evaluate(struct tuff_task_trainer *t)
{
    const struct tuff_task_trainer_params *p = &t->params;
    struct tuff_graph *g;
    struct tuff_model_heads heads;
    TUFF_TRY(tuff_graph_create(t->ctx, &g));
    tuff_model_inputs_add(g, p->model, &t->evaluate_in, .batch = p->batch, .time = p->time,
                          .source = p->source, .visible = true);
    tuff_model_targets_add(g, p->model, &t->evaluate_in, &t->evaluate_targets);
    tuff_model_apply_heads(g, p->model, &t->evaluate_in,
                           tuff_model_hidden(g, p->model, &t->evaluate_in), &heads);
    t->evaluate_loss =
        tuff_output(g, tuff_model_loss(g, p->model, &heads, &t->evaluate_targets), "loss");
    return tuff_program_create(p->store, g, &(struct tuff_program_params) {.name = "evaluate"},
                               &t->evaluate);
}

/* Compiles all there is, before the first step. */
static enum tuff_status prepare(struct tuff_task_trainer *t)
{
    struct tuff_program *const all[] = {t->learn, t->update, t->infer, t->evaluate};
    for (size_t i = 0; i < TUFF_COUNT(all); i++)
        if (all[i])
            TUFF_TRY(tuff_program_prepare(all[i]));
    return TUFF_OK;
}

enum tuff_status tuff_task_trainer_create(struct tuff_ctx *ctx,
                                          const struct tuff_task_trainer_params *params,
                                          struct tuff_task_trainer **out)
{
    *out = NULL;
    if (params->batch < 1 || params->time < 1 || params->source < 0)
        return tuff_fail(ctx, TUFF_E_RANGE, "training: a batch of %lld sequences of %lld tokens",
                         (long long) params->batch, (long long) params->time);
    TUFF_TRY(tuff_model_context_check(ctx, tuff_model_get_config(params->model),
                                      TUFF_MAX(params->time, params->source)));
    struct tuff_task_trainer *t = tuff_calloc(1, sizeof *t);
    if (!t)
        return tuff_fail(ctx, TUFF_E_NOMEM, "training: out of host memory");
    t->ctx = ctx;
    t->params = *params;
    enum tuff_status status = tuff_optimizer_create(params->store, &params->optimizer,
                                                    &t->optimizer);
    if (status == TUFF_OK)
        status = build_learn(t);
    if (status == TUFF_OK)
        status = build_others(t);
    if (status == TUFF_OK && params->evaluate)
        status = build_evaluate(t);
    if (status == TUFF_OK)
        status = tuff_store_allocate(params->store, true,
                                     tuff_optimizer_states(&params->optimizer));
    if (status == TUFF_OK)
        status = prepare(t);
    if (status == TUFF_OK)
        status = tuff_optimizer_start(t->optimizer, 0);
    if (status != TUFF_OK)
        tuff_task_trainer_destroy(t);
    else
        *out = t;
    return status;
}

void tuff_task_trainer_destroy(struct tuff_task_trainer *t)
{
    if (!t)
        return;
    tuff_program_destroy(t->learn);
    tuff_program_destroy(t->update);
    tuff_program_destroy(t->refresh);
    tuff_program_destroy(t->infer);
    tuff_program_destroy(t->evaluate);
    tuff_optimizer_destroy(t->optimizer);
    free(t);
}

enum tuff_status tuff_task_trainer_start(struct tuff_task_trainer *t, uint64_t steps,
                                         uint64_t applied)
{
    t->steps = steps;
    t->done = applied;
    return tuff_optimizer_start(t->optimizer, (uint32_t) applied);
}

uint64_t tuff_task_trainer_applied(const struct tuff_task_trainer *t)
{
    return t->done;
}

enum tuff_status tuff_task_trainer_evaluate(struct tuff_task_trainer *t,
                                            const struct tuff_model_batch *batch,
                                            const struct tuff_model_labels *labels, double *loss)
{
    if (!t->evaluate)
        return tuff_fail(t->ctx, TUFF_E_STATE, "trainer: made without evaluation");
    TUFF_TRY(tuff_program_begin(t->evaluate));
    TUFF_TRY(tuff_model_inputs_write(t->evaluate, t->params.model, &t->evaluate_in, batch));
    tuff_model_targets_write(t->evaluate, &t->evaluate_targets, labels);
    TUFF_TRY(tuff_program_submit(t->evaluate));
    TUFF_TRY(tuff_program_wait(t->evaluate, 0));
    *loss = (double) *(const float *) tuff_program_output(t->evaluate, t->evaluate_loss, 0);
    return TUFF_OK;
}

enum tuff_status tuff_task_trainer_step(struct tuff_task_trainer *t,
                                        const struct tuff_model_batch *batch,
                                        const struct tuff_model_labels *labels, double *loss)
{
    struct tuff_model_batch b = *batch;
    /* Dropout's key is the seed, the step takes the place of its upper half: no mask twice. */
    const uint32_t seed[2] = {(uint32_t) t->params.seed,
                              (uint32_t) (t->params.seed >> 32) + (uint32_t) t->steps};
    b.seed = seed;
    TUFF_TRY(tuff_program_begin(t->learn));
    TUFF_TRY(tuff_model_inputs_write(t->learn, t->params.model, &t->learn_in, &b));
    tuff_model_targets_write(t->learn, &t->targets, labels);
    TUFF_TRY(tuff_program_submit(t->learn));
    if (t->refresh && tuff_optimizer_refreshes(&t->params.optimizer, (uint32_t) t->done)) {
        TUFF_TRY(tuff_program_begin(t->refresh));
        TUFF_TRY(tuff_program_submit(t->refresh));
    }
    TUFF_TRY(tuff_program_begin(t->update));
    TUFF_TRY(tuff_program_submit(t->update));
    TUFF_TRY(tuff_program_wait(t->update, 0));
    *loss = (double) *(const float *) tuff_program_output(t->learn, t->loss, 0);
    t->done = *(const uint32_t *) tuff_program_output(t->update, t->applied, 0);
    t->steps++;
    return TUFF_OK;
}

enum tuff_status tuff_task_trainer_infer(struct tuff_task_trainer *t,
                                         const struct tuff_model_batch *batch,
                                         const float **logits)
{
    TUFF_TRY(tuff_program_begin(t->infer));
    TUFF_TRY(tuff_model_inputs_write(t->infer, t->params.model, &t->infer_in, batch));
    TUFF_TRY(tuff_program_submit(t->infer));
    TUFF_TRY(tuff_program_wait(t->infer, 0));
    *logits = tuff_program_output(t->infer, t->logits, 0);
    return TUFF_OK;
}
