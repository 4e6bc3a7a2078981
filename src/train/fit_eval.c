/* train/fit_eval: evaluation: of what is held out, which decides what is best, and of further sets;
 * their losses, and metrics of what the model says. */
#include "base/os.h"
#include "train/fit_run.h"

#include <ctype.h>
#include <math.h>

struct fit_set {
    char name[64];
    struct tuff_token_file *data;
    struct tuff_loader *loader;
    struct task_set *task; /* of tasks, instead of these two */
    struct tuff_example_loader *examples; /* or of examples */
    int64_t batches;
};

static enum tuff_status no_memory(struct fit *f)
{
    return tuff_fail(f->ctx, TUFF_E_NOMEM, "training: out of host memory");
}

/* ---- further sets ---- */

/* NAME of "NAME=PATH"; the path, or NULL: it is no such text. */
static const char *set_name(const char *word, char name[64])
{
    const char *equals = strchr(word, '=');
    size_t n = equals ? (size_t) (equals - word) : 0;
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char) word[i]) && word[i] != '_' && word[i] != '-')
            n = 0;
    if (!n || n > 40 || !equals[1])
        return NULL;
    memcpy(name, word, n);
    name[n] = 0;
    return equals + 1;
}

/* RUN/eval-NAME.tok, made from the text where it is not there. */
static enum tuff_status encode_set(struct fit *f, const char *name, const char *text,
                                   struct tuff_token_file **data)
{
    char file[64];
    snprintf(file, sizeof file, "eval-%s.tok", name);
    struct tuff_fit_params all = *f->params;
    all.data = &text;
    all.n_data = 1;
    all.validation = 0;
    char *path = tuff_os_path_join(f->params->out, file);
    enum tuff_status status =
        !path           ? no_memory(f)
        : !f->tokenizer ? tuff_fail(f->ctx, TUFF_E_ARG, "eval_data %s: text needs a tokenizer", name)
                        : TUFF_OK;
    if (status == TUFF_OK && (!f->resume_from || tuff_os_path_kind(path) != TUFF_PATH_FILE))
        status = tuff_run_encode(f->ctx, &all, f->tokenizer, path);
    if (status == TUFF_OK)
        status = tuff_token_file_open(f->ctx, path, true, data);
    free(path);
    return status;
}

static enum tuff_status open_set(struct fit *f, const char *word, struct fit_set *set)
{
    const struct tuff_fit_params *p = f->params;
    const char *path = set_name(word, set->name);
    if (!path)
        return tuff_fail(f->ctx, TUFF_E_ARG, "eval_data \"%s\": NAME=PATH is meant, the name of "
                         "letters, digits, _ and -", word);
    for (size_t i = 0; &f->sets[i] != set; i++)
        if (!strcmp(f->sets[i].name, set->name) || !strcmp(set->name, "validation"))
            return tuff_fail(f->ctx, TUFF_E_ARG, "eval_data: two sets \"%s\"", set->name);
    if (p->examples) {
        TUFF_TRY(tuff_fit_open_examples(f, p->eval_examples[set - f->sets], &set->examples));
        set->batches = (int64_t) tuff_example_loader_batches(set->examples);
        return TUFF_OK;
    }
    if (f->task)
        return tuff_task_open_set(f, path, &set->task, &set->batches);
    size_t n = strlen(path);
    TUFF_TRY(n > 4 && !strcmp(path + n - 4, ".tok")
                 ? tuff_token_file_open(f->ctx, path, true, &set->data)
                 : encode_set(f, set->name, path, &set->data));
    const struct tuff_token_info *info = tuff_token_file_info(set->data);
    if (info->vocab > f->info.vocab)
        return tuff_fail(f->ctx, TUFF_E_RANGE, "eval_data %s: its vocabulary has %llu ids, the "
                         "training data's %llu", set->name, (unsigned long long) info->vocab,
                         (unsigned long long) f->info.vocab);
    struct tuff_loader_params params = {
        .file = set->data,
        .split = info->count > info->train ? TUFF_SPLIT_VALIDATION : TUFF_SPLIT_TRAIN,
        .batch = (uint32_t) p->batch,
        .context = (uint32_t) p->context};
    TUFF_TRY(tuff_loader_create(f->ctx, &params, &set->loader));
    set->batches = (int64_t) tuff_div_up(tuff_loader_windows(set->loader, 0, 0), (uint64_t) p->batch);
    return TUFF_OK;
}

static bool add_score(struct fit *f, const char *set, const char *what)
{
    char name[160], *copy;
    snprintf(name, sizeof name, "eval_%s_%s", set, what);
    if (!(copy = strdup(name)))
        return false;
    f->scores[f->n_scores++] = (struct tuff_fit_score) {copy, NAN};
    return true;
}

