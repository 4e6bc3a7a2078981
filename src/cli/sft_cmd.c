/* tuff sft: supervised fine-tuning: a pre-trained language model learns to answer. */
#include "base/json.h"
#include "base/os.h"
#include "cli/answers.h"
#include "cli/training.h"
#include "io/checkpoint.h"
#include "tuff/sft.h"

#define CONTEXT 512 /* or what the model has positions for */

struct sft {
    const char *model, *template_file;
    bool cut;
    int64_t show, test;
    struct cli_strings prompts;
    /* what they become */
    char *folder; /* the model's, or the checkpoint's that is resumed */
    struct tuff_tokenizer *tokenizer;
    struct tuff_sft_params load;
    struct tuff_examples *examples, **more; /* more: of each --eval-data */
    size_t n_more;
    struct cli_answers answers;
    bool saved;
    int64_t step; /* of the last checkpoint */
};

/* ---- the start ---- */

static int check(const struct cli_training *t)
{
    const struct sft *s = t->own;
    if (!s->model && !t->params.resume)
        return cli_error(t->command, CLI_USAGE, "--model DIR is needed: what is fine-tuned");
    return -1;
}

/* The checkpoint's folder: the resumed one's, else the model's, of a run its best or last. */
static enum tuff_status find_folder(struct cli_training *t)
{
    static const char *const names[] = {"best", "last"};
    struct sft *s = t->own;
    struct tuff_ctx *ctx = t->cli->ctx;
    if (t->params.resume)
        TUFF_TRY(tuff_checkpoint_newest(NULL, t->params.out, &s->folder, NULL));
    for (size_t i = 0; i < TUFF_COUNT(names) && !s->folder && s->model; i++) {
        char *path = tuff_os_path_join(s->model, names[i]);
        enum tuff_status status = TUFF_OK;
        if (path && tuff_os_path_kind(path) == TUFF_PATH_FILE)
            status = tuff_checkpoint_named(ctx, s->model, names[i], &s->folder, NULL);
        free(path);
        TUFF_TRY(status);
    }
    if (!s->folder && !s->model)
        return tuff_fail(ctx, TUFF_E_ARG, "%s: no checkpoint to resume; say --model DIR to start",
                         t->params.out);
    if (!s->folder && !(s->folder = strdup(s->model)))
        return tuff_fail(ctx, TUFF_E_NOMEM, "out of host memory");
    return TUFF_OK;
}

static void tell_left_out(struct cli_training *t, const struct tuff_sft_report *r)
{
    struct sft *s = t->own;
    if (r->empty)
        cli_progress_line(&t->progress, "%zu of %zu records have no answer to learn and are left "
                          "out, the first is %s", r->empty, r->records, r->first_empty);
    if (r->longer)
        cli_progress_line(&t->progress, "%zu of %zu examples are longer than the context of %lld "
                          "and are %s, the first is %s", r->longer, r->records,
                          (long long) t->params.context,
                          s->cut ? "cut" : "left out (--cut keeps their beginning)",
                          r->first_longer);
}

static void tell_report(struct cli_training *t, const struct tuff_sft_report *r)
{
    tell_left_out(t, r);
    cli_progress_line(&t->progress, "template: %s; %llu of %llu tokens are answers", r->form,
                      (unsigned long long) r->counted, (unsigned long long) r->tokens);
}

/* Prompts of the user's, then held-out examples. */
static enum tuff_status choose_questions(struct cli_training *t, int64_t end)
{
    struct sft *s = t->own;
    struct cli_answers *a = &s->answers;
    uint32_t *order;
    size_t n = tuff_examples_count(s->examples), train, most = (size_t) s->test;
    a->ctx = t->cli->ctx;
    a->tokenizer = s->tokenizer;
    a->end_token = end;
    for (size_t i = 0; i < s->prompts.n; i++) {
        char *text = NULL;
        TUFF_TRY(tuff_sft_prompt(a->ctx, &s->load, s->prompts.items[i], &text));
        enum tuff_status status = cli_answers_add_text(a, text);
        free(text);
        TUFF_TRY(status);
    }
    TUFF_TRY(tuff_examples_split(a->ctx, n, t->params.validation, t->params.seed, &order,
                                 &train));
    enum tuff_status status = TUFF_OK;
    for (size_t i = train; i < n && i - train < most && status == TUFF_OK; i++) {
        struct tuff_example e = tuff_examples_get(s->examples, order[i]);
        status = cli_answers_add(a, &e);
    }
    free(order);
    return status;
}

