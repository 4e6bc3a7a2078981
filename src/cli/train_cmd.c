/* tuff train: fit a GPT-2 to text. */
#include "base/os.h"
#include "cli/cli.h"
#include "cli/device.h"
#include "tuff/fit.h"

#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <unistd.h>

/* Set by signals, read between steps. */
static volatile sig_atomic_t stop_requests, save_requests;

static void on_signal(int number)
{
    if (number == SIGUSR1) {
        save_requests = 1;
        return;
    }
    if (stop_requests)
        _exit(CLI_STOPPED); /* the second: at once; the last checkpoint is complete on disk */
    stop_requests = 1;
}

struct output {
    struct cli *cli;
    bool json, terminal;
    double last_line; /* when plain progress was last printed */
};

static enum tuff_fit_wish wish(void *user)
{
    (void) user;
    if (stop_requests)
        return TUFF_FIT_SAVE_AND_STOP;
    if (!save_requests)
        return TUFF_FIT_GO_ON;
    save_requests = 0;
    return TUFF_FIT_SAVE_AND_GO_ON;
}

static void json_event(const struct tuff_fit_event *e)
{
    static const char *const kinds[] = {"note", "step", "eval", "save"};
    json_t *root = json_pack("{s:s, s:I, s:I}", "event", kinds[e->kind], "step",
                             (json_int_t) e->step, "steps", (json_int_t) e->steps);
    if (e->text)
        json_object_set_new(root, "text", json_string(e->text));
    if (e->kind == TUFF_FIT_STEP) {
        json_object_set_new(root, "loss", json_real(e->loss));
        json_object_set_new(root, "grad_norm", isfinite(e->norm) ? json_real(e->norm) : json_null());
        json_object_set_new(root, "lr", json_real(e->lr));
        json_object_set_new(root, "tokens_per_s", json_real(e->tokens_per_s));
        json_object_set_new(root, "skipped", json_boolean(e->skipped));
    } else if (e->kind == TUFF_FIT_EVAL) {
        json_object_set_new(root, "val_loss", json_real(e->val_loss));
        json_object_set_new(root, "bits_per_byte", json_real(e->bits_per_byte));
    }
    char *text = json_dumps(root, JSON_COMPACT);
    printf("%s\n", text ? text : "{}");
    fflush(stdout);
    free(text);
    json_decref(root);
}

static void bar(const struct tuff_fit_event *e)
{
    char blocks[25];
    int done = e->steps ? (int) (24 * e->step / e->steps) : 0;
    for (int i = 0; i < 24; i++)
        blocks[i] = i < done ? '#' : '.';
    blocks[24] = 0;
    fprintf(stderr, "\r[%s] step %lld/%lld  loss %.4f  %.0f tokens/s  ETA %d:%02d \033[K", blocks,
            (long long) e->step, (long long) e->steps, e->loss, e->tokens_per_s,
            e->eta < 0 ? 0 : (int) e->eta / 60, e->eta < 0 ? 0 : (int) e->eta % 60);
}

static void on_event(void *user, const struct tuff_fit_event *e)
{
    struct output *out = user;
    if (out->json) {
        json_event(e);
        return;
    }
    if (out->cli->quiet)
        return;
    const char *clear = out->terminal ? "\r\033[K" : "";
    switch (e->kind) {
    case TUFF_FIT_NOTE: fprintf(stderr, "%s%s\n", clear, e->text); break;
    case TUFF_FIT_SAVE:
        fprintf(stderr, "%ssaved %s%s\n", clear, e->text, e->best ? " (best so far)" : "");
        break;
    case TUFF_FIT_EVAL:
        fprintf(stderr, "%sstep %lld: validation loss %.4f, %.4f bits per byte\n", clear,
                (long long) e->step, e->val_loss, e->bits_per_byte);
        break;
    case TUFF_FIT_STEP:
        if (e->skipped)
            fprintf(stderr, "%sstep %lld: the gradient is not finite; skipped\n", clear,
                    (long long) e->step);
        if (out->terminal) {
            bar(e);
        } else if (tuff_os_now() - out->last_line > 5 || e->step == 1 || e->step == e->steps) {
            out->last_line = tuff_os_now();
            fprintf(stderr, "step %lld/%lld  loss %.4f  norm %.2f  lr %.2e  %.0f tokens/s  ETA %.0f s\n",
                    (long long) e->step, (long long) e->steps, e->loss, e->norm, e->lr,
                    e->tokens_per_s, TUFF_MAX(e->eta, 0));
        }
        break;
    }
}

