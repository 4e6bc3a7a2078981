/* tuff train: fit a language model to text. */
#include "cli/answers.h"
#include "cli/train_task.h"
#include "cli/training.h"

struct words {
    const char *task, *model, *config, *preset;
    struct cli_strings prompts;
    struct tuff_tokenizer *tokenizer; /* of these */
    struct cli_answers answers;
};

static bool is_family(const char *name)
{
    for (size_t i = 0; tuff_model_types(i); i++)
        if (!strcmp(name, tuff_model_types(i)))
            return true;
    return false;
}

static int check(const struct cli_training *t)
{
    const struct words *w = t->own;
    const struct tuff_fit_params *p = &t->params;
    if (w->model && !is_family(w->model))
        return cli_error(t->command, CLI_USAGE, "--model \"%s\": there is no such family",
                         w->model);
    if ((w->config != NULL) + (w->preset != NULL) + (p->init != NULL) > 1)
        return cli_error(t->command, CLI_USAGE, "--config, --preset and --init exclude each other");
    if (!p->resume && !p->steps && !p->epochs && p->seconds <= 0)
        return cli_error(t->command, CLI_USAGE,
                         "say how long to train: --steps, --epochs or --seconds");
    return -1;
}

static int choose_model(struct cli_training *t)
{
    const struct words *w = t->own;
    struct tuff_fit_params *p = &t->params;
    struct tuff_ctx *ctx = t->cli->ctx;
    if (w->config && tuff_model_config_load(ctx, w->config, &p->config) != TUFF_OK)
        return cli_fail(t->cli, t->command);
    if (w->config && w->model && strcmp(w->model, p->config.model_type))
        return cli_error(t->command, CLI_USAGE, "--model \"%s\": %s is a \"%s\"", w->model,
                         w->config, p->config.model_type);
    if (w->config || p->init || (t->memory && !w->preset))
        return -1;
    if (tuff_model_preset(ctx, w->model, w->preset ? w->preset : "mini", &p->config) != TUFF_OK)
        return cli_fail(t->cli, t->command);
    p->config.vocab_size = 0; /* the data's */
    p->config.bos_token_id = p->config.eos_token_id = -1;
    tuff_model_set_dropout(&p->config, 0);
    p->config.max_position_embeddings = TUFF_MAX(p->config.max_position_embeddings, p->context);
    return -1;
}

/* ---- prompts, continued at each evaluation ---- */

static enum tuff_status choose_prompts(struct cli_training *t)
{
    struct words *w = t->own;
    struct tuff_ctx *ctx = t->cli->ctx;
    const char *from = t->params.tokenizer ? t->params.tokenizer : t->params.init;
    if (!w->prompts.n)
        return TUFF_OK;
    if (!from)
        return tuff_fail(ctx, TUFF_E_ARG, "--prompt needs --tokenizer");
    TUFF_TRY(tuff_tokenizer_load(ctx, from, &w->tokenizer));
    w->answers.ctx = ctx;
    w->answers.tokenizer = w->tokenizer;
    for (size_t i = 0; i < w->prompts.n; i++)
        TUFF_TRY(cli_answers_add_text(&w->answers, w->prompts.items[i]));
    return TUFF_OK;
}

static int prepare(struct cli_training *t)
{
    int code = choose_model(t);
    return code < 0 && choose_prompts(t) != TUFF_OK ? cli_fail(t->cli, t->command) : code;
}

static enum tuff_status on_model(struct cli_training *t, struct tuff_store *store,
                                 struct tuff_model *model)
{
    struct words *w = t->own;
    return cli_answers_open(&w->answers, store, model);
}

static void on_event(struct cli_training *t, const struct tuff_fit_event *e)
{
    struct words *w = t->own;
    struct cli_answers *a = &w->answers;
    if (e->kind != TUFF_FIT_EVAL || !a->questions.n)
        return;
    if (cli_answers_ask(a, SIZE_MAX, 1) != TUFF_OK ||
        cli_answers_keep(a, SIZE_MAX, 1, t->params.out, e->step) != TUFF_OK)
        cli_progress_line(&t->progress, "no samples: %s", tuff_error_text(t->cli->ctx));
    for (size_t i = 0; i < a->questions.n && !t->json; i++)
        cli_progress_line(&t->progress, "  %s\n    %s", a->questions.items[i].text,
                          a->questions.items[i].answers[1] ? a->questions.items[i].answers[1] : "");
}

static void on_end(struct cli_training *t)
{
    struct words *w = t->own;
    cli_answers_close(&w->answers);
}

static int run(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    struct words w = {.answers = {.end_token = -1, .max_new_tokens = 48}};
    struct cli_training t = {CLI_TRAINING, .command = command, .check = check,
                             .prepare = prepare, .on_event = on_event, .on_model = on_model,
                             .on_end = on_end, .own = &w};
    if (cli_train_is_task(argc, argv))
        return cli_train_task(cli, command, argc, argv);
    const struct cli_option options[] = {
        {"task", CLI_STRING, &w.task, "NAME", "lm; or mlm, classification, token-classification: on records, "
         "see tuff train --task mlm --help", 0, 0},
        {"model", CLI_STRING, &w.model, "NAME", "family: gpt2, ... (gpt2)", 0, 0},
        {"preset", CLI_STRING, &w.preset, "NAME", "size: tiny, mini, small, gpt2, ... (mini)", 0,
         0},
        {"config", CLI_STRING, &w.config, "FILE", "size from a config.json", 0, 0},
        {"init", CLI_STRING, &t.params.init, "DIR", "start from this checkpoint or run", 0, 0},
        {"data", CLI_STRINGS, &t.data, "PATH", "text file; .jsonl, .json, .csv, .tsv: records; a folder of "
         "one of these kinds; or a .tok file; repeatable", 0, 0},
        {"text-field", CLI_STRING, &t.params.task.text, "NAME", "of a record's text (text); of JSON "
         "meta.text is in meta", 0, 0},
        {"tokenizer", CLI_STRING, &t.params.tokenizer, "PATH", "tokenizer.json or its folder", 0,
         0},
        {"prompt", CLI_STRINGS, &w.prompts, "TEXT", "continued at each evaluation, for the report; "
         "repeatable", 0, 0},
    };
    t.options = options;
    t.n_options = TUFF_COUNT(options);
    int code = cli_training_run(cli, &t, argc, argv);
    cli_answers_close(&w.answers);
    cli_answers_fini(&w.answers);
    tuff_tokenizer_destroy(w.tokenizer);
    free(w.prompts.items);
    return code;
}

const struct cli_command cli_train = {
    .name = "train",
    .summary = "train a model on text",
    .usage = "--data PATH --tokenizer DIR --out RUN (--steps N | --epochs N | --seconds S) "
             "[OPTIONS]",
    .example = "tuff train --data book.txt --tokenizer tok --out run --preset mini --steps 500",
    .run = run,
};
