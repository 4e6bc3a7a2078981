/* cli/verify_steps: gradients, ten steps of each optimizer, clipping and label smoothing. */
#include "cli/verify.h"

static enum tuff_status check_losses(struct cli_verify *v, const char *name, const double *losses)
{
    float got[10];
    for (int i = 0; i < 10; i++)
        got[i] = (float) losses[i];
    return cli_verify_compare(v, name, got, 10, NULL, 1, 1e-3);
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
static enum tuff_status check_steps(struct cli_verify *v, size_t which, bool first)
{
    struct cli_session s = {0};
    struct tuff_optimizer_params params;
    double losses[10] = {0}, norm;
    char name[64];
    set_params(which, &params);
    /* A file may say nothing of steps. */
    bool stepped = tuff_weights_find(v->golden, "adamw.losses") ||
                   tuff_weights_find(v->golden, "opt.adamw.losses");
    int steps = first && !stepped ? 1 : 10;
    enum tuff_status status = cli_session_build(v, &s, &params, 0);
    for (int i = 0; i < steps && status == TUFF_OK && (i == 0 || s.loss); i++) {
        status = cli_session_pass(v, &s, &losses[i]);
        if (status == TUFF_OK && first && i == 0)
            status = cli_verify_pass(v, &s, losses[0]);
        if (status == TUFF_OK && first && i == 0)
            status = cli_verify_variables(v, &s, "grad.", TUFF_GRADIENT, 1e-4);
        if (status == TUFF_OK)
            status = cli_session_apply(&s, &norm);
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
        status = cli_verify_variables(v, &s, name, params.average > 0 ? TUFF_AVERAGE : TUFF_VALUE,
                                   params.kind == TUFF_MUON ? 1e-2 : 1e-4);
    cli_session_destroy(&s);
    return status;
}

enum tuff_status cli_verify_training(struct cli_verify *v)
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
enum tuff_status cli_verify_clipping(struct cli_verify *v)
{
    struct cli_session s = {0};
    double rate = 0, loss, norm = 0;
    if (!tuff_weights_find(v->golden, "clip.norm"))
        return TUFF_OK;
    enum tuff_status status = cli_session_build(v, &s,
                                    &(struct tuff_optimizer_params) {.beta1 = 0, .beta2 = 0.5,
                                                                 .eps = 1e-8, .clip = 0.5,
                                                                 .lr = &rate, .lr_count = 1},
                                    0);
    if (status == TUFF_OK)
        status = cli_session_pass(v, &s, &loss);
    if (status == TUFF_OK)
        status = cli_session_apply(&s, &norm);
    if (status == TUFF_OK)
        status = cli_verify_compare(v, "clip.norm", &(float) {(float) norm}, 1, NULL, 1, 1e-4);
    if (status == TUFF_OK)
        status = cli_verify_variables(v, &s, "clip.grad.", TUFF_STATE_0, 1e-4);
    cli_session_destroy(&s);
    return status;
}

enum tuff_status cli_verify_smoothing(struct cli_verify *v)
{
    struct cli_session s = {0};
    struct tuff_optimizer_params params = tuff_optimizer_defaults(TUFF_SGD);
    double rate = 0, loss;
    if (!tuff_weights_find(v->golden, "smooth.loss"))
        return TUFF_OK;
    params.lr = &rate;
    params.lr_count = 1;
    enum tuff_status status = cli_session_build(v, &s, &params, 0.1f);
    if (status == TUFF_OK)
        status = cli_session_pass(v, &s, &loss);
    if (status == TUFF_OK)
        status = cli_verify_compare(v, "smooth.loss", &(float) {(float) loss}, 1, NULL, 1, 1e-5);
    if (status == TUFF_OK)
        status = cli_verify_variables(v, &s, "smooth.grad.", TUFF_GRADIENT, 1e-4);
    cli_session_destroy(&s);
    return status;
}
