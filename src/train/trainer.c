/* train/trainer: three programs over one store: micro (forward, backward, gradients added up),
 * apply (clip, update, zero), evaluate. Each is recorded once and replayed. */
#include "base/os.h"
#include "graph/store.h"
#include "tuff/ops.h"
#include "tuff/train.h"

#include <math.h>

#define PENDING 4 /* steps submitted and not yet reported: at most 2, the ring's size, and slack */

struct pass {
    struct tuff_program *program;
    struct tuff_model_inputs in;
    struct tuff_tensor *targets, *weight, *loss;
};

struct pending {
    struct tuff_step_result result;
    size_t micros;  /* micro runs not yet harvested */
    bool applied;   /* apply harvested */
};

struct tuff_trainer {
    struct tuff_ctx *ctx;
    struct tuff_trainer_params params;
    struct pass train, eval;
    struct tuff_optimizer *optimizer;
    struct tuff_program *apply;
    struct tuff_tensor *norm, *applied;
    uint64_t step, first_step, done_applied;
    struct pending queue[PENDING]; /* oldest first */
    size_t n_queue;
    uint64_t slot_step[2][2];      /* [micro, apply][slot]: step whose run used it; 0: harvested */
    int slot[2];
    double host_seconds; /* of host_steps steps */
    uint64_t host_steps;
};

static void add_pass(struct tuff_graph *g, struct tuff_trainer *t, struct pass *pass, int64_t batch,
                     bool training)
{
    int64_t dims[2] = {batch, t->params.context};
    tuff_model_inputs_add(g, t->params.model, &pass->in, .batch = batch, .time = t->params.context,
                          .gradient = training, .dropout = training && t->params.dropout);
    pass->targets = tuff_input(g, "targets", TUFF_U32, 2, dims);
    pass->weight = tuff_input(g, "weight", TUFF_F32, 1, (int64_t[]) {1});
    struct tuff_tensor *hidden = tuff_model_hidden(g, t->params.model, &pass->in);
    struct tuff_tensor *loss =
        tuff_model_token_loss(g, t->params.model, hidden, pass->targets, pass->weight);
    pass->loss = tuff_output(g, tuff_named(loss, "loss"), "loss");
    if (training && t->params.on_graph)
        t->params.on_graph(t->params.on_graph_user, g, loss);
    if (!t->params.unfused)
        tuff_fuse(g);
    if (training)
        tuff_backward(g, loss);
}

static enum tuff_status create_pass(struct tuff_trainer *t, struct pass *pass, int64_t batch,
                                    bool training)
{
    struct tuff_graph *g;
    TUFF_TRY(tuff_graph_create(t->ctx, &g));
    add_pass(g, t, pass, batch, training);
    if (tuff_graph_status(g) != TUFF_OK) {
        enum tuff_status status = tuff_graph_status(g);
        tuff_graph_destroy(g);
        return status;
    }
    if (training)
        tuff_store_order(t->params.store, g);
    return tuff_program_create(t->params.store, g,
                               &(struct tuff_program_params) {
                                   .name = training ? "train" : "evaluate",
                                   .generic = t->params.generic,
                                   .order = t->params.order,
                                   .order_seed = t->params.order_seed},
                               &pass->program);
}

