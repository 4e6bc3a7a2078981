/* tuff train --task mlm, classification or token-classification: a model with such a head, on records. */
#include "cli/device.h"
#include "cli/progress.h"
#include "cli/signals.h"
#include "cli/train_task.h"
#include "tuff/task_fit.h"

#include <jansson.h>
#include <math.h>

struct task {
    const struct cli_command *command;
    struct tuff_task_fit_params params;
    const char *task, *model, *preset, *config, *schedule, *log_format;
    struct cli_strings data;
    int64_t seed, keep, workers;
    struct cli_progress progress;
    bool json;
};

static const struct {
    const char *name;
    enum tuff_sample_kind kind;
} kinds[] = {{"mlm", TUFF_SAMPLE_MASKED},
             {"classification", TUFF_SAMPLE_SEQUENCE},
             {"token-classification", TUFF_SAMPLE_TOKENS}};

/* ---- what is shown ---- */

static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static void json_event(const struct tuff_task_fit_event *e)
{
    static const char *const names[] = {"note", "step", "eval", "save"};
    json_t *root = json_pack("{s:s, s:I, s:I}", "event", names[e->kind], "step", (json_int_t) e->step,
                             "steps", (json_int_t) e->steps);
    if (e->text)
        json_object_set_new(root, "text", json_string(e->text));
    if (e->kind == TUFF_TASK_FIT_STEP) {
        json_object_set_new(root, "loss", number(e->loss));
        json_object_set_new(root, "tokens_per_s", number(e->tokens_per_s));
    } else if (e->kind == TUFF_TASK_FIT_EVAL) {
        json_object_set_new(root, "val_loss", number(e->scores.loss));
        json_object_set_new(root, "accuracy", number(e->scores.accuracy));
        json_object_set_new(root, "f1", number(e->scores.f1));
        json_object_set_new(root, "best", json_boolean(e->best));
    }
    char *text = json_dumps(root, JSON_COMPACT);
    printf("%s\n", text ? text : "{}");
    fflush(stdout);
    free(text);
    json_decref(root);
}

static void print_scores(char *to, size_t size, const struct tuff_task_scores *s)
{
    if (isfinite(s->f1))
        snprintf(to, size, "loss %.4f, accuracy %.4f, F1 %.4f", s->loss, s->accuracy, s->f1);
    else
        snprintf(to, size, "loss %.4f, perplexity %.2f", s->loss, exp(s->loss));
}

static void on_event(void *user, const struct tuff_task_fit_event *e)
{
    struct task *t = user;
    char text[160];
    if (t->json) {
        json_event(e);
        return;
    }
    switch (e->kind) {
    case TUFF_TASK_FIT_NOTE: cli_progress_line(&t->progress, "%s", e->text); break;
    case TUFF_TASK_FIT_STEP:
        snprintf(text, sizeof text, "step %lld/%lld  loss %.4f  %.0f tokens/s", (long long) e->step,
                 (long long) e->steps, e->loss, e->tokens_per_s);
        cli_progress_show(&t->progress, e->step, e->steps, text);
        break;
    case TUFF_TASK_FIT_EVAL:
        print_scores(text, sizeof text, &e->scores);
        cli_progress_line(&t->progress, "step %lld: held out: %s", (long long) e->step, text);
        break;
    case TUFF_TASK_FIT_SAVE:
        cli_progress_line(&t->progress, "saved %s%s", e->text, e->best ? " (best so far)" : "");
        break;
    }
}

static bool stop(void *user)
{
    (void) user;
    return cli_signals_stop();
}

/* ---- the words ---- */

