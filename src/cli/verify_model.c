/* cli/verify_model: one model in its own store, with programs for the golden batch. */
#include "cli/verify.h"
#include "tuff/ops.h"

enum tuff_status cli_session_build(struct cli_verify *v, struct cli_session *s,
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
        if (s->amp)
            tuff_amp(g, s->amp, v->half);
        if (optimizer) {
            tuff_optimizer_scale_loss(g, s->optimizer, loss);
            tuff_backward(g, loss);
        }
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

void cli_session_destroy(struct cli_session *s)
{
    tuff_program_destroy(s->program);
    tuff_program_destroy(s->apply);
    tuff_program_destroy(s->refresh);
    tuff_optimizer_destroy(s->optimizer);
    tuff_model_destroy(s->model);
    tuff_store_destroy(s->store);
}

/* Forward and backward over the golden batch; gradients are added to the arena. */
enum tuff_status cli_session_pass(struct cli_verify *v, struct cli_session *s, double *loss)
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

enum tuff_status cli_session_apply(struct cli_session *s, double *norm)
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
