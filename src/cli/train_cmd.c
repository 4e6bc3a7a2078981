/* tuff train: fit a GPT-2 to text. A thin layer over tuff_fit. */
#include "cli/cli.h"
#include "cli/device.h"
#include "cli/progress.h"
#include "cli/signals.h"
#include "tuff/fit.h"

#include <jansson.h>
#include <math.h>

struct output {
    struct cli_progress progress;
    bool json;
};

static enum tuff_fit_wish wish(void *user)
{
    (void) user;
    return cli_signals_stop()   ? TUFF_FIT_SAVE_AND_STOP
           : cli_signals_save() ? TUFF_FIT_SAVE_AND_GO_ON
                                : TUFF_FIT_GO_ON;
}

/* ---- what is shown ---- */

static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

/* One object a line. */
static void json_event(const struct tuff_fit_event *e)
{
    static const char *const kinds[] = {"note", "ready", "step", "eval", "save"};
    json_t *root = json_pack("{s:s, s:I, s:I, s:f}", "event", kinds[e->kind], "step",
                             (json_int_t) e->step, "steps", (json_int_t) e->steps, "seconds",
                             e->seconds);
    if (e->text)
        json_object_set_new(root, "text", json_string(e->text));
    if (e->kind == TUFF_FIT_STEP) {
        json_object_set_new(root, "loss", number(e->loss));
        json_object_set_new(root, "grad_norm", number(e->norm));
        json_object_set_new(root, "lr", number(e->lr));
        json_object_set_new(root, "tokens_per_s", number(e->tokens_per_s));
        json_object_set_new(root, "skipped", json_boolean(e->skipped));
    } else if (e->kind == TUFF_FIT_EVAL) {
        json_object_set_new(root, "val_loss", number(e->val_loss));
        json_object_set_new(root, "bits_per_byte", number(e->bits_per_byte));
    }
    if (e->kind == TUFF_FIT_EVAL || e->kind == TUFF_FIT_SAVE)
        json_object_set_new(root, "best", json_boolean(e->best));
    char *text = json_dumps(root, JSON_COMPACT);
    printf("%s\n", text ? text : "{}");
    fflush(stdout);
    free(text);
    json_decref(root);
}

static void show_step(struct cli_progress *progress, const struct tuff_fit_event *e)
{
    char text[256], eta[32] = "-";
    long seconds = e->eta < 0 || e->eta > 1e8 ? -1 : (long) (e->eta + 0.5);
    if (seconds >= 3600)
        snprintf(eta, sizeof eta, "%ld:%02ld:%02ld", seconds / 3600, seconds / 60 % 60,
                 seconds % 60);
    else if (seconds >= 0)
        snprintf(eta, sizeof eta, "%ld:%02ld", seconds / 60, seconds % 60);
    if (e->skipped)
        cli_progress_line(progress, "step %lld: the gradient is not finite; skipped",
                          (long long) e->step);
    snprintf(text, sizeof text, "step %lld/%lld  loss %.4f  %.0f tokens/s  ETA %s",
             (long long) e->step, (long long) e->steps, e->loss, e->tokens_per_s, eta);
    cli_progress_show(progress, e->step, e->steps, text);
}

static void on_event(void *user, const struct tuff_fit_event *e)
{
    struct output *out = user;
    if (out->json) {
        json_event(e);
        return;
    }
    switch (e->kind) {
    case TUFF_FIT_NOTE: cli_progress_line(&out->progress, "%s", e->text); break;
    case TUFF_FIT_READY:
        cli_progress_line(&out->progress, "%s\nready after %.2f s", e->text, e->seconds);
        break;
    case TUFF_FIT_STEP: show_step(&out->progress, e); break;
    case TUFF_FIT_EVAL:
        cli_progress_line(&out->progress, "step %lld: validation loss %.4f, %.4f bits per byte",
                          (long long) e->step, e->val_loss, e->bits_per_byte);
        break;
    case TUFF_FIT_SAVE:
        cli_progress_line(&out->progress, "saved %s%s", e->text, e->best ? " (best so far)" : "");
        break;
    }
}

