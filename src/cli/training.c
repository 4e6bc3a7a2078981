/* cli/training: a thin layer over tuff_fit; see training.h. */
#include "cli/training.h"
#include "cli/device.h"
#include "base/os.h"
#include "cli/signals.h"
#include "io/checkpoint.h"
#include "tuff/soft_prompt.h"

#include <jansson.h>
#include <math.h>

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
        if (isfinite(e->joules_per_1000_tokens))
            json_object_set_new(root, "joules_per_1000_tokens", number(e->joules_per_1000_tokens));
        if (isfinite(e->celsius))
            json_object_set_new(root, "celsius", number(e->celsius));
    } else if (e->kind == TUFF_FIT_EVAL) {
        json_object_set_new(root, "val_loss", number(e->val_loss));
        json_object_set_new(root, "bits_per_byte", number(e->bits_per_byte));
        json_object_set_new(root, "whole", json_boolean(e->whole));
        for (size_t i = 0; i < e->n_scores; i++)
            json_object_set_new(root, e->scores[i].name, number(e->scores[i].value));
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
        cli_progress_line(progress, "step %lld: the gradient norm is %s; skipped",
                          (long long) e->step, isfinite(e->norm) ? "an outlier" : "not finite");
    snprintf(text, sizeof text, "step %lld/%lld  loss %.4f  %.0f tokens/s  ETA %s",
             (long long) e->step, (long long) e->steps, e->loss, e->tokens_per_s, eta);
    cli_progress_show(progress, e->step, e->steps, text);
}

/* ", 1.2345 bits per byte" of text, ", perplexity 2.3456" of examples and masked words. */
static const char *in_words(const struct tuff_fit_params *p, double loss, double bits_per_byte, char text[64])
{
    *text = 0;
    if (!p->examples && !p->task.name)
        snprintf(text, 64, ", %.4f bits per byte", bits_per_byte);
    else if (!p->task.name || !strcmp(p->task.name, "mlm"))
        snprintf(text, 64, ", perplexity %.4f", exp(loss));
    return text;
}

/* ", accuracy 0.9000, f1 0.8912": the metrics of what is held out. */
static void keep_scores(struct cli_training *t, const struct tuff_fit_event *e)
{
    static const char prefix[] = "eval_validation_";
    size_t n = 0;
    for (size_t i = 0; i < e->n_scores && n < sizeof t->scores; i++)
        if (!strncmp(e->scores[i].name, prefix, sizeof prefix - 1))
            n += (size_t) snprintf(t->scores + n, sizeof t->scores - n, ", %s %.4f",
                                   e->scores[i].name + sizeof prefix - 1, e->scores[i].value);
}

static void show_eval(struct cli_training *t, const struct tuff_fit_event *e)
{
    char text[64];
    if (isfinite(e->val_loss))
        cli_progress_line(&t->progress, "step %lld: validation loss %.4f%s%s%s", (long long) e->step, e->val_loss,
                          in_words(&t->params, e->val_loss, e->bits_per_byte, text), t->scores,
                          e->whole ? "" : " (of a part of what is held out)");
    for (size_t i = 0; i < e->n_scores; i++)
        if (strncmp(e->scores[i].name, "eval_validation_", 16))
            cli_progress_line(&t->progress, "step %lld: %s %.4f", (long long) e->step, e->scores[i].name,
                          e->scores[i].value);
}

static void show_event(struct cli_training *t, const struct tuff_fit_event *e)
{
    switch (e->kind) {
    case TUFF_FIT_NOTE: cli_progress_line(&t->progress, "%s", e->text); break;
    case TUFF_FIT_READY:
        cli_progress_line(&t->progress, "%s\nready after %.2f s", e->text, e->seconds);
        break;
    case TUFF_FIT_STEP: show_step(&t->progress, e); break;
    case TUFF_FIT_EVAL:
        show_eval(t, e);
        break;
    case TUFF_FIT_SAVE:
        cli_progress_line(&t->progress, "saved %s%s", e->text, e->best ? " (best so far)" : "");
        break;
    }
}

static void on_event(void *user, const struct tuff_fit_event *e)
{
    struct cli_training *t = user;
    if (e->kind == TUFF_FIT_EVAL)
        keep_scores(t, e);
    if (t->json)
        json_event(e);
    else
        show_event(t, e);
    if (t->on_event)
        t->on_event(t, e);
}

static enum tuff_status on_model(void *user, struct tuff_store *store, struct tuff_model *model)
{
    struct cli_training *t = user;
    return t->on_model(t, store, model);
}

static enum tuff_status on_save(void *user, const char *folder)
{
    struct cli_training *t = user;
    return t->on_save(t, folder);
}

static void on_end(void *user)
{
    struct cli_training *t = user;
    t->on_end(t);
}

