/* tuff tune: measures what may compute the calls of a model, and keeps what was fastest. */
#include "base/os.h"
#include "cli/cli.h"
#include "cli/device.h"
#include "cli/model.h"
#include "cli/tune_alone.h"
#include "generate/engine.h"
#include "graph/plan.h"
#include "tuff/train.h"
#include "tuff/tune.h"

enum { MOST_CANDIDATES = 64, ROUNDS = 3, LEAST_RUNS = 2 };
/* What a winner must gain: less may be noise, and other kernels mean other bits. */
static const double GAIN = 0.03;

struct call {
    char name[TUFF_CALL_TEXT];
    struct tuff_node *node; /* of the planned model: its first of that name */
    int count;
    double before, after; /* seconds */
    struct tuff_choice winner;
};

struct tune {
    struct cli *cli;
    const struct cli_command *command;
    struct tuff_device *device;
    struct cli_model model;
    int64_t batch, context;
    double seconds; /* a call */
    bool generate;
    struct { struct call *items; size_t n, cap; } calls;
};

/* ---- the calls that occur ---- */

static enum tuff_status collect(struct tune *t, const struct tuff_program *program)
{
    for (size_t i = 0; i < program->graph->nodes.n; i++) {
        struct tuff_node *node = program->graph->nodes.items[i];
        char name[TUFF_CALL_TEXT];
        struct call *call = NULL;
        tuff_node_call(node, name);
        if (!*name || !node->live)
            continue;
        for (size_t k = 0; k < t->calls.n && !call; k++)
            if (!strcmp(t->calls.items[k].name, name))
                call = &t->calls.items[k];
        if (!call) {
            if (!(call = TUFF_PUSH(&t->calls)))
                return tuff_fail(t->cli->ctx, TUFF_E_NOMEM, "tune: out of memory");
            memcpy(call->name, name, sizeof name);
            call->node = node;
        }
        call->count++;
    }
    return TUFF_OK;
}

/* ---- one call ---- */

/* Seconds of one of n runs, one behind the other. */
static enum tuff_status run_times(struct tuff_program *p, size_t n, double *seconds)
{
    double begin = tuff_os_now();
    for (size_t i = 0; i < n; i++) {
        TUFF_TRY(tuff_program_begin(p));
        TUFF_TRY(tuff_program_submit(p));
    }
    TUFF_TRY(tuff_program_wait(p, 0));
    *seconds = (tuff_os_now() - begin) / (double) n;
    return TUFF_OK;
}

/* Least seconds of each choice; in rounds, so that what else the machine does meets all of them. */
static enum tuff_status race(struct tune *t, const struct tune_alone *x, const struct call *call,
                             const struct tuff_choice *list, size_t n, double *least)
{
    struct tuff_program *programs[MOST_CANDIDATES + 1] = {0};
    enum tuff_status status = TUFF_OK;
    const double sample = 2e-3; /* to be told that a run has ended takes a while: short ones go together */
    double once = 0, each = t->seconds / (double) (ROUNDS * n);
    size_t at_once[MOST_CANDIDATES + 1];
    bool same[MOST_CANDIDATES + 1] = {false}; /* a choice that comes to what another does */
    for (size_t i = 0; i < n && status == TUFF_OK; i++) {
        status = tuff_choice_set(t->device, call->name, i ? &list[i] : NULL);
        if (status == TUFF_OK)
            status = tune_alone_program(t->cli->ctx, x, &programs[i]);
        least[i] = 1e300;
        for (size_t k = 0; k < i && status == TUFF_OK; k++)
            same[i] |= tuff_program_numerics(programs[i]) == tuff_program_numerics(programs[k]);
        for (int warm = 0; warm < 2 && status == TUFF_OK && !same[i]; warm++)
            status = run_times(programs[i], 1, &once);
        at_once[i] = once > 0 && once < sample ? TUFF_MIN((size_t) (sample / once) + 1, 64) : 1;
    }
    for (int round = 0; round < ROUNDS; round++)
        for (size_t i = 0; i < n && status == TUFF_OK; i++) {
            if (same[i] || (round && least[i] > 2 * least[0])) /* no more time for the hopeless */
                continue;
            double begin = tuff_os_now();
            for (int k = 0; status == TUFF_OK && (k < LEAST_RUNS || tuff_os_now() - begin < each);
                 k++) {
                status = run_times(programs[i], at_once[i], &once);
                least[i] = TUFF_MIN(least[i], once);
            }
        }
    for (size_t i = 0; i < n; i++)
        tuff_program_destroy(programs[i]);
    return status;
}

static enum tuff_status tune_call(struct tune *t, struct call *call)
{
    struct tuff_choice list[MOST_CANDIDATES + 1] = {{{0}, 0}}; /* the first: the default */
    double least[MOST_CANDIDATES + 1];
    struct tune_alone x;
    size_t best = 0, n = 1 + call->node->op->candidates(call->node, tuff_device_info(t->device),
                                                        list + 1, MOST_CANDIDATES);
    enum tuff_status status = tune_alone_open(t->cli->ctx, t->device, call->node, &x);
    if (status == TUFF_OK)
        status = race(t, &x, call, list, n, least);
    tune_alone_close(&x);
    TUFF_TRY(status);
    for (size_t i = 1; i < n; i++)
        if (least[i] < least[best])
            best = i;
    if (least[best] > (1 - GAIN) * least[0])
        best = 0;
    call->before = least[0];
    call->after = least[best];
    call->winner = list[best];
    return tuff_choice_set(t->device, call->name, best ? &call->winner : NULL);
}