/* Where things are, and how to go on. */
static void print_report(FILE *to, const struct tuff_fit_params *p,
                         const struct tuff_fit_report *report)
{
    fprintf(to, "%s after step %lld of %lld, %.0f s\n",
            report->stopped ? "stopped" : report->out_of_time ? "out of time" : "done",
            (long long) report->step, (long long) report->steps, report->seconds);
    if (isfinite(report->val_loss))
        fprintf(to, "validation loss %.4f, %.4f bits per byte\n", report->val_loss,
                report->bits_per_byte);
    fprintf(to, "checkpoint  %s\nmetrics     %s/metrics.csv\nloss curve  %s/loss.png\n",
            report->checkpoint, p->out, p->out);
    if (report->step < report->steps)
        fprintf(to, "go on       tuff train --out %s --resume\n", p->out);
    else
        fprintf(to, "train on    tuff train --out %s --resume --steps %lld --force\n", p->out,
                (long long) (2 * report->steps));
}

/* ---- the command line ---- */

/* What is text on the command line, and what needs more than its value. */
struct words {
    const char *model, *config, *preset, *schedule, *optimizer, *log_format;
    struct cli_strings data;
    int64_t keep, seed;
};

static int parse(struct cli *cli, const struct cli_command *command, struct words *w,
                 struct tuff_fit_params *p, int argc, char **argv)
{
    struct tuff_optimizer_params *o = &p->optimizer;
    const struct cli_option options[] = {
        {"model", CLI_STRING, &w->model, "NAME", "family: gpt2, ... (gpt2)", 0, 0},
        {"preset", CLI_STRING, &w->preset, "NAME", "size: tiny, mini, small, gpt2, ... (mini)", 0,
         0},
        {"config", CLI_STRING, &w->config, "FILE", "size from a config.json", 0, 0},
        {"init", CLI_STRING, &p->init, "DIR", "start from this checkpoint or run", 0, 0},
        {"data", CLI_STRINGS, &w->data, "PATH", "text file or folder, or a .tok file; repeatable",
         0, 0},
        {"tokenizer", CLI_STRING, &p->tokenizer, "PATH", "tokenizer.json or its folder", 0, 0},
        {"out", CLI_STRING, &p->out, "RUN", "run folder", 0, 0},
        {"steps", CLI_INT, &p->steps, "N", "steps; 0: by --epochs or --seconds", 0,
         TUFF_FIT_STEPS_MAX},
        {"epochs", CLI_INT, &p->epochs, "N", "passes over the data, instead of --steps", 0, 1e6},
        {"seconds", CLI_REAL, &p->seconds, "S", "be done after that time; 0: no limit", 0, 1e9},
        {"batch", CLI_INT, &p->batch, "N", "sequences a micro-batch", 1, 65535},
        {"context", CLI_INT, &p->context, "N", "tokens a sequence", 1, 1 << 20},
        {"accumulate", CLI_INT, &p->accumulate, "N", "micro-batches a step", 1, 65535},
        {"lr", CLI_REAL, &p->schedule.base, "X", "learning rate", 0, 100},
        {"min-lr", CLI_REAL, &p->schedule.floor, "X", "share of it at the end", 0, 1},
        {"schedule", CLI_STRING, &w->schedule, "NAME", "constant, linear, cosine, "
         "cosine_with_restarts, inverse_sqrt, polynomial, warmup_stable_decay", 0, 0},
        {"warmup", CLI_INT, &p->schedule.warmup, "N", "steps of rising rate", 0,
         TUFF_FIT_STEPS_MAX},
        {"cycles", CLI_INT, &p->schedule.cycles, "N", "of cosine_with_restarts", 1,
         TUFF_FIT_STEPS_MAX},
        {"power", CLI_REAL, &p->schedule.power, "X", "of polynomial", 0.01, 100},
        {"decay", CLI_REAL, &p->schedule.decay, "X", "share of steps that the fall of "
         "warmup_stable_decay takes", 0.001, 1},
        {"optimizer", CLI_STRING, &w->optimizer, "NAME", "adamw, adam, sgd, adagrad, rmsprop, "
         "adadelta, lion, adafactor", 0, 0},
        {"weight-decay", CLI_REAL, &p->weight_decay, "X", "of matrices and embeddings", 0, 100},
        {"beta1", CLI_REAL, &o->beta1, "X", "of adamw, adam, lion", 0, 0.99999},
        {"beta2", CLI_REAL, &o->beta2, "X", "of adamw, adam, lion", 0, 0.99999},
        {"eps", CLI_REAL, &o->eps, "X", "added where an optimizer divides", 1e-30, 1},
        {"momentum", CLI_REAL, &o->momentum, "X", "of sgd, rmsprop", 0, 0.99999},
        {"dampening", CLI_REAL, &o->dampening, "X", "of sgd's momentum", 0, 1},
        {"nesterov", CLI_FLAG, &o->nesterov, NULL, "sgd's momentum in Nesterov's form", 0, 0},
        {"alpha", CLI_REAL, &o->alpha, "X", "of rmsprop", 0, 0.99999},
        {"rho", CLI_REAL, &o->rho, "X", "of adadelta", 0, 0.99999},
        {"clip", CLI_REAL, &o->clip, "X", "largest gradient norm; 0: none", 0, 1e9},
        {"label-smoothing", CLI_REAL, &p->label_smoothing, "E", "share of the target given to all "
         "tokens alike, in training", 0, 0.99},
        {"dropout", CLI_REAL, &p->dropout, "P", "all rates; -1: the config's", -1, 0.9},
        {"seed", CLI_INT, &w->seed, "N", "of weights, data order and dropout", 0, 0},
        {"validation", CLI_REAL, &p->validation, "X", "share of the text held out", 0, 0.9},
        {"eval-every", CLI_INT, &p->eval_every, "N", "steps; 0: at the end; -1: some ten times", -1,
         1e9},
        {"eval-batches", CLI_INT, &p->eval_batches, "N", "of evaluations on the way; 0: all", 0,
         1e9},
        {"save-every", CLI_INT, &p->save_every, "N", "steps; 0: at the end; -1: some ten times", -1,
         1e9},
        {"keep", CLI_INT, &w->keep, "N", "checkpoints besides last and best; 0: all", 0, 1e6},
        {"resume", CLI_FLAG, &p->resume, NULL, "continue RUN; what is not said is as it was", 0, 0},
        {"force", CLI_FLAG, &p->force, NULL, "resume though settings changed", 0, 0},
        {"log-format", CLI_STRING, &w->log_format, "F", "text or json", 0, 0},
    };
    w->data.n = 0;
    return cli_parse(cli, command, options, TUFF_COUNT(options), NULL, argc, argv);
}