/* Where things are, and how to go on. */
static void print_report(FILE *to, struct tuff_ctx *ctx, const struct cli_training *t,
                         const struct tuff_fit_report *report)
{
    const struct tuff_fit_params *p = &t->params;
    const char *command = t->command->name;
    char text[64], *folder = NULL;
    fprintf(to, "%s after step %lld of %lld, %.0f s\n",
            report->stopped       ? "stopped"
            : report->out_of_time ? "out of time"
            : report->no_better   ? "no better for a while: ended"
                                  : "done",
            (long long) report->step, (long long) report->steps, report->seconds);
    if (isfinite(report->val_loss))
        fprintf(to, "validation loss %.4f%s%s\n", report->val_loss,
                in_words(p, report->val_loss, report->bits_per_byte, text), t->scores);
    if (isfinite(report->joules))
        fprintf(to, "energy %.0f J\n", report->joules);
    fprintf(to, "checkpoint  %s\nmetrics     %s/metrics.csv\nloss curve  %s/loss.png\n"
            "report      %s/report.html\n", report->checkpoint, p->out, p->out, p->out);
    if (*report->best)
        fprintf(to, "weights of  %s, the best evaluation\n", report->best);
    else if (tuff_checkpoint_resolve(ctx, p->out, &folder) == TUFF_OK && strcmp(folder, report->checkpoint) != 0)
        fprintf(to, "best        %s, which other commands take for %s\n", folder, p->out);
    free(folder);
    if (report->step < report->steps)
        fprintf(to, "go on       tuff %s --out %s --resume\n", command, p->out);
    else
        fprintf(to, "train on    tuff %s --out %s --resume --steps %lld --force\n", command, p->out,
                (long long) (2 * report->steps));
}

/* ---- the command line ---- */

static bool is_left_out(const struct cli_training *t, const char *name)
{
    for (const char *const *one = t->without; one && *one; one++)
        if (!strcmp(*one, name))
            return true;
    return false;
}

