/* train/trainer_step: a trainer's programs, step after step: two steps on the way, results taken as
 * slots of the rings come free. */
#include "train/trainer.h"
#include "base/os.h"

enum tuff_status tuff_trainer_start(struct tuff_trainer *t, uint64_t step, uint64_t applied)
{
    t->step = t->first_step = step;
    t->done_applied = t->seen_applied = applied;
    return tuff_optimizer_start(t->optimizer, (uint32_t) applied);
}

enum tuff_status tuff_trainer_set_rates(struct tuff_trainer *t, const double *lr, int64_t n)
{
    return tuff_optimizer_set_rates(t->optimizer, lr, n);
}

static struct trainer_pending *pending_of(struct tuff_trainer *t, uint64_t step)
{
    for (size_t i = 0; i < t->n_queue; i++)
        if (t->queue[i].result.step == step)
            return &t->queue[i];
    return NULL;
}

/* Takes the result of the run that last used the slot now free. */
static void harvest_micro(struct tuff_trainer *t, struct trainer_pass *pass, int slot, int age)
{
    struct trainer_pending *p = pass->slot_step[slot] ? pending_of(t, pass->slot_step[slot]) : NULL;
    if (p) {
        p->result.loss += (double) *(const float *) tuff_program_output(pass->program, pass->loss,
                                                                        age);
        p->micros--;
    }
    pass->slot_step[slot] = 0;
}

/* The micros of the step whose update used this slot ended before it; those of a shape that was not
 * run since are still to be taken. */
static enum tuff_status harvest_step(struct tuff_trainer *t, uint64_t step)
{
    for (size_t i = 0; i < t->n && step; i++)
        for (int age = 1; age >= 0; age--) {
            struct trainer_pass *pass = &t->train[i];
            int slot = age ? pass->slot : !pass->slot;
            if (pass->slot_step[slot] != step)
                continue;
            TUFF_TRY(tuff_program_wait(pass->program, age));
            harvest_micro(t, pass, slot, age);
        }
    return TUFF_OK;
}

static void harvest_apply(struct tuff_trainer *t, int slot, int age)
{
    struct trainer_pending *p = t->apply_step[slot] ? pending_of(t, t->apply_step[slot]) : NULL;
    if (p) {
        p->result.norm = (double) *(const float *) tuff_program_output(t->apply, t->norm, age);
        p->result.applied = *(const uint32_t *) tuff_program_output(t->apply, t->applied, age);
        t->done_applied = p->result.applied;
        p->result.skipped = p->result.applied == t->seen_applied;
        t->seen_applied = p->result.applied;
        p->applied = true;
    }
    t->apply_step[slot] = 0;
}

static enum tuff_status wait_micro(struct tuff_trainer *t, struct trainer_pass *pass, int age)
{
    TUFF_TRY(tuff_program_wait(pass->program, age));
    harvest_micro(t, pass, age ? pass->slot : !pass->slot, age);
    return TUFF_OK;
}

/* For all that was submitted, and takes its results. */
static enum tuff_status wait_all(struct tuff_trainer *t)
{
    for (int age = 1; age >= 0; age--) { /* older run first */
        for (size_t i = 0; i < t->n; i++)
            TUFF_TRY(wait_micro(t, &t->train[i], age));
        TUFF_TRY(tuff_program_wait(t->apply, age));
        harvest_apply(t, age ? t->apply_slot : !t->apply_slot, age);
    }
    return TUFF_OK;
}

/* Subspaces are due by applied steps, of which the last ones are not yet known: where one of the
 * numbers that it can be is due, they are waited for. */
static enum tuff_status refresh(struct tuff_trainer *t)
{
    uint64_t unknown = 0;
    bool due = false;
    for (int slot = 0; slot < 2; slot++)
        unknown += t->apply_step[slot] != 0;
    for (uint64_t i = 0; t->refresh && i <= unknown; i++)
        due |= tuff_optimizer_refreshes(&t->params.optimizer, t->done_applied + i);
    if (due && unknown)
        TUFF_TRY(wait_all(t));
    if (!due || !tuff_optimizer_refreshes(&t->params.optimizer, t->done_applied))
        return TUFF_OK;
    TUFF_TRY(tuff_program_begin(t->refresh));
    return tuff_program_submit(t->refresh);
}

static enum tuff_status fill(struct tuff_trainer *t, struct trainer_pass *pass,
                             const struct tuff_micro *m, float weight, const uint32_t *seed)
{
    size_t n = (size_t) tuff_elements(pass->targets);
    memcpy(tuff_program_input(pass->program, pass->targets), m->targets, n * sizeof *m->targets);
    *(float *) tuff_program_input(pass->program, pass->weight) = weight;
    return tuff_model_inputs_write(pass->program, t->params.model, &pass->in,
                                   &(struct tuff_model_batch) {.ids = m->ids,
                                                               .segments = m->segments,
                                                               .token_types = m->token_types,
                                                               .visible = m->visible,
                                                               .seed = seed});
}

static enum tuff_status micro(struct tuff_trainer *t, const struct tuff_micro *m, size_t index,
                              uint64_t counted, double *waited)
{
    struct trainer_pass *pass = &t->train[m->shape];
    double begin = tuff_os_now();
    TUFF_TRY(tuff_program_begin(pass->program));
    *waited += tuff_os_now() - begin;
    harvest_micro(t, pass, pass->slot, 1);
    /* One stream a step and micro-batch: the same whatever was run before. */
    const uint32_t seed[2] = {(uint32_t) t->params.seed ^ (uint32_t) index << 20,
                              (uint32_t) t->step};
    TUFF_TRY(fill(t, pass, m, (float) (1.0 / (double) counted), seed));
    TUFF_TRY(tuff_program_submit(pass->program));
    pass->slot_step[pass->slot] = t->step;
    pass->slot = !pass->slot;
    return TUFF_OK;
}