static enum tuff_status create_apply(struct tuff_trainer *t)
{
    struct tuff_graph *g;
    struct tuff_tensor *norm, *applied;
    TUFF_TRY(tuff_graph_create(t->ctx, &g));
    tuff_optimizer_apply(g, t->optimizer, &norm, &applied);
    t->norm = tuff_output(g, norm, "norm");
    t->applied = tuff_output(g, applied, "applied");
    return tuff_program_create(t->params.store, g,
                               &(struct tuff_program_params) {.name = "apply",
                                                              .generic = t->params.generic,
                                                              .order = t->params.order,
                                                              .order_seed = t->params.order_seed},
                               &t->apply);
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

enum tuff_status tuff_trainer_create(struct tuff_ctx *ctx, const struct tuff_trainer_params *params,
                                     struct tuff_trainer **out)
{
    *out = NULL;
    if (params->batch < 1 || params->context < 1)
        return tuff_fail(ctx, TUFF_E_RANGE, "batch and context must be 1 or more");
    TUFF_TRY(tuff_model_check_causal(ctx, "training", tuff_model_get_config(params->model)));
    TUFF_TRY(tuff_model_context_check(ctx, tuff_model_get_config(params->model), params->context));
    struct tuff_trainer *t = tuff_calloc(1, sizeof *t);
    if (!t)
        return tuff_fail(ctx, TUFF_E_NOMEM, "trainer: out of host memory");
    t->ctx = ctx;
    t->params = *params;
    int64_t eval_batch = params->eval_batch ? params->eval_batch : params->batch;
    enum tuff_status status;
    TUFF_TRY_GOTO(tuff_optimizer_create(params->store, &params->optimizer, &t->optimizer));
    TUFF_TRY_GOTO(create_pass(t, &t->train, params->batch, true));
    TUFF_TRY_GOTO(create_pass(t, &t->eval, eval_batch, false));
    TUFF_TRY_GOTO(create_apply(t));
    if (tuff_store_device(params->store)) {
        TUFF_TRY_GOTO(check_memory(t));
        TUFF_TRY_GOTO(tuff_store_allocate(params->store, true,
                                          tuff_optimizer_states(&params->optimizer)));
        TUFF_TRY_GOTO(tuff_program_prepare(t->train.program));
        TUFF_TRY_GOTO(tuff_program_prepare(t->eval.program));
        TUFF_TRY_GOTO(tuff_program_prepare(t->apply));
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
    tuff_program_destroy(t->eval.program);
    tuff_program_destroy(t->train.program);
    tuff_optimizer_destroy(t->optimizer);
    free(t);
}

enum tuff_status tuff_trainer_start(struct tuff_trainer *t, uint64_t step, uint64_t applied)
{
    t->step = t->first_step = step;
    t->done_applied = applied;
    return tuff_optimizer_start(t->optimizer, (uint32_t) applied);
}

enum tuff_status tuff_trainer_set_rates(struct tuff_trainer *t, const double *lr, int64_t n)
{
    return tuff_optimizer_set_rates(t->optimizer, lr, n);
}

static struct pending *pending_of(struct tuff_trainer *t, uint64_t step)
{
    for (size_t i = 0; i < t->n_queue; i++)
        if (t->queue[i].result.step == step)
            return &t->queue[i];
    return NULL;
}

/* Takes the result of the run that last used the slot now free. */
static void harvest_micro(struct tuff_trainer *t, int slot, int age)
{
    struct pending *p = pending_of(t, t->slot_step[0][slot]);
    if (p) {
        p->result.loss += (double) *(const float *) tuff_program_output(t->train.program,
                                                                        t->train.loss, age);
        p->micros--;
    }
    t->slot_step[0][slot] = 0;
}

static void harvest_apply(struct tuff_trainer *t, int slot, int age)
{
    struct pending *p = pending_of(t, t->slot_step[1][slot]);
    if (p) {
        p->result.norm = (double) *(const float *) tuff_program_output(t->apply, t->norm, age);
        p->result.applied = *(const uint32_t *) tuff_program_output(t->apply, t->applied, age);
        p->result.skipped = !isfinite(p->result.norm);
        p->applied = true;
    }
    t->slot_step[1][slot] = 0;
}

static enum tuff_status fill(struct tuff_trainer *t, struct pass *pass, const uint32_t *ids,
                             const uint32_t *targets, size_t n, float weight, const uint32_t *seed)
{
    memcpy(tuff_program_input(pass->program, pass->targets), targets, n * sizeof *targets);
    *(float *) tuff_program_input(pass->program, pass->weight) = weight;
    return tuff_model_inputs_write(pass->program, t->params.model, &pass->in,
                                   &(struct tuff_model_batch) {.ids = ids, .seed = seed});
}

static enum tuff_status micro(struct tuff_trainer *t, const uint32_t *ids, const uint32_t *targets,
                              size_t index, uint64_t counted, double *waited)
{
    struct pass *pass = &t->train;
    size_t n = (size_t) (t->params.batch * t->params.context);
    double begin = tuff_os_now();
    TUFF_TRY(tuff_program_begin(pass->program));
    *waited += tuff_os_now() - begin;
    if (t->slot_step[0][t->slot[0]])
        harvest_micro(t, t->slot[0], 1);
    /* One stream a step and micro-batch: the same whatever was run before. */
    const uint32_t seed[2] = {(uint32_t) t->params.seed ^ (uint32_t) index << 20,
                              (uint32_t) t->step};
    TUFF_TRY(fill(t, pass, ids, targets, n, (float) (1.0 / (double) counted), seed));
    TUFF_TRY(tuff_program_submit(pass->program));
    t->slot_step[0][t->slot[0]] = t->step;
    t->slot[0] = !t->slot[0];
    return TUFF_OK;
}

enum tuff_status tuff_trainer_step(struct tuff_trainer *t, const uint32_t *const *ids,
                                   const uint32_t *const *targets, size_t n, uint64_t counted)
{
    double start = tuff_os_now(), waited = 0;
    if (!counted || !n)
        return tuff_fail(t->ctx, TUFF_E_ARG, "step %llu: no target is counted",
                         (unsigned long long) t->step + 1);
    if (t->n_queue == PENDING)
        return tuff_fail(t->ctx, TUFF_E_STATE, "trainer: results must be taken between steps");
    t->step++;
    t->queue[t->n_queue++] = (struct pending) {
        .result = {.step = t->step, .tokens = counted}, .micros = n};
    for (size_t i = 0; i < n; i++)
        TUFF_TRY(micro(t, ids[i], targets[i], i, counted, &waited));
    double begin = tuff_os_now();
    TUFF_TRY(tuff_program_begin(t->apply));
    waited += tuff_os_now() - begin;
    if (t->slot_step[1][t->slot[1]])
        harvest_apply(t, t->slot[1], 1);
    TUFF_TRY(tuff_program_submit(t->apply));
    t->slot_step[1][t->slot[1]] = t->step;
    t->slot[1] = !t->slot[1];
    if (t->step > t->first_step + 1) {
        t->host_seconds += tuff_os_now() - start - waited;
        t->host_steps++;
    }
    return TUFF_OK;
}

enum tuff_status tuff_trainer_result(struct tuff_trainer *t, bool wait, bool *have,
                                     struct tuff_step_result *result)
{
    *have = false;
    if (wait) {
        /* Older run first: slot[] is the slot the next run will take, so the older one. */
        for (int age = 1; age >= 0; age--) {
            int micro_slot = age ? t->slot[0] : !t->slot[0];
            int apply_slot = age ? t->slot[1] : !t->slot[1];
            TUFF_TRY(tuff_program_wait(t->train.program, age));
            if (t->slot_step[0][micro_slot])
                harvest_micro(t, micro_slot, age);
            TUFF_TRY(tuff_program_wait(t->apply, age));
            if (t->slot_step[1][apply_slot])
                harvest_apply(t, apply_slot, age);
        }
    }
    if (t->n_queue && !t->queue[0].micros && t->queue[0].applied) {
        *result = t->queue[0].result;
        t->done_applied = result->applied;
        memmove(&t->queue[0], &t->queue[1], --t->n_queue * sizeof t->queue[0]);
        *have = true;
    }
    return TUFF_OK;
}

enum tuff_status tuff_trainer_evaluate(struct tuff_trainer *t, const uint32_t *ids,
                                       const uint32_t *targets, double *loss_sum)
{
    int64_t batch = t->params.eval_batch ? t->params.eval_batch : t->params.batch;
    TUFF_TRY(tuff_program_begin(t->eval.program));
    TUFF_TRY(fill(t, &t->eval, ids, targets, (size_t) (batch * t->params.context), 1, NULL));
    TUFF_TRY(tuff_program_submit(t->eval.program));
    TUFF_TRY(tuff_program_wait(t->eval.program, 0));
    *loss_sum = (double) *(const float *) tuff_program_output(t->eval.program, t->eval.loss, 0);
    return TUFF_OK;
}

void tuff_trainer_sizes(const struct tuff_trainer *t, struct tuff_plan_sizes *sizes)
{
    struct tuff_plan_sizes other;
    tuff_program_sizes(t->train.program, sizes);
    sizes->gradients = sizes->parameters;
    sizes->states += (uint64_t) tuff_optimizer_states(&t->params.optimizer) * sizes->parameters;
    sizes->activations = tuff_store_activation_bytes(t->params.store);
    const struct tuff_program *rest[] = {t->eval.program, t->apply};
    for (size_t i = 0; i < TUFF_COUNT(rest); i++) {
        tuff_program_sizes(rest[i], &other);
        sizes->inputs += other.inputs;
        sizes->constants += other.constants;
    }
}

double tuff_trainer_host_seconds(const struct tuff_trainer *t)
{
    return t->host_steps ? t->host_seconds / (double) t->host_steps : 0;
}

uint64_t tuff_trainer_numerics(const struct tuff_trainer *t)
{
    const struct tuff_program *programs[] = {t->train.program, t->eval.program, t->apply};
    uint64_t all = 0;
    for (size_t i = 0; i < TUFF_COUNT(programs); i++)
        all = all * 31 + tuff_program_numerics(programs[i]);
    return all;
}

struct tuff_program *tuff_trainer_program(struct tuff_trainer *t)
{
    return t->train.program;
}