static bool is_family(const char *name)
{
    for (size_t i = 0; tuff_model_types(i); i++)
        if (!strcmp(name, tuff_model_types(i)))
            return true;
    return false;
}

static int check_words(const struct cli_command *command, const struct words *w,
                       const struct tuff_fit_params *p)
{
    if (!p->out)
        return cli_error(command, CLI_USAGE, "--out RUN is needed: where to keep the run");
    if (!w->data.n && !p->resume)
        return cli_error(command, CLI_USAGE, "--data PATH is needed");
    if (strcmp(w->log_format, "text") && strcmp(w->log_format, "json"))
        return cli_error(command, CLI_USAGE, "--log-format \"%s\": text or json", w->log_format);
    if (w->model && !is_family(w->model))
        return cli_error(command, CLI_USAGE, "--model \"%s\": there is no such family",
                         w->model);
    if ((w->config != NULL) + (w->preset != NULL) + (p->init != NULL) > 1)
        return cli_error(command, CLI_USAGE, "--config, --preset and --init exclude each other");
    if (p->steps && p->epochs)
        return cli_error(command, CLI_USAGE, "--steps and --epochs exclude each other");
    if (!p->resume && !p->steps && !p->epochs && p->seconds <= 0)
        return cli_error(command, CLI_USAGE,
                         "say how long to train: --steps, --epochs or --seconds");
    return -1;
}

/* With --resume the run's own settings are the defaults: the words are read once more on top. */
static int recall(struct cli *cli, const struct cli_command *command, struct words *w,
                  struct tuff_fit_params *p, struct tuff_fit_memory **memory, int argc, char **argv)
{
    bool by_epochs = p->epochs > 0;
    if (tuff_fit_recall(cli->ctx, p->out, p, memory) != TUFF_OK)
        return cli_fail(cli, command);
    if (!*memory)
        return -1;
    w->keep = p->keep;
    w->seed = (int64_t) p->seed;
    w->schedule = tuff_schedule_name(p->schedule.kind);
    w->optimizer = tuff_optimizer_name(p->optimizer.kind);
    int code = parse(cli, command, w, p, argc, argv);
    tuff_optimizer_find(w->optimizer, &p->optimizer.kind);
    if (by_epochs)
        p->steps = 0;
    return code;
}

