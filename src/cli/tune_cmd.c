/* tuff tune: measures what may compute the calls of a model, and keeps what was fastest. */
#include "base/os.h"
#include "base/rng.h"
#include "cli/cli.h"
#include "cli/device.h"
#include "cli/model.h"
#include "graph/plan.h"
#include "ops/matmul_packed.h"
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
        if (!*name || !node->live || node->op != &tuff_op_matmul)
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

/* ---- one call alone ---- */

struct alone {
    struct tuff_store *store;
    struct tuff_variable *a, *b;
    const struct tuff_node *node; /* the call in its model */
};

/* The row pitch of an operand counts (typed loads want multiples of 4), so it is kept: the variable is
 * as wide as the pitch. */
static int64_t pitch_of(const struct tuff_tensor *t)
{
    return TUFF_MAX(t->strides[t->rank - 2], t->dims[t->rank - 1]);
}

static enum tuff_status add(struct alone *x, const char *name, const struct tuff_tensor *like,
                            struct tuff_variable **v)
{
    struct tuff_variable_params params = {
        .name = name, .dtype = TUFF_F32, .rank = like->rank, .role = TUFF_FROZEN};
    memcpy(params.dims, like->dims, sizeof params.dims);
    params.dims[like->rank - 1] = pitch_of(like);
    return tuff_store_add(x->store, &params, v);
}

static enum tuff_status fill(struct alone *x, struct tuff_variable *v)
{
    size_t n = (size_t) tuff_variable_elements(v);
    float *data = tuff_calloc(n, sizeof *data);
    struct tuff_rng rng;
    if (!data)
        return tuff_fail(tuff_store_ctx(x->store), TUFF_E_NOMEM, "tune: out of memory");
    tuff_rng_init(&rng, 1, n);
    for (size_t i = 0; i < n; i++)
        data[i] = (float) tuff_rng_uniform(&rng) - 0.5f;
    enum tuff_status status = tuff_variable_write(x->store, v, TUFF_VALUE, data);
    free(data);
    return status;
}

static enum tuff_status open_alone(struct tune *t, const struct call *call, struct alone *x)
{
    const struct tuff_node *node = call->node;
    *x = (struct alone) {.node = node};
    TUFF_TRY(tuff_store_create(t->cli->ctx, t->device, &x->store));
    TUFF_TRY(add(x, "a", node->in[MATMUL_A], &x->a));
    TUFF_TRY(add(x, "b", node->in[MATMUL_B], &x->b));
    TUFF_TRY(tuff_store_allocate(x->store, false, 0));
    TUFF_TRY(fill(x, x->a));
    return fill(x, x->b);
}

static struct tuff_tensor *operand(struct tuff_graph *g, struct tuff_variable *v,
                                   const struct tuff_tensor *like)
{
    struct tuff_tensor *x = tuff_use(g, v);
    int last = like->rank - 1;
    return pitch_of(like) == like->dims[last] ? x : tuff_slice(g, x, last, 0, like->dims[last]);
}

static enum tuff_status program_of(struct tune *t, const struct alone *x,
                                   struct tuff_program **program)
{
    struct tuff_graph *g;
    const struct tuff_matmul_attr *attr = x->node->attr;
    TUFF_TRY(tuff_graph_create(t->cli->ctx, &g));
    struct tuff_tensor *y =
        tuff_matmul(g, operand(g, x->a, x->node->in[MATMUL_A]),
                    operand(g, x->b, x->node->in[MATMUL_B]), .transpose_a = attr->ta,
                    .transpose_b = attr->tb);
    if (y)
        y->storage->keep = true; /* nobody reads it, and it is to be computed all the same */
    return tuff_program_create(x->store, g, &(struct tuff_program_params) {.name = "tune"}, program);
}

static enum tuff_status run_once(struct tuff_program *p, double *seconds)
{
    double begin = tuff_os_now();
    TUFF_TRY(tuff_program_begin(p));
    TUFF_TRY(tuff_program_submit(p));
    TUFF_TRY(tuff_program_wait(p, 0));
    *seconds = tuff_os_now() - begin;
    return TUFF_OK;
}