struct words {
    const char *model, *config, *preset, *init, *schedule, *log_format;
    int64_t epochs;
};

static int choose_model(struct cli *cli, const struct cli_command *command, const struct words *w,
                        struct tuff_fit_params *p)
{
    if (strcmp(w->model, "gpt2"))
        return cli_error(command, CLI_USAGE, "--model \"%s\": only gpt2 is supported", w->model);
    p->init = w->init;
    if ((w->config != NULL) + (w->preset != NULL) + (w->init != NULL) > 1)
        return cli_error(command, CLI_USAGE, "--config, --preset and --init exclude each other");
    if (w->config && tuff_gpt2_config_load(cli->ctx, w->config, &p->config) != TUFF_OK)
        return cli_fail(cli, command);
    if (!w->config && !w->init) {
        if (tuff_gpt2_preset(cli->ctx, w->preset ? w->preset : "mini", &p->config) != TUFF_OK)
            return cli_fail(cli, command);
        p->config.vocab_size = 0; /* the data's */
        p->config.bos_token_id = p->config.eos_token_id = -1;
        p->config.embd_pdrop = p->config.resid_pdrop = p->config.attn_pdrop = 0;
        p->config.n_positions = TUFF_MAX(p->config.n_positions, p->context);
    }
    return -1;
}

static int choose_schedule(const struct cli_command *command, const struct words *w,
                           struct tuff_fit_params *p)
{
    static const char *const names[] = {"constant", "linear", "cosine"};
    for (size_t i = 0; i < TUFF_COUNT(names); i++)
        if (!strcmp(w->schedule, names[i])) {
            p->schedule = (enum tuff_schedule) i;
            return -1;
        }
    return cli_error(command, CLI_USAGE, "--schedule \"%s\": constant, linear or cosine",
                     w->schedule);
}

static int train(struct cli *cli, const struct cli_command *command, struct tuff_fit_params *p,
                 struct output *out)
{
    struct tuff_device *device = NULL;
    int code = cli_open_device(cli, command, &device);
    if (code != CLI_OK)
        return code;
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    p->device = device;
    p->on_event = on_event;
    p->wish = wish;
    p->user = out;
    struct tuff_fit_report report;
    enum tuff_status status = tuff_fit(cli->ctx, p, &report);
    if (out->terminal)
        fprintf(stderr, "\r\033[K");
    if (status != TUFF_OK) {
        code = cli_fail(cli, command);
    } else {
        FILE *to = out->json ? stderr : stdout;
        fprintf(to, "%s after step %lld, %.0f s\n", report.stopped ? "stopped" : "done",
                (long long) report.step, report.seconds);
        if (isfinite(report.val_loss))
            fprintf(to, "validation loss %.4f, %.4f bits per byte\n", report.val_loss,
                    report.bits_per_byte);
        fprintf(to, "checkpoint  %s\nmetrics     %s/metrics.csv\nloss curve  %s/loss.png\n",
                report.checkpoint, p->out, p->out);
        code = report.stopped ? CLI_STOPPED : CLI_OK;
    }
    tuff_device_destroy(device);
    return code;
}