/* The metric that decides which checkpoint is best is one of those there are, or the loss. */
static enum tuff_status check_best(struct fit *f)
{
    const struct tuff_fit_params *p = f->params;
    struct tuff_text list = {0};
    if (!p->metric_for_best_model || !strcmp(p->metric_for_best_model, "loss"))
        return TUFF_OK;
    for (size_t k = 0; k < p->n_metrics; k++) {
        if (!strcmp(p->metrics[k].name, p->metric_for_best_model)) {
            tuff_text_fini(&list);
            return TUFF_OK;
        }
        tuff_text_printf(&list, ", %s", p->metrics[k].name);
    }
    enum tuff_status status = tuff_fail(f->ctx, TUFF_E_ARG, "metric-for-best-model \"%.40s\": there is loss%s",
                                        p->metric_for_best_model, list.s ? list.s : "");
    tuff_text_fini(&list);
    return status;
}

enum tuff_status tuff_fit_open_sets(struct fit *f)
{
    const struct tuff_fit_params *p = f->params;
    size_t n = p->n_eval_data, each = p->n_metrics;
    TUFF_TRY(check_best(f));
    if (!n && !each)
        return TUFF_OK;
    if (p->examples && (each || !p->eval_examples))
        return tuff_fail(f->ctx, TUFF_E_ARG, each ? "metrics are for training on text and tasks"
                                                  : "eval_data of examples need eval_examples");
    f->sets = tuff_calloc(TUFF_MAX(n, 1), sizeof *f->sets);
    f->scores = tuff_calloc((n + 1) * (each + 1), sizeof *f->scores);
    if (!f->sets || !f->scores)
        return no_memory(f);
    for (; f->n_sets < n; f->n_sets++)
        TUFF_TRY(open_set(f, p->eval_data[f->n_sets], &f->sets[f->n_sets]));
    bool made = true;
    for (size_t k = 0; k < each && tuff_fit_validates(f); k++)
        made = made && add_score(f, "validation", p->metrics[k].name);
    for (size_t i = 0; i < n; i++) {
        made = made && add_score(f, f->sets[i].name, "loss");
        for (size_t k = 0; k < each; k++)
            made = made && add_score(f, f->sets[i].name, p->metrics[k].name);
    }
    return made ? TUFF_OK : no_memory(f);
}

void tuff_fit_close_sets(struct fit *f)
{
    /* The set whose opening failed has parts too. */
    for (size_t i = 0; f->sets && i <= f->n_sets && i < f->params->n_eval_data; i++) {
        tuff_task_close_set(f->sets[i].task);
        tuff_example_loader_destroy(f->sets[i].examples);
        tuff_loader_destroy(f->sets[i].loader);
        tuff_token_file_close(f->sets[i].data);
    }
    for (size_t i = 0; i < f->n_scores; i++)
        free((char *) (uintptr_t) f->scores[i].name);
    free(f->scores);
    free(f->sets);
}

/* ---- scoring ---- */

struct score {
    double nats, tokens;         /* of all that was evaluated */
    double few_nats, few_tokens; /* of the batches that decide which checkpoint is best */
};

/* A batch of text: its losses summed up, and what metrics make of it. */
static enum tuff_status score_text(struct fit *f, struct tuff_loader *loader,
                                   struct tuff_data_position *position, double *nats,
                                   uint64_t *counted)
{
    const struct tuff_fit_params *p = f->params;
    size_t n = (size_t) (p->batch * p->context);
    uint32_t *ids = tuff_calloc(2 * n, sizeof *ids);
    enum tuff_status status = ids ? TUFF_OK : no_memory(f);
    if (status == TUFF_OK)
        status = tuff_loader_fill(loader, position, ids, ids + n, counted);
    if (status == TUFF_OK)
        status = tuff_trainer_evaluate(f->trainer, ids, ids + n, nats);
    for (size_t k = 0; k < p->n_metrics && status == TUFF_OK; k++)
        p->metrics[k].add(p->metrics[k].user, tuff_trainer_eval_logits(f->trainer, 0), ids + n, n,
                          (size_t) f->config.vocab_size);
    free(ids);
    return status;
}

/* set NULL: what is held out. */
static enum tuff_status score_batches(struct fit *f, const struct fit_set *set, int64_t batches,
                                      struct score *score)
{
    struct tuff_loader *loader = set ? set->loader : f->held_out;
    struct tuff_data_position position = {0};
    for (int64_t i = 0; i < batches; i++) {
        uint64_t counted = 0;
        double nats = 0;
        TUFF_TRY(f->task  ? tuff_task_score(f, set ? set->task : NULL, (uint64_t) i, &nats, &counted)
                 : loader ? score_text(f, loader, &position, &nats, &counted)
                          : tuff_fit_score_examples(f, set ? set->examples : f->held_out_examples, &position,
                                                    &nats, &counted));
        score->nats += nats;
        score->tokens += (double) counted;
        if (i < f->eval_batches) {
            score->few_nats = score->nats;
            score->few_tokens = score->tokens;
        }
    }
    return TUFF_OK;
}