static int parse(struct cli *cli, struct cli_training *t, int argc, char **argv)
{
    struct tuff_fit_params *p = &t->params;
    struct cli_option all[128];
    const struct cli_option options[] = {
#define SETTING(kind, kept, name, field, arg, help, least, most)                                   \
    {name, CLI_##kind, &p->field, arg, help, least, most},
#define WORD(name, member, arg, help) {name, CLI_STRING, &t->member, arg, help, 0, 0},
#define LIST(name, member, arg, help) {name, CLI_STRINGS, &t->member, arg, help, 0, 0},
#include "train/settings.def"
#undef SETTING
#undef WORD
#undef LIST
        {"background", CLI_FLAG, &cli->background, NULL, "leave room for other programs: low priority, "
         "pauses", 0, 0},
    };
    size_t n = 0;
    if (t->n_options + TUFF_COUNT(options) > TUFF_COUNT(all))
        return cli_error(t->command, CLI_FAILED, "too many options");
    for (size_t i = 0; i < t->n_options; i++)
        all[n++] = t->options[i];
    for (size_t i = 0; i < TUFF_COUNT(options); i++)
        if (options[i].help) {
            all[n] = options[i];
            if (is_left_out(t, options[i].name))
                all[n].help = NULL;
            n++;
        }
    t->data.n = t->eval_data.n = 0;
    return cli_parse(cli, t->command, all, n, NULL, argc, argv);
}

static int check_words(const struct cli_training *t)
{
    const struct tuff_fit_params *p = &t->params;
    const struct cli_command *command = t->command;
    if (!p->out)
        return cli_error(command, CLI_USAGE, "--out RUN is needed: where to keep the run");
    if (!t->data.n && !p->resume)
        return cli_error(command, CLI_USAGE, "--data PATH is needed");
    if (strcmp(t->log_format, "text") && strcmp(t->log_format, "json"))
        return cli_error(command, CLI_USAGE, "--log-format \"%s\": text or json", t->log_format);
    if (p->steps && p->epochs)
        return cli_error(command, CLI_USAGE, "--steps and --epochs exclude each other");
    return t->check ? t->check(t) : -1;
}

/* With --resume the run's own settings are the defaults: the words are read once more on top. */
static int recall(struct cli *cli, struct cli_training *t, int argc, char **argv)
{
    struct tuff_fit_params *p = &t->params;
    bool by_epochs = p->epochs > 0;
    if (tuff_fit_recall(cli->ctx, p->out, p, &t->memory) != TUFF_OK)
        return cli_fail(cli, t->command);
    if (!t->memory)
        return -1;
    t->schedule = tuff_schedule_name(p->schedule.kind);
    t->optimizer = tuff_optimizer_name(p->optimizer.kind);
    int code = parse(cli, t, argc, argv);
    tuff_optimizer_find(t->optimizer, &p->optimizer.kind);
    if (by_epochs)
        p->steps = 0;
    return code;
}

static int choose_schedule(struct cli_training *t)
{
    if (tuff_schedule_find(t->schedule, &t->params.schedule.kind))
        return -1;
    return cli_error(t->command, CLI_USAGE, "--schedule \"%s\": there is no such schedule; --help "
                     "has a list", t->schedule);
}

/* What the numbers of an optimizer are when they are not said. */
static void optimizer_defaults(enum tuff_optimizer_kind kind, struct cli_training *t)
{
    struct tuff_optimizer_params *o = &t->params.optimizer;
    *o = tuff_optimizer_defaults(kind);
    o->clip = 1;
    if (kind == TUFF_ADAMW)
        o->beta2 = t->adamw_beta2;
}

static int train(struct cli *cli, struct cli_training *t)
{
    struct tuff_fit_params *p = &t->params;
    struct tuff_device *device = NULL;
    cli_signals_install();
    if (cli->background)
        tuff_os_yield_to_others(); /* before there are threads, of the driver's too */
    p->sensors = getenv("TUFF_SYS");
    int code = cli_open_device(cli, t->command, &device);
    if (code != CLI_OK)
        return code;
    p->device = device;
    p->on_event = on_event;
    p->wish = wish;
    p->on_model = t->on_model ? on_model : NULL;
    p->on_save = t->on_save ? on_save : NULL;
    p->on_end = t->on_end ? on_end : NULL;
    p->user = t;
    struct tuff_fit_report report;
    enum tuff_status status = tuff_fit(cli->ctx, p, &report);
    cli_progress_end(&t->progress);
    if (status == TUFF_OK) {
        print_report(t->json ? stderr : stdout, cli->ctx, t, &report);
        code = report.stopped ? CLI_STOPPED : CLI_OK;
    } else {
        code = cli_fail(cli, t->command);
        if (status == TUFF_E_STOPPED)
            code = CLI_STOPPED;
    }
    tuff_device_destroy(device);
    return code;
}

static int read_words(struct cli *cli, struct cli_training *t, int argc, char **argv)
{
    enum tuff_optimizer_kind kind;
    int code = parse(cli, t, argc, argv);
    if (code < 0 && !tuff_optimizer_find(t->optimizer, &kind))
        code = cli_error(t->command, CLI_USAGE, "--optimizer \"%s\": there is no such optimizer; "
                         "--help has a list", t->optimizer);
    if (code < 0 && kind != TUFF_ADAMW) { /* other defaults, over which what was said counts */
        optimizer_defaults(kind, t);
        code = parse(cli, t, argc, argv);
    }
    if (code < 0 && !strcmp(t->schedule, tuff_schedule_name(TUFF_SCHEDULE_PLATEAU))) {
        t->params.schedule.floor = 0; /* PyTorch's defaults */
        t->params.schedule.plateau = (struct tuff_plateau_params) {0.1, 10, 1e-4, 0};
        code = parse(cli, t, argc, argv);
    }
    if (code < 0)
        code = check_words(t);
    if (code < 0 && t->params.resume)
        code = recall(cli, t, argc, argv);
    int blocks;
    if (code < 0)
        code = cli_memory_words(t->command, t->checkpoint, t->budget, &blocks, &t->params.memory);
    if (code < 0 && t->checkpoint)
        t->params.checkpoint = blocks;
    if (code < 0)
        code = cli_amp_words(t->command, t->amp, t->amp_dtype, &t->params.amp,
                             &t->params.amp_dtype);
    if (code < 0 && t->on_nan && !tuff_fit_on_nan_find(t->on_nan, &t->params.on_nan))
        code = cli_error(t->command, CLI_USAGE, "--on-nan \"%s\": skip, stop or rollback", t->on_nan);
    return code < 0 ? choose_schedule(t) : code;
}

int cli_training_run(struct cli *cli, struct cli_training *t, int argc, char **argv)
{
    struct tuff_fit_params *p = &t->params;
    t->cli = cli;
    optimizer_defaults(TUFF_ADAMW, t);
    int code = read_words(cli, t, argc, argv);
    if (code < 0) {
        t->json = !strcmp(t->log_format, "json");
        cli_progress_init(&t->progress, cli->quiet || t->json);
        if (t->data.n) {
            p->data = t->data.items;
            p->n_data = t->data.n;
        }
        if (t->eval_data.n) {
            p->eval_data = t->eval_data.items;
            p->n_eval_data = t->eval_data.n;
        }
        code = t->prepare ? t->prepare(t) : -1;
    }
    if (code < 0)
        code = train(cli, t);
    tuff_fit_memory_free(t->memory);
    free(t->data.items);
    free(t->eval_data.items);
    return code;
}
