/* train/task_fit: the loop of a task: batches in, steps, evaluation, checkpoints; see tuff/task_fit.h. */
#include "train/task_score.h"
#include "io/checkpoint.h"
#include "models/weights.h"
#include "data/position.h"
#include "train/task_run.h"

#include <inttypes.h>
#include <math.h>

static void tell(struct task_run *r, struct tuff_task_fit_event event)
{
    event.step = (int64_t) r->state.step;
    event.steps = r->steps;
    if (r->params->on_event)
        r->params->on_event(r->params->user, &event);
}

static struct tuff_model_batch batch_of(const struct tuff_collated *c)
{
    return (struct tuff_model_batch) {.ids = c->ids, .token_types = c->types, .visible = c->visible};
}

static enum tuff_status step(struct task_run *r)
{
    const void *memory;
    struct tuff_data_position next;
    double loss = 0, begin = tuff_os_now();
    TUFF_TRY(tuff_data_loader_next(r->loader, &memory, &next));
    const struct tuff_collated *c = memory;
    struct tuff_model_batch batch = batch_of(c);
    TUFF_TRY(tuff_task_trainer_step(r->trainer, &batch,
                                    &(struct tuff_model_labels) {.ids = c->labels}, &loss));
    r->started = true;
    double rate = (double) (c->rows * r->learn.time) / TUFF_MAX(tuff_os_now() - begin, 1e-9);
    double lr = r->lr[TUFF_MIN((int64_t) r->state.applied, r->steps - 1)];
    r->state.step++;
    r->state.applied = tuff_task_trainer_applied(r->trainer);
    r->state.position = next;
    TUFF_TRY(tuff_csv_row(r->csv, r->state.step, (const double[]) {loss, lr, rate}, 7));
    tell(r, (struct tuff_task_fit_event) {.kind = TUFF_TASK_FIT_STEP, .loss = loss,
                                          .tokens_per_s = rate});
    return TUFF_OK;
}

/* ---- evaluation ---- */

static enum tuff_status score(struct task_run *r, const struct tuff_collated *c,
                              struct task_score *s)
{
    struct tuff_model_batch batch = batch_of(c);
    if (r->params->kind == TUFF_SAMPLE_MASKED) {
        double loss = 0;
        TUFF_TRY(tuff_task_trainer_evaluate(r->trainer, &batch,
                                            &(struct tuff_model_labels) {.ids = c->labels}, &loss));
        s->nats += loss * (double) c->counted;
        s->counted += c->counted;
        return TUFF_OK;
    }
    const float *logits;
    TUFF_TRY(tuff_task_trainer_infer(r->trainer, &batch, &logits));
    bool of_words = r->params->kind == TUFF_SAMPLE_TOKENS;
    task_score_add(s, logits, c->labels, of_words ? r->held_out.batch * r->held_out.time : c->rows);
    return TUFF_OK;
}

/* All that is held out; words are masked as in epoch 0 of the seed, each time the same. */
static enum tuff_status score_all(struct task_run *r, struct task_score *s)
{
    struct tuff_data_position at = {.seed = r->params->seed};
    void *memory = tuff_calloc(1, tuff_collate_bytes(&r->held_out));
    enum tuff_status status = memory ? TUFF_OK
                                     : tuff_fail(r->ctx, TUFF_E_NOMEM, "training: out of host memory");
    for (; at.index < tuff_collate_batches(&r->held_out) && status == TUFF_OK; at.index++) {
        status = tuff_collate(&r->held_out, r->ctx, &at, memory);
        if (status == TUFF_OK)
            status = score(r, memory, s);
    }
    free(memory);
    return status;
}

static enum tuff_status evaluate(struct task_run *r, bool *best)
{
    struct task_score s;
    enum tuff_sample_kind kind = r->params->kind;
    size_t others = SIZE_MAX;
    for (size_t i = 0; i < r->n_labels && kind == TUFF_SAMPLE_TOKENS; i++)
        if (!strcmp(r->labels[i], "O"))
            others = i;
    TUFF_TRY(task_score_init(r->ctx, &s, TUFF_MAX(r->n_labels, 1)));
    enum tuff_status status = score_all(r, &s);
    struct tuff_task_scores got = task_score_result(&s, others, kind == TUFF_SAMPLE_TOKENS);
    task_score_fini(&s);
    TUFF_TRY(status);
    if (kind == TUFF_SAMPLE_MASKED)
        got.accuracy = got.f1 = NAN;
    double rank = kind == TUFF_SAMPLE_MASKED ? got.loss : -got.f1; /* the lowest is best */
    *best = rank < r->state.best_loss;
    r->state.best_loss = TUFF_MIN(rank, r->state.best_loss);
    r->report->scores = got;
    double values[] = {0, 0, 0, got.loss, got.accuracy, got.f1};
    TUFF_TRY(tuff_csv_row(r->csv, r->state.step, values, kind == TUFF_SAMPLE_MASKED ? 8 : 56));
    tell(r, (struct tuff_task_fit_event) {.kind = TUFF_TASK_FIT_EVAL, .scores = got, .best = *best});
    return TUFF_OK;
}