/* What the schedule makes of an evaluation's loss; nothing is on its way on the device. */
static enum tuff_status reduce_rate(struct fit *f, double loss)
{
    const struct tuff_schedule_params *p = &f->params->schedule;
    if (p->kind != TUFF_SCHEDULE_PLATEAU ||
        !tuff_plateau_step(&p->plateau, p->floor, loss, &f->state.plateau))
        return TUFF_OK;
    tuff_fit_fill_rates(f, f->steps);
    tuff_fit_note(f, "no better for a while: the rate is %.3g", p->base * f->state.plateau.rate);
    TUFF_TRY(tuff_trainer_set_rates(f->trainer, f->lr, f->steps));
    return tuff_trainer_start(f->trainer, f->state.step, f->state.applied);
}

/* Moving averages take the place of parameters, or give it back. */
static enum tuff_status swap_average(struct fit *f)
{
    return f->params->optimizer.average > 0 && f->state.applied ? tuff_trainer_swap_average(f->trainer)
                                                                : TUFF_OK;
}

/* The metrics of the set that was scored, from score *at on. */
static void take_metrics(struct fit *f, size_t *at)
{
    for (size_t k = 0; k < f->params->n_metrics; k++)
        f->scores[(*at)++].value = f->params->metrics[k].result(f->params->metrics[k].user);
}

/* By what the best checkpoint is chosen, the lowest: the loss, or a metric of what is held out, turned over. */
static double rank_of(const struct fit *f, size_t first, double loss)
{
    const struct tuff_fit_params *p = f->params;
    for (size_t k = 0; p->metric_for_best_model && k < p->n_metrics; k++)
        if (!strcmp(p->metrics[k].name, p->metric_for_best_model))
            return -f->scores[first + k].value;
    return loss;
}

static enum tuff_status score_held_out(struct fit *f, int64_t batches, bool *best, double *few_loss,
                                       size_t *at)
{
    const struct tuff_token_info *info = &f->info;
    struct score score = {0};
    double begin = tuff_os_now();
    size_t first = *at;
    TUFF_TRY(score_batches(f, NULL, batches, &score));
    f->eval_seconds = (tuff_os_now() - begin) / (double) batches;
    double loss = score.nats / score.tokens, few = score.few_nats / score.few_tokens;
    /* Tokens a byte over all the held-out text: exact when all of it was evaluated. */
    double per_byte = (double) (info->count - info->train) / (double) info->validation_bytes;
    take_metrics(f, at);
    double rank = rank_of(f, first, few);
    *best = rank < f->state.best_loss || (rank == f->state.best_loss && few < f->state.loss_of_best);
    f->state.since_best = *best ? 0 : f->state.since_best + 1;
    if (*best) {
        f->state.best_loss = rank;
        f->state.loss_of_best = isfinite(few) ? few : 1e300;
    }
    f->report->best_loss = f->state.best_loss;
    f->report->val_loss = loss;
    f->report->bits_per_byte = loss * per_byte / log(2);
    *few_loss = few;
    return TUFF_OK;
}

enum tuff_status tuff_fit_evaluate(struct fit *f, bool all, bool *best)
{
    int64_t batches = all ? f->all_batches : f->eval_batches;
    size_t at = 0;
    double few = NAN;
    tuff_fit_call(f, FIT_EVALUATE_BEGIN, NULL);
    TUFF_TRY(swap_average(f));
    if (tuff_fit_validates(f))
        TUFF_TRY(score_held_out(f, batches, best, &few, &at));
    for (size_t i = 0; i < f->n_sets; i++) {
        struct score score = {0};
        int64_t some = f->params->eval_batches && !all
                           ? TUFF_MIN(f->params->eval_batches, f->sets[i].batches)
                           : f->sets[i].batches;
        TUFF_TRY(score_batches(f, &f->sets[i], some, &score));
        f->scores[at++].value = score.nats / score.tokens;
        take_metrics(f, &at);
    }
    TUFF_TRY(tuff_fit_log_eval(f, *best, batches == f->all_batches)); /* samples are the averages' too */
    TUFF_TRY(swap_average(f));
    if (tuff_fit_validates(f))
        TUFF_TRY(reduce_rate(f, few));
    tuff_fit_restart_rate(f);
    return TUFF_OK;
}