enum tuff_status tuff_trainer_step(struct tuff_trainer *t, const uint32_t *const *ids,
                                   const uint32_t *const *targets, size_t n, uint64_t counted)
{
    struct tuff_micro *micros = tuff_calloc(TUFF_MAX(n, 1), sizeof *micros);
    if (!micros)
        return tuff_fail(t->ctx, TUFF_E_NOMEM, "trainer: out of host memory");
    for (size_t i = 0; i < n; i++)
        micros[i] = (struct tuff_micro) {.ids = ids[i], .targets = targets[i]};
    enum tuff_status status = tuff_trainer_step_micros(t, micros, n, counted);
    free(micros);
    return status;
}

/* Host time of a step without waiting; a first one is not counted. */
static void add_host_time(struct tuff_trainer *t, double seconds, bool whole)
{
    if (t->step <= t->first_step + 1)
        return;
    t->host_seconds += seconds;
    t->host_steps += whole;
}

enum tuff_status tuff_trainer_begin_step(struct tuff_trainer *t, const struct tuff_micro *micros, size_t n,
                                         uint64_t counted)
{
    double start = tuff_os_now(), waited = 0;
    if (!counted || !n)
        return tuff_fail(t->ctx, TUFF_E_ARG, "step %llu: no target is counted",
                         (unsigned long long) t->step + 1);
    if (t->n_queue == TRAINER_PENDING)
        return tuff_fail(t->ctx, TUFF_E_STATE, "trainer: results must be taken between steps");
    t->step++;
    t->queue[t->n_queue++] = (struct trainer_pending) {
        .result = {.step = t->step, .tokens = counted}, .micros = n};
    for (size_t i = 0; i < n; i++)
        TUFF_TRY(micro(t, &micros[i], i, counted, &waited));
    add_host_time(t, tuff_os_now() - start - waited, false);
    return TUFF_OK;
}

enum tuff_status tuff_trainer_end_step(struct tuff_trainer *t)
{
    double start = tuff_os_now(), waited = 0;
    TUFF_TRY(refresh(t));
    double begin = tuff_os_now();
    TUFF_TRY(tuff_program_begin(t->apply));
    waited += tuff_os_now() - begin;
    TUFF_TRY(harvest_step(t, t->apply_step[t->apply_slot]));
    harvest_apply(t, t->apply_slot, 1);
    TUFF_TRY(tuff_program_submit(t->apply));
    t->apply_step[t->apply_slot] = t->step;
    t->apply_slot = !t->apply_slot;
    add_host_time(t, tuff_os_now() - start - waited, true);
    return TUFF_OK;
}

enum tuff_status tuff_trainer_step_micros(struct tuff_trainer *t, const struct tuff_micro *micros,
                                          size_t n, uint64_t counted)
{
    TUFF_TRY(tuff_trainer_begin_step(t, micros, n, counted));
    return tuff_trainer_end_step(t);
}

enum tuff_status tuff_trainer_result(struct tuff_trainer *t, bool wait, bool *have,
                                     struct tuff_step_result *result)
{
    *have = false;
    if (wait)
        TUFF_TRY(wait_all(t));
    if (t->n_queue && !t->queue[0].micros && t->queue[0].applied) {
        *result = t->queue[0].result;
        memmove(&t->queue[0], &t->queue[1], --t->n_queue * sizeof t->queue[0]);
        *have = true;
    }
    return TUFF_OK;
}

enum tuff_status tuff_trainer_evaluate_micro(struct tuff_trainer *t,
                                             const struct tuff_micro *m, double *loss_sum)
{
    struct trainer_pass *pass = &t->eval[m->shape];
    TUFF_TRY(tuff_program_begin(pass->program));
    TUFF_TRY(fill(t, pass, m, 1, NULL));
    TUFF_TRY(tuff_program_submit(pass->program));
    TUFF_TRY(tuff_program_wait(pass->program, 0));
    *loss_sum = (double) *(const float *) tuff_program_output(pass->program, pass->loss, 0);
    return TUFF_OK;
}

enum tuff_status tuff_trainer_evaluate(struct tuff_trainer *t, const uint32_t *ids,
                                       const uint32_t *targets, double *loss_sum)
{
    return tuff_trainer_evaluate_micro(t, &(struct tuff_micro) {0, ids, targets}, loss_sum);
}

enum tuff_status tuff_trainer_swap_average(struct tuff_trainer *t)
{
    if (!t->swap)
        return tuff_fail(t->ctx, TUFF_E_STATE, "trainer: the optimizer keeps no moving average");
    TUFF_TRY(tuff_program_begin(t->swap));
    TUFF_TRY(tuff_program_submit(t->swap));
    return tuff_program_wait(t->swap, 0);
}

const float *tuff_trainer_eval_logits(const struct tuff_trainer *t, size_t shape)
{
    const struct trainer_pass *pass = &t->eval[shape];
    return pass->logits ? tuff_program_output(pass->program, pass->logits, 0) : NULL;
}

double tuff_trainer_host_seconds(const struct tuff_trainer *t)
{
    return t->host_steps ? t->host_seconds / (double) t->host_steps : 0;
}