static int parse(struct cli *cli, struct task *t, int argc, char **argv)
{
    struct tuff_task_fit_params *p = &t->params;
    const struct cli_option options[] = {
        {"task", CLI_STRING, &t->task, "NAME", "mlm: masked words are guessed; classification: a label a "
         "text; token-classification: a label a word", 0, 0},
        {"data", CLI_STRINGS, &t->data, "PATH", ".jsonl, .json, .csv, .tsv or .txt (a record a line), or a "
         "folder of them; repeatable", 0, 0},
        {"text-field", CLI_STRING, &p->text, "NAME", "of the text, or the list of words (text)", 0, 0},
        {"pair-field", CLI_STRING, &p->pair, "NAME", "of a second text", 0, 0},
        {"label-field", CLI_STRING, &p->label, "NAME", "of the label, or the list of labels (label)", 0,
         0},
        {"whole-files", CLI_FLAG, &p->whole, NULL, "a .txt file is one record", 0, 0},
        {"init", CLI_STRING, &p->init, "DIR", "start from this checkpoint or run: its base, a new head",
         0, 0},
        {"model", CLI_STRING, &t->model, "NAME", "family of a new model (bert)", 0, 0},
        {"preset", CLI_STRING, &t->preset, "NAME", "its size: tiny, mini, small, ... (mini)", 0, 0},
        {"config", CLI_STRING, &t->config, "FILE", "its size from a config.json", 0, 0},
        {"tokenizer", CLI_STRING, &p->tokenizer, "PATH", "tokenizer.json or its folder; without it "
         "that of --init", 0, 0},
        {"out", CLI_STRING, &p->out, "RUN", "run folder", 0, 0},
        {"steps", CLI_INT, &p->steps, "N", "steps; 0: by --epochs", 0, 1e7},
        {"epochs", CLI_INT, &p->epochs, "N", "passes over the data", 0, 1e6},
        {"batch", CLI_INT, &p->batch, "N", "texts a step", 1, 65535},
        {"context", CLI_INT, &p->context, "N", "most tokens of a text", 3, 1 << 20},
        {"mask", CLI_REAL, &p->mask_share, "X", "of mlm: share of tokens to guess", 0.001, 1},
        {"whole-words", CLI_FLAG, &p->whole_words, NULL, "of mlm: all tokens of a word or none", 0, 0},
        {"lr", CLI_REAL, &p->schedule.base, "X", "learning rate", 0, 100},
        {"min-lr", CLI_REAL, &p->schedule.floor, "X", "share of it at the end", 0, 1},
        {"schedule", CLI_STRING, &t->schedule, "NAME", "constant, linear, cosine, ... (linear)", 0, 0},
        {"warmup", CLI_INT, &p->schedule.warmup, "N", "steps of rising rate", 0, 1e7},
        {"weight-decay", CLI_REAL, &p->weight_decay, "X", "of matrices and embeddings", 0, 100},
        {"clip", CLI_REAL, &p->clip, "X", "largest gradient norm; 0: none", 0, 1e9},
        {"dropout", CLI_REAL, &p->dropout, "P", "all rates; -1: the config's", -1, 0.9},
        {"seed", CLI_INT, &t->seed, "N", "of weights, data order, masks and dropout", 0, 0},
        {"validation", CLI_REAL, &p->validation, "X", "share of the records held out", 0, 0.9},
        {"eval-every", CLI_INT, &p->eval_every, "N", "steps; 0: after each epoch", 0, 1e9},
        {"keep", CLI_INT, &t->keep, "N", "checkpoints besides last and best; 0: all", 0, 1e6},
        {"workers", CLI_INT, &t->workers, "N", "threads that make batches", 1, 64},
        {"resume", CLI_FLAG, &p->resume, NULL, "continue RUN, with the same words", 0, 0},
        {"force", CLI_FLAG, &p->force, NULL, "resume though settings changed", 0, 0},
        {"log-format", CLI_STRING, &t->log_format, "F", "text or json", 0, 0},
    };
    return cli_parse(cli, t->command, options, TUFF_COUNT(options), NULL, argc, argv);
}