/* Least seconds of each choice; in rounds, so that what else the machine does meets all of them. */
static enum tuff_status race(struct tune *t, const struct alone *x, const struct call *call,
                             const struct tuff_choice *list, size_t n, double *least)
{
    struct tuff_program *programs[MOST_CANDIDATES + 1] = {0};
    enum tuff_status status = TUFF_OK;
    double once, each = t->seconds / (double) (ROUNDS * n);
    bool same[MOST_CANDIDATES + 1] = {false}; /* a choice that comes to what the default does */
    for (size_t i = 0; i < n && status == TUFF_OK; i++) {
        status = tuff_choice_set(t->device, call->name, i ? &list[i] : NULL);
        if (status == TUFF_OK)
            status = program_of(t, x, &programs[i]);
        for (int warm = 0; warm < 2 && status == TUFF_OK; warm++)
            status = run_once(programs[i], &once);
        least[i] = 1e300;
        same[i] = i && status == TUFF_OK &&
                  tuff_program_numerics(programs[i]) == tuff_program_numerics(programs[0]);
    }
    for (int round = 0; round < ROUNDS; round++)
        for (size_t i = 0; i < n && status == TUFF_OK; i++) {
            if (same[i] || (round && least[i] > 2 * least[0])) /* no more time for the hopeless */
                continue;
            double begin = tuff_os_now();
            for (int k = 0; status == TUFF_OK && (k < LEAST_RUNS || tuff_os_now() - begin < each);
                 k++) {
                status = run_once(programs[i], &once);
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
    struct alone x;
    size_t best = 0, n = 1 + call->node->op->candidates(call->node, tuff_device_info(t->device),
                                                        list + 1, MOST_CANDIDATES);
    enum tuff_status status = open_alone(t, call, &x);
    if (status == TUFF_OK)
        status = race(t, &x, call, list, n, least);
    tuff_store_destroy(x.store);
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
    printf("%-36s x%-4d %9.3f ms  %-14s %9.3f ms  %5.2f x\n", c->name, c->count, c->before * 1e3,
           what, c->after * 1e3, c->before / c->after);
    fflush(stdout);
}

static enum tuff_status tune(struct tune *t, const struct tuff_model_config *config)
{
    struct tuff_ctx *ctx = t->cli->ctx;
    struct tuff_store *store = NULL;
    struct tuff_model *model = NULL;
    struct tuff_trainer *trainer = NULL;
    double rate = 1e-3, before = 0, after = 0;
    enum tuff_status status =
        tuff_store_create_planned(ctx, tuff_device_info(t->device), &store);
    if (status == TUFF_OK)
        status = tuff_model_create(store, config, &model);
    if (status == TUFF_OK)
        status = tuff_trainer_create(
            ctx,
            &(struct tuff_trainer_params) {.store = store,
                                           .model = model,
                                           .batch = t->batch,
                                           .context = t->context,
                                           .optimizer = {.beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8,
                                                     .clip = 1, .lr = &rate, .lr_count = 1}},
            &trainer);
    if (status == TUFF_OK)
        status = collect(t, tuff_trainer_program(trainer));
    for (size_t i = 0; i < t->calls.n && status == TUFF_OK; i++) {
        struct call *call = &t->calls.items[i];
        status = tune_call(t, call);
        if (status != TUFF_OK)
            break;
        print_call(call);
        before += call->before * call->count;
        after += call->after * call->count;
    }
    tuff_trainer_destroy(trainer);
    tuff_model_destroy(model);
    tuff_store_destroy(store);
    if (status == TUFF_OK && after > 0)
        printf("all of a step: %.3f ms, with the winners %.3f ms, %.2f x\n", before * 1e3,
               after * 1e3, before / after);
    return status;
}

static int run(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    struct tune t = {.cli = cli, .command = command, .batch = 8, .seconds = 1};
    struct tuff_model_config config;
    char folder[4096];
    const struct cli_option options[] = {
        CLI_MODEL_OPTIONS(&t.model),
        {"batch", CLI_INT, &t.batch, "N", "sequences a micro-batch", 1, 1 << 20},
        {"context", CLI_INT, &t.context, "N", "tokens a sequence; 0: the model's", 0, 1 << 20},
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
