/* tuff train --task mlm, classification or token-classification: a model with such a head, on records. */
#include "cli/train_task.h"
#include "cli/training.h"

struct task {
    const char *model, *preset, *config;
};

static int check(const struct cli_training *t)
{
    const struct task *own = t->own;
    const struct tuff_fit_params *p = &t->params;
    enum tuff_sample_kind kind;
    if (!tuff_fit_task_find(p->task.name, &kind))
        return cli_error(t->command, CLI_USAGE, "--task \"%s\": lm, mlm, classification or "
                         "token-classification", p->task.name);
    if (!p->resume && !p->steps && !p->epochs)
        return cli_error(t->command, CLI_USAGE, "say how long to train: --steps or --epochs");
    if ((own->config != NULL) + (own->preset != NULL) + (p->init != NULL) > 1)
        return cli_error(t->command, CLI_USAGE, "--config, --preset and --init exclude each other");
    return -1;
}

static int prepare(struct cli_training *t)
{
    const struct task *own = t->own;
    struct tuff_fit_params *p = &t->params;
    struct tuff_ctx *ctx = t->cli->ctx;
    enum tuff_sample_kind kind;
    if (tuff_fit_task_find(p->task.name, &kind) && kind != TUFF_SAMPLE_MASKED && !p->metric_for_best_model)
        p->metric_for_best_model = "f1";
    if (own->config)
        return tuff_model_config_load(ctx, own->config, &p->config) == TUFF_OK ? -1 : cli_fail(t->cli, t->command);
    if (tuff_model_preset(ctx, own->model, own->preset ? own->preset : "mini", &p->config) != TUFF_OK)
        return cli_fail(t->cli, t->command);
    p->config.vocab_size = 0; /* the tokenizer's */
    p->config.max_position_embeddings = TUFF_MAX(p->config.max_position_embeddings, p->context);
    return -1;
}

int cli_train_task(struct cli *cli, const struct cli_command *train_command, int argc, char **argv)
{
    static const char *const without[] = {"pack", "seconds", "neftune", NULL};
    const struct cli_command command = {
        .name = train_command->name,
        .summary = "train a model on a task",
        .usage = "--task mlm|classification|token-classification --data PATH --out RUN (--steps N | "
                 "--epochs N) [OPTIONS]",
        .example = "tuff train --task classification --init bert --data reviews.csv --out run --epochs 3"};
    struct task own = {.model = "bert"};
    struct cli_training t = {CLI_TRAINING, .command = &command, .check = check, .prepare = prepare,
                             .without = without, .own = &own};
    struct tuff_fit_params *p = &t.params;
    struct tuff_fit_task *task = &p->task;
    const struct cli_option options[] = {
        {"task", CLI_STRING, &task->name, "NAME", "mlm: masked words are guessed; classification: a label a "
         "text; token-classification: a label a word", 0, 0},
        {"data", CLI_STRINGS, &t.data, "PATH", ".jsonl, .json, .csv, .tsv or .txt (a record a line), or a "
         "folder of one of these kinds; repeatable", 0, 0},
        {"text-field", CLI_STRING, &task->text, "NAME", "of the text, or the list of words (text); of "
         "JSON meta.text is in meta", 0, 0},
        {"pair-field", CLI_STRING, &task->pair, "NAME", "of a second text", 0, 0},
        {"label-field", CLI_STRING, &task->label, "NAME", "of the label, or the list of labels (label)", 0,
         0},
        {"whole-files", CLI_FLAG, &task->whole, NULL, "a .txt file is one record", 0, 0},
        {"init", CLI_STRING, &p->init, "DIR", "start from this checkpoint or run: its base, a new head",
         0, 0},
        {"model", CLI_STRING, &own.model, "NAME", "family of a new model (bert)", 0, 0},
        {"preset", CLI_STRING, &own.preset, "NAME", "its size: tiny, mini, small, ... (mini)", 0, 0},
        {"config", CLI_STRING, &own.config, "FILE", "its size from a config.json", 0, 0},
        {"tokenizer", CLI_STRING, &p->tokenizer, "PATH", "tokenizer.json or its folder; without it "
         "that of --init", 0, 0},
        {"mask", CLI_REAL, &task->mask_share, "X", "of mlm: share of tokens to guess", 0.001, 1},
        {"whole-words", CLI_FLAG, &task->whole_words, NULL, "of mlm: all tokens of a word or none", 0, 0},
        {"metric-for-best-model", CLI_STRING, &p->metric_for_best_model, "NAME", "accuracy or f1 (f1), of which the best "
         "checkpoint has the highest; or loss, which mlm has alone", 0, 0},
        {"workers", CLI_INT, &task->workers, "N", "threads that make batches", 1, 64},
    };
    *task = (struct tuff_fit_task) {.text = "text", .label = "label", .mask_share = 0.15, .workers = 1};
    p->batch = 16;
    p->context = 0;
    p->weight_decay = 0.01;
    p->schedule.base = 1e-4;
    p->schedule.floor = 0;
    p->eval_batches = 0;
    t.schedule = "linear";
    t.adamw_beta2 = 0.999;
    t.options = options;
    t.n_options = TUFF_COUNT(options);
    return cli_training_run(cli, &t, argc, argv);
}

bool cli_train_is_task(int argc, char **argv)
{
    for (int i = 0; i < argc; i++)
        if (!strncmp(argv[i], "--task", 6) && (argv[i][6] == '=' || (!argv[i][6] && i + 1 < argc)))
            return strcmp(argv[i][6] ? argv[i] + 7 : argv[i + 1], "lm") != 0;
    return false;
}