static int check(struct cli *cli, struct task *t)
{
    struct tuff_task_fit_params *p = &t->params;
    size_t kind = 0;
    while (kind < TUFF_COUNT(kinds) && strcmp(kinds[kind].name, t->task))
        kind++;
    if (kind == TUFF_COUNT(kinds))
        return cli_error(t->command, CLI_USAGE, "--task \"%s\": lm, mlm, classification or "
                         "token-classification", t->task);
    p->kind = kinds[kind].kind;
    if (!t->data.n)
        return cli_error(t->command, CLI_USAGE, "--data PATH is needed");
    if (!p->out)
        return cli_error(t->command, CLI_USAGE, "--out RUN is needed: where to keep the run");
    if (!p->steps && !p->epochs)
        return cli_error(t->command, CLI_USAGE, "say how long to train: --steps or --epochs");
    if (p->steps && p->epochs)
        return cli_error(t->command, CLI_USAGE, "--steps and --epochs exclude each other");
    if ((t->config != NULL) + (t->preset != NULL) + (p->init != NULL) > 1)
        return cli_error(t->command, CLI_USAGE, "--config, --preset and --init exclude each other");
    if (!tuff_schedule_find(t->schedule, &p->schedule.kind))
        return cli_error(t->command, CLI_USAGE, "--schedule \"%s\": there is no such schedule",
                         t->schedule);
    if (strcmp(t->log_format, "text") && strcmp(t->log_format, "json"))
        return cli_error(t->command, CLI_USAGE, "--log-format \"%s\": text or json", t->log_format);
    if (t->config)
        return tuff_model_config_load(cli->ctx, t->config, &p->config) == TUFF_OK
                   ? -1 : cli_fail(cli, t->command);
    if (tuff_model_preset(cli->ctx, t->model, t->preset ? t->preset : "mini", &p->config) != TUFF_OK)
        return cli_fail(cli, t->command);
    p->config.vocab_size = 0; /* the tokenizer's */
    p->config.max_position_embeddings = TUFF_MAX(p->config.max_position_embeddings, p->context);
    return -1;
}

static int train(struct cli *cli, struct task *t)
{
    struct tuff_task_fit_params *p = &t->params;
    struct tuff_task_fit_report report;
    struct tuff_device *device = NULL;
    char text[160];
    cli_signals_install();
    int code = cli_open_device(cli, t->command, &device);
    if (code != CLI_OK)
        return code;
    t->json = !strcmp(t->log_format, "json");
    cli_progress_init(&t->progress, cli->quiet || t->json);
    p->device = device;
    p->data = t->data.items;
    p->n_data = t->data.n;
    p->seed = (uint64_t) t->seed;
    p->keep = (int) t->keep;
    p->workers = (int) t->workers;
    p->on_event = on_event;
    p->stop = stop;
    p->user = t;
    enum tuff_status status = tuff_task_fit(cli->ctx, p, &report);
    cli_progress_end(&t->progress);
    if (status == TUFF_OK) {
        FILE *to = t->json ? stderr : stdout;
        fprintf(to, "%s after step %lld of %lld, %.1f s", report.stopped ? "stopped" : "done",
                (long long) report.step, (long long) report.steps, report.seconds);
        print_scores(text, sizeof text, &report.scores);
        if (isfinite(report.scores.loss))
            fprintf(to, "; held out: %s", text);
        fprintf(to, "\n");
        code = report.stopped ? CLI_STOPPED : CLI_OK;
    } else {
        code = cli_fail(cli, t->command);
    }
    tuff_device_destroy(device);
    return code;
}

int cli_train_task(struct cli *cli, const struct cli_command *train_command, int argc, char **argv)
{
    const struct cli_command command = {
        .name = train_command->name,
        .summary = "train a model on a task",
        .usage = "--task mlm|classification|token-classification --data PATH --out RUN (--steps N | "
                 "--epochs N) [OPTIONS]",
        .example = "tuff train --task classification --init bert --data reviews.csv --out run --epochs 3"};
    struct task t = {.command = &command,
                     .params = {.text = "text", .label = "label", .batch = 16, .context = 128,
                                .schedule = {TUFF_SCHEDULE_LINEAR, 1e-4, 0, 20, 1, 1, 0.1},
                                .weight_decay = 0.01, .clip = 1, .dropout = -1, .validation = 0.1,
                                .mask_share = 0.15},
                     .model = "bert", .schedule = "linear", .log_format = "text", .seed = 1, .keep = 2,
                     .workers = 1};
    int code = parse(cli, &t, argc, argv);
    if (code < 0)
        code = check(cli, &t);
    if (code < 0)
        code = train(cli, &t);
    free(t.data.items);
    return code;
}

bool cli_train_is_task(int argc, char **argv)
{
    for (int i = 0; i < argc; i++)
        if (!strncmp(argv[i], "--task", 6) && (argv[i][6] == '=' || (!argv[i][6] && i + 1 < argc)))
            return strcmp(argv[i][6] ? argv[i] + 7 : argv[i + 1], "lm") != 0;
    return false;
}