static int run(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    struct tuff_fit_params p = {.batch = 8, .context = 128, .accumulate = 1, .steps = 0,
                                .lr = 1e-3, .min_lr = 0.1, .warmup = 20, .weight_decay = 0.1,
                                .beta1 = 0.9, .beta2 = 0.95, .clip = 1, .dropout = -1,
                                .keep = 2, .validation = 0.1};
    struct words w = {.model = "gpt2", .schedule = "cosine", .log_format = "text"};
    struct cli_strings data = {0};
    int64_t keep = 2, seed = 1;
    const struct cli_option options[] = {
        {"model", CLI_STRING, &w.model, "NAME", "architecture: gpt2", 0, 0},
        {"preset", CLI_STRING, &w.preset, "NAME", "size: tiny, mini, small, gpt2, ... (mini)", 0, 0},
        {"config", CLI_STRING, &w.config, "FILE", "size from a config.json", 0, 0},
        {"init", CLI_STRING, &w.init, "DIR", "start from this checkpoint", 0, 0},
        {"data", CLI_STRINGS, &data, "PATH", "text file or folder, or a .tok file; repeatable", 0, 0},
        {"tokenizer", CLI_STRING, &p.tokenizer, "PATH", "tokenizer.json or its folder", 0, 0},
        {"out", CLI_STRING, &p.out, "RUN", "run folder", 0, 0},
        {"steps", CLI_INT, &p.steps, "N", "steps; 0: what fits into --seconds", 0, 1e9},
        {"epochs", CLI_INT, &w.epochs, "N", "instead of --steps", 0, 1e6},
        {"seconds", CLI_REAL, &p.seconds, "S", "stop after that time; 0: no limit", 0, 1e9},
        {"batch", CLI_INT, &p.batch, "N", "sequences a micro-batch", 1, 65535},
        {"context", CLI_INT, &p.context, "N", "tokens a sequence", 1, 1 << 20},
        {"accumulate", CLI_INT, &p.accumulate, "N", "micro-batches a step", 1, 65535},
        {"lr", CLI_REAL, &p.lr, "X", "learning rate", 0, 100},
        {"min-lr", CLI_REAL, &p.min_lr, "X", "share of it at the end", 0, 1},
        {"schedule", CLI_STRING, &w.schedule, "NAME", "constant, linear or cosine", 0, 0},
        {"warmup", CLI_INT, &p.warmup, "N", "steps of rising rate", 0, 1e9},
        {"weight-decay", CLI_REAL, &p.weight_decay, "X", "of matrices and embeddings", 0, 100},
        {"beta1", CLI_REAL, &p.beta1, "X", "AdamW's", 0, 0.99999},
        {"beta2", CLI_REAL, &p.beta2, "X", "AdamW's", 0, 0.99999},
        {"clip", CLI_REAL, &p.clip, "X", "largest gradient norm; 0: none", 0, 1e9},
        {"dropout", CLI_REAL, &p.dropout, "P", "all rates; -1: the config's", -1, 0.9},
        {"seed", CLI_INT, &seed, "N", "of weights, data order and dropout", 0, 0},
        {"validation", CLI_REAL, &p.validation, "X", "share of the text held out", 0, 0.9},
        {"eval-every", CLI_INT, &p.eval_every, "N", "steps; 0: at the end", 0, 1e9},
        {"eval-batches", CLI_INT, &p.eval_batches, "N", "batches an evaluation; 0: all", 0, 1e9},
        {"save-every", CLI_INT, &p.save_every, "N", "steps; 0: at the end", 0, 1e9},
        {"keep", CLI_INT, &keep, "N", "checkpoints besides last and best; 0: all", 0, 1e6},
        {"resume", CLI_FLAG, &p.resume, NULL, "continue from the newest checkpoint", 0, 0},
        {"force", CLI_FLAG, &p.force, NULL, "resume though settings changed", 0, 0},
        {"log-format", CLI_STRING, &w.log_format, "F", "text or json", 0, 0},
    };
    int code = cli_parse(cli, command, options, TUFF_COUNT(options), NULL, argc, argv);
    if (code < 0 && !p.out)
        code = cli_error(command, CLI_USAGE, "--out RUN is needed: where to keep the run");
    if (code < 0 && !data.n)
        code = cli_error(command, CLI_USAGE, "--data PATH is needed");
    if (code < 0 && strcmp(w.log_format, "text") && strcmp(w.log_format, "json"))
        code = cli_error(command, CLI_USAGE, "--log-format \"%s\": text or json", w.log_format);
    if (code < 0)
        code = choose_schedule(command, &w, &p);
    if (code < 0)
        code = choose_model(cli, command, &w, &p);
    if (code < 0) {
        struct output out = {.cli = cli, .json = !strcmp(w.log_format, "json"),
                             .terminal = isatty(2) && strcmp(w.log_format, "json")};
        p.data = data.items;
        p.n_data = data.n;
        p.keep = (int) keep;
        p.seed = (uint64_t) seed;
        p.epochs = w.epochs;
        code = train(cli, command, &p, &out);
    }
    free(data.items);
    return code;
}

const struct cli_command cli_train = {
    .name = "train",
    .summary = "train a model on text",
    .usage = "--data PATH --tokenizer DIR --out RUN (--steps N | --epochs N | --seconds S) [OPTIONS]",
    .example = "tuff train --data book.txt --tokenizer tok --out run --preset mini --steps 500",
    .run = run,
};