/* The examples of each --eval-data NAME=PATH; what has no "=" is refused where names are read. */
static enum tuff_status load_more(struct cli_training *t)
{
    struct sft *s = t->own;
    struct tuff_fit_params *p = &t->params;
    struct tuff_ctx *ctx = t->cli->ctx;
    struct tuff_sft_report report;
    if (p->n_eval_data && !(s->more = tuff_calloc(p->n_eval_data, sizeof *s->more)))
        return tuff_fail(ctx, TUFF_E_NOMEM, "out of host memory");
    for (; s->n_more < p->n_eval_data; s->n_more++) {
        const char *equals = strchr(p->eval_data[s->n_more], '='), *path = equals ? equals + 1 : NULL;
        struct tuff_sft_params load = s->load;
        load.data = &path;
        load.n_data = 1;
        if (!path)
            continue;
        TUFF_TRY(tuff_examples_create(ctx, &s->more[s->n_more]));
        TUFF_TRY(tuff_sft_load(ctx, &load, s->more[s->n_more], &report));
        tell_left_out(t, &report);
    }
    p->eval_examples = (const struct tuff_examples *const *) s->more;
    return TUFF_OK;
}

static enum tuff_status load(struct cli_training *t)
{
    struct sft *s = t->own;
    struct tuff_ctx *ctx = t->cli->ctx;
    struct tuff_fit_params *p = &t->params;
    struct tuff_model_config config;
    struct tuff_sft_report report;
    TUFF_TRY(find_folder(t));
    TUFF_TRY(tuff_model_config_load(ctx, s->folder, &config));
    TUFF_TRY(tuff_model_check_causal(ctx, "sft", &config));
    if (!p->context) /* not said */
        p->context = config.max_position_embeddings > 0
                         ? TUFF_MIN(config.max_position_embeddings, CONTEXT) : CONTEXT;
    TUFF_TRY(tuff_model_context_check(ctx, &config, p->context));
    TUFF_TRY(tuff_tokenizer_load(ctx, p->tokenizer ? p->tokenizer : s->folder, &s->tokenizer));
    s->load = (struct tuff_sft_params) {.data = p->data, .n_data = p->n_data, .model = s->folder,
                                        .fields = p->fields, .template_file = s->template_file,
                                        .tokenizer = s->tokenizer,
                                        .end_token = config.eos_token_id, .context = p->context,
                                        .cut = s->cut};
    TUFF_TRY(tuff_examples_create(ctx, &s->examples));
    TUFF_TRY(tuff_sft_load(ctx, &s->load, s->examples, &report));
    tell_report(t, &report);
    TUFF_TRY(load_more(t));
    p->examples = s->examples;
    p->init = s->folder;
    p->tokenizer = p->tokenizer ? p->tokenizer : s->folder;
    return choose_questions(t, config.eos_token_id);
}

static int prepare(struct cli_training *t)
{
    struct tuff_fit_params *p = &t->params;
    if (!p->steps && !p->epochs && !(p->seconds > 0) && !t->memory)
        p->epochs = 3;
    return load(t) == TUFF_OK ? -1 : cli_fail(t->cli, t->command);
}

/* ---- on the way ---- */

static enum tuff_status on_model(struct cli_training *t, struct tuff_store *store,
                                 struct tuff_model *model)
{
    struct sft *s = t->own;
    return cli_answers_open(&s->answers, store, model);
}

static enum tuff_status on_save(struct cli_training *t, const char *folder)
{
    struct sft *s = t->own;
    return tuff_sft_save_form(t->cli->ctx, &s->load, folder);
}

/* One question a line, with what there is to compare. */
static void show(struct cli_training *t, const struct cli_question *q, int when, int64_t step)
{
    if (t->json) {
        json_t *root = json_pack("{s:s, s:I, s:s, s:s}", "event", "answer", "step",
                                 (json_int_t) step, "prompt", q->text, "answer",
                                 q->answers[when] ? q->answers[when] : "");
        if (root && q->expected)
            json_object_set_new(root, "expected", json_string(q->expected));
        char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
        if (text)
            printf("%s\n", text);
        free(text);
        json_decref(root);
        return;
    }
    cli_progress_line(&t->progress, "  %s\n    %s", q->text, q->answers[when] ? q->answers[when] : "");
}

static void ask(struct cli_training *t, size_t n, int when, int64_t step)
{
    struct sft *s = t->own;
    size_t shown = (size_t) s->show + s->prompts.n;
    if (cli_answers_ask(&s->answers, n, when) != TUFF_OK ||
        cli_answers_keep(&s->answers, shown, when, t->params.out, step) != TUFF_OK)
        cli_progress_line(&t->progress, "no answers: %s", tuff_error_text(t->cli->ctx));
    for (size_t i = 0; i < s->answers.questions.n && i < shown; i++)
        show(t, &s->answers.questions.items[i], when, step);
}