/* ---- the command ---- */

static void print_call(const struct call *c)
{
    char what[32] = "default";
    if (*c->winner.variant)
        snprintf(what, sizeof what, "%s %u", c->winner.variant, c->winner.tile);
    printf("%-44s x%-4d %9.3f ms  %-14s %9.3f ms  %5.2f x\n", c->name, c->count, c->before * 1e3,
           what, c->after * 1e3, c->before / c->after);
    fflush(stdout);
}

static enum tuff_status tune_calls(struct tune *t)
{
    double before = 0, after = 0;
    for (size_t i = 0; i < t->calls.n; i++) {
        struct call *call = &t->calls.items[i];
        TUFF_TRY(tune_call(t, call));
        print_call(call);
        before += call->before * call->count;
        after += call->after * call->count;
    }
    if (after > 0)
        printf("all of %s: %.3f ms, with the winners %.3f ms, %.2f x\n",
               t->generate ? "the programs" : "a step", before * 1e3, after * 1e3, before / after);
    return TUFF_OK;
}

/* The calls of a training step. */
static enum tuff_status tune_training(struct tune *t, struct tuff_store *store,
                                      struct tuff_model *model)
{
    struct tuff_trainer *trainer = NULL;
    double rate = 1e-3;
    enum tuff_status status = tuff_trainer_create(
        t->cli->ctx,
        &(struct tuff_trainer_params) {.store = store,
                                       .model = model,
                                       .batch = t->batch,
                                       .context = t->context,
                                       .optimizer = {.beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8,
                                                     .clip = 1, .lr = &rate, .lr_count = 1}},
        &trainer);
    if (status == TUFF_OK)
        status = collect(t, tuff_trainer_program(trainer));
    if (status == TUFF_OK)
        status = tune_calls(t);
    tuff_trainer_destroy(trainer);
    return status;
}

/* The calls of a prompt and of what follows it, of `batch` sequences. */
static enum tuff_status tune_generating(struct tune *t, struct tuff_store *store,
                                        struct tuff_model *model)
{
    struct tuff_generator *generator = NULL;
    enum tuff_status status = tuff_generator_create(
        t->cli->ctx,
        &(struct tuff_generator_params) {.store = store,
                                         .model = model,
                                         .sequences = t->batch,
                                         .context = t->context},
        &generator);
    for (size_t i = 0; status == TUFF_OK && i < generator->n_buckets; i++)
        status = collect(t, generator->buckets[i].program);
    if (status == TUFF_OK)
        status = tune_calls(t);
    tuff_generator_destroy(generator);
    return status;
}

static enum tuff_status tune(struct tune *t, const struct tuff_model_config *config)
{
    struct tuff_ctx *ctx = t->cli->ctx;
    struct tuff_store *store = NULL;
    struct tuff_model *model = NULL;
    enum tuff_status status =
        tuff_store_create_planned(ctx, tuff_device_info(t->device), &store);
    if (status == TUFF_OK)
        status = tuff_model_create(store, config, &model);
    if (status == TUFF_OK)
        status = (t->generate ? tune_generating : tune_training)(t, store, model);
    tuff_model_destroy(model);
    tuff_store_destroy(store);
    return status;
}

static int run(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    struct tune t = {.cli = cli, .command = command, .batch = 8, .seconds = 1};
    struct tuff_model_config config;
    char folder[4096];
    const struct cli_option options[] = {
        CLI_MODEL_OPTIONS(&t.model),
        {"batch", CLI_INT, &t.batch, "N", "sequences a micro-batch, or at once", 1, 1 << 20},
        {"context", CLI_INT, &t.context, "N", "tokens a sequence; 0: the model's", 0, 1 << 20},
        {"generate", CLI_FLAG, &t.generate, NULL, "the calls of generating, not of a training step", 0,
         0},
        {"seconds", CLI_REAL, &t.seconds, "S", "how long to measure each call", 0.001, 3600},
    };
    int code = cli_parse(cli, command, options, TUFF_COUNT(options), NULL, argc, argv);
    if (code < 0)
        code = cli_model_config(cli, command, &t.model, "mini", &config);
    if (code >= 0)
        return code;
    if (!cli_cache_folder(folder))
        return cli_error(command, CLI_FAILED, "neither XDG_CACHE_HOME nor HOME says where to keep "
                         "the winners");
    t.context = t.context ? t.context : TUFF_MIN(config.max_position_embeddings, 256);
    code = cli_open_device(cli, command, &t.device);
    if (code != CLI_OK)
        return code;
    if (tune(&t, &config) != TUFF_OK || tuff_tuning_save(t.device, folder) != TUFF_OK)
        code = cli_fail(cli, command);
    else
        printf("%zu choices for %s are kept in %s\n", tuff_tuning_count(t.device),
               tuff_device_info(t.device)->name, folder);
    tuff_device_destroy(t.device);
    free(t.calls.items);
    return code;
}

const struct cli_command cli_tune = {
    .name = "tune",
    .summary = "measure kernels for a model's sizes on this device, keep the fastest",
    .usage = "[OPTIONS]",
    .example = "tuff tune --preset mini --batch 8 --context 128",
    .run = run,
};