/* ---- saving ---- */

static enum tuff_status write_state(struct task_run *r, const char *folder)
{
    const struct tuff_run_state *s = &r->state;
    char *path = tuff_os_path_join(folder, "trainer.json");
    json_t *root = json_pack("{s:I, s:I, s:I, s:f, s:I, s:o, s:O}", "step", (json_int_t) s->step,
                             "applied", (json_int_t) s->applied, "steps", (json_int_t) s->steps,
                             "best_loss", s->best_loss, "since_best", (json_int_t) s->since_best,
                             "position", tuff_position_to_json(&s->position), "settings",
                             r->settings);
    enum tuff_status status =
        path && root ? tuff_json_save(r->ctx, path, root)
                     : tuff_fail(r->ctx, TUFF_E_NOMEM, "training: out of host memory");
    json_decref(root);
    free(path);
    return status;
}

static enum tuff_status write_folder(struct task_run *r, const char *folder)
{
    TUFF_TRY(tuff_model_save(r->model, folder));
    TUFF_TRY(tuff_tokenizer_save(r->ctx, r->tokenizer, folder));
    for (int i = 0; i < tuff_optimizer_states(&r->optimizer); i++)
        TUFF_TRY(tuff_weights_save_copy(r->store, folder, tuff_optimizer_state_name(&r->optimizer, i),
                                        (enum tuff_copy) (TUFF_STATE_0 + i)));
    return write_state(r, folder);
}

static enum tuff_status save(struct task_run *r, bool best)
{
    struct tuff_checkpoint *checkpoint = NULL;
    TUFF_TRY(tuff_checkpoint_begin(r->ctx, r->params->out, r->state.step, &checkpoint));
    enum tuff_status status = write_folder(r, tuff_checkpoint_folder(checkpoint));
    if (status != TUFF_OK) {
        tuff_checkpoint_abort(&checkpoint);
        return status;
    }
    TUFF_TRY(tuff_checkpoint_commit(&checkpoint, &(struct tuff_checkpoint_params) {
                                                     .best = best, .keep = r->params->keep}));
    snprintf(r->report->checkpoint, sizeof r->report->checkpoint, "%s/step-%08" PRIu64, r->params->out,
             r->state.step);
    tell(r, (struct tuff_task_fit_event) {.kind = TUFF_TASK_FIT_SAVE, .best = best,
                                          .text = r->report->checkpoint});
    return TUFF_OK;
}

/* ---- all ---- */

static enum tuff_status loop(struct task_run *r)
{
    while ((int64_t) r->state.step < r->steps && !r->report->stopped) {
        bool best = false;
        TUFF_TRY(step(r));
        bool last = (int64_t) r->state.step == r->steps;
        r->report->stopped = !last && r->params->stop && r->params->stop(r->params->user);
        bool due = last || r->state.step % (uint64_t) r->eval_every == 0;
        if (due && r->held_out.n && !r->report->stopped)
            TUFF_TRY(evaluate(r, &best));
        if (due || r->report->stopped)
            TUFF_TRY(save(r, best));
    }
    return TUFF_OK;
}

/* A folder that this call made and that holds no step is as if it had never been. */
static void close(struct task_run *r, bool failed)
{
    tuff_data_loader_destroy(r->loader);
    tuff_csv_close(&r->csv);
    tuff_task_trainer_destroy(r->trainer);
    tuff_model_destroy(r->model);
    tuff_store_destroy(r->store);
    tuff_samples_destroy(r->samples);
    tuff_dataset_close(r->dataset);
    tuff_tokenizer_destroy(r->tokenizer);
    json_decref(r->settings);
    if (failed && r->made && !r->started)
        tuff_os_remove_tree(NULL, r->params->out);
    tuff_os_unlock(&r->lock);
    free(r->labels);
    free(r->order);
    free(r->resume_from);
    free(r->init);
    free(r->lr);
}

enum tuff_status tuff_task_fit(struct tuff_ctx *ctx, const struct tuff_task_fit_params *params,
                               struct tuff_task_fit_report *report)
{
    struct task_run r = {.ctx = ctx, .params = params, .report = report, .begin = tuff_os_now()};
    *report = (struct tuff_task_fit_report) {.scores = {NAN, NAN, NAN}};
    enum tuff_status status = tuff_task_start(&r);
    if (status == TUFF_OK)
        status = loop(&r);
    report->step = (int64_t) r.state.step;
    report->steps = r.steps;
    report->seconds = tuff_os_now() - r.begin;
    if (status == TUFF_OK)
        status = tuff_csv_close(&r.csv);
    close(&r, status != TUFF_OK);
    return status;
}