static void on_event(struct cli_training *t, const struct tuff_fit_event *e)
{
    struct sft *s = t->own;
    if (e->kind == TUFF_FIT_READY)
        ask(t, SIZE_MAX, 0, e->step);
    else if (e->kind == TUFF_FIT_EVAL && e->step < e->steps)
        ask(t, (size_t) s->show + s->prompts.n, 1, e->step);
    s->saved |= e->kind == TUFF_FIT_SAVE;
    s->step = e->kind == TUFF_FIT_SAVE ? e->step : s->step;
}

static void print_both(const struct cli_question *q)
{
    printf("\n%s\n  before:   %s\n  after:    %s\n", q->text, q->answers[0] ? q->answers[0] : "",
           q->answers[1] ? q->answers[1] : "");
    if (q->expected)
        printf("  expected: %s\n", q->expected);
}

/* The last words: the same questions, before and after. */
static void on_end(struct cli_training *t)
{
    struct sft *s = t->own;
    struct cli_answers *a = &s->answers;
    size_t known, before = cli_answers_right(a, 0, &known);
    if (s->saved && cli_answers_ask(a, SIZE_MAX, 1) == TUFF_OK) {
        size_t after = cli_answers_right(a, 1, &known);
        cli_answers_keep(a, (size_t) s->show + s->prompts.n, 1, t->params.out, s->step);
        tuff_fit_write_report(t->cli->ctx, t->params.out);
        cli_progress_end(&t->progress);
        for (size_t i = 0; i < a->questions.n && i < (size_t) s->show + s->prompts.n && !t->json; i++)
            print_both(&a->questions.items[i]);
        if (known && t->json)
            printf("{\"event\":\"exact_match\",\"before\":%zu,\"after\":%zu,\"of\":%zu}\n", before,
                   after, known);
        else if (known)
            printf("\nexact match on %zu held-out examples: %zu before (%.1f %%), %zu after "
                   "(%.1f %%)\n", known, before, 100.0 * (double) before / (double) known, after,
                   100.0 * (double) after / (double) known);
        fflush(stdout);
    }
    cli_answers_close(a);
}

static int run(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    struct sft s = {.show = 3, .test = 64, .answers = {.max_new_tokens = 64}};
    struct cli_training t = {CLI_TRAINING, .command = command, .check = check, .prepare = prepare,
                             .on_event = on_event, .on_model = on_model, .on_save = on_save,
                             .on_end = on_end, .own = &s};
    struct tuff_fit_params *p = &t.params;
    const struct cli_option options[] = {
        {"model", CLI_STRING, &s.model, "DIR", "checkpoint or run to fine-tune", 0, 0},
        {"data", CLI_STRINGS, &t.data, "PATH", "instructions or conversations, .json, .jsonl, .csv or .tsv, "
         "or a folder of one of these kinds; repeatable", 0, 0},
        {"fields", CLI_STRING, &p->fields, "WHAT", "where a record has them: "
         "prompt=meta.question,answer=answers.0, input=, system=; or messages=PATH", 0, 0},
        {"tokenizer", CLI_STRING, &p->tokenizer, "PATH", "when it is not in the model's folder", 0,
         0},
        {"template", CLI_STRING, &s.template_file, "FILE", "chat template (Jinja) instead of the "
         "model's", 0, 0},
        {"cut", CLI_FLAG, &s.cut, NULL, "keep the beginning of examples that are too long", 0, 0},
        {"prompt", CLI_STRINGS, &s.prompts, "TEXT", "asked before, while and after; repeatable", 0,
         0},
        {"samples", CLI_INT, &s.show, "N", "held-out questions whose answers are shown", 0, 1000},
        {"test", CLI_INT, &s.test, "N", "held-out questions counted for exact match", 0, 1 << 20},
        {"max-new-tokens", CLI_INT, &s.answers.max_new_tokens, "N", "of these answers", 1, 1 << 16},
    };
    p->context = 0;
    p->batch = 4;
    p->weight_decay = 0;
    p->schedule.base = 5e-5;
    p->validation = 0.05;
    t.options = options;
    t.n_options = TUFF_COUNT(options);
    int code = cli_training_run(cli, &t, argc, argv);
    cli_answers_close(&s.answers);
    cli_answers_fini(&s.answers);
    tuff_examples_destroy(s.examples);
    for (size_t i = 0; s.more && i < t.params.n_eval_data; i++)
        tuff_examples_destroy(s.more[i]);
    free(s.more);
    tuff_tokenizer_destroy(s.tokenizer);
    free(s.prompts.items);
    free(s.folder);
    return code;
}

const struct cli_command cli_sft = {
    .name = "sft",
    .summary = "fine-tune a model on instructions or conversations",
    .usage = "--model DIR --data PATH --out RUN [OPTIONS]",
    .example = "tuff sft --model gpt2 --data alpaca.json --out run --epochs 3",
    .run = run,
};