static int choose_model(struct cli *cli, const struct cli_command *command, const struct words *w,
                        bool recalled, struct tuff_fit_params *p)
{
    if (w->config && tuff_model_config_load(cli->ctx, w->config, &p->config) != TUFF_OK)
        return cli_fail(cli, command);
    if (w->config && w->model && strcmp(w->model, p->config.model_type))
        return cli_error(command, CLI_USAGE, "--model \"%s\": %s is a \"%s\"", w->model, w->config,
                         p->config.model_type);
    if (w->config || p->init || (recalled && !w->preset))
        return -1;
    if (tuff_model_preset(cli->ctx, w->model, w->preset ? w->preset : "mini", &p->config) !=
        TUFF_OK)
        return cli_fail(cli, command);
    p->config.vocab_size = 0; /* the data's */
    p->config.bos_token_id = p->config.eos_token_id = -1;
    tuff_model_set_dropout(&p->config, 0);
    p->config.max_position_embeddings = TUFF_MAX(p->config.max_position_embeddings, p->context);
    return -1;
}

static int choose_schedule(const struct cli_command *command, const struct words *w,
                           struct tuff_fit_params *p)
{
    if (tuff_schedule_find(w->schedule, &p->schedule.kind))
        return -1;
    return cli_error(command, CLI_USAGE, "--schedule \"%s\": there is no such schedule; --help has "
                     "a list", w->schedule);
}

/* What the numbers of an optimizer are when they are not said: AdamW's second beta is the one that
 * language models are trained with. */
static void optimizer_defaults(enum tuff_optimizer_kind kind, struct tuff_optimizer_params *o)
{
    *o = tuff_optimizer_defaults(kind);
    o->clip = 1;
    if (kind == TUFF_ADAMW)
        o->beta2 = 0.95;
}

static int train(struct cli *cli, const struct cli_command *command, struct tuff_fit_params *p,
                 struct output *out)
{
    struct tuff_device *device = NULL;
    cli_signals_install();
    int code = cli_open_device(cli, command, &device);
    if (code != CLI_OK)
        return code;
    p->device = device;
    p->on_event = on_event;
    p->wish = wish;
    p->user = out;
    struct tuff_fit_report report;
    enum tuff_status status = tuff_fit(cli->ctx, p, &report);
    cli_progress_end(&out->progress);
    if (status == TUFF_OK) {
        print_report(out->json ? stderr : stdout, p, &report);
        code = report.stopped ? CLI_STOPPED : CLI_OK;
    } else {
        code = cli_fail(cli, command);
        if (status == TUFF_E_STOPPED)
            code = CLI_STOPPED;
    }
    tuff_device_destroy(device);
    return code;
}

static int run(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    struct tuff_fit_params p = {.batch = 8, .context = 128, .accumulate = 1, .weight_decay = 0.1,
                                .schedule = {TUFF_SCHEDULE_COSINE, 1e-3, 0.1, 20, 1, 1, 0.1},
                                .dropout = -1, .eval_every = -1, .eval_batches = 64,
                                .save_every = -1, .validation = 0.1};
    struct words w = {.schedule = "cosine", .optimizer = "adamw", .log_format = "text",
                      .keep = 2, .seed = 1};
    struct tuff_fit_memory *memory = NULL;
    optimizer_defaults(TUFF_ADAMW, &p.optimizer);
    int code = parse(cli, command, &w, &p, argc, argv);
    enum tuff_optimizer_kind kind;
    if (code < 0 && !tuff_optimizer_find(w.optimizer, &kind))
        code = cli_error(command, CLI_USAGE, "--optimizer \"%s\": there is no such optimizer; "
                         "--help has a list", w.optimizer);
    if (code < 0 && kind != TUFF_ADAMW) { /* other defaults, over which what was said counts */
        optimizer_defaults(kind, &p.optimizer);
        code = parse(cli, command, &w, &p, argc, argv);
    }
    if (code < 0)
        code = check_words(command, &w, &p);
    if (code < 0 && p.resume)
        code = recall(cli, command, &w, &p, &memory, argc, argv);
    if (code < 0)
        code = choose_schedule(command, &w, &p);
    if (code < 0)
        code = choose_model(cli, command, &w, memory != NULL, &p);
    if (code < 0) {
        struct output out = {.json = !strcmp(w.log_format, "json")};
        cli_progress_init(&out.progress, cli->quiet || out.json);
        if (w.data.n) {
            p.data = w.data.items;
            p.n_data = w.data.n;
        }
        p.keep = (int) w.keep;
        p.seed = (uint64_t) w.seed;
        code = train(cli, command, &p, &out);
    }
    tuff_fit_memory_free(memory);
    free(w.data.items);
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
