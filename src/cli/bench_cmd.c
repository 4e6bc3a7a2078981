/* tuff bench: speeds of kernels and of whole steps, median of repeated runs after a warm-up. */
#include "base/os.h"
#include "base/rng.h"
#include "cli/bench.h"
#include "cli/bench_memory.h"
#include "cli/bench_tokenizer.h"
#include "cli/cli.h"
#include "cli/device.h"
#include "graph/plan.h"
#include "kernel/roof.h"
#include "tuff/generate.h"
#include "tuff/optim.h"
#include "tuff/ops.h"

#include <jansson.h>
#include <math.h>

static int by_value(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;
    return x < y ? -1 : x > y;
}

int bench_report(const struct bench *b, const char *what, const struct bench_outcome *o)
{
    const char *name = tuff_device_info(b->device)->name;
    if (b->json) {
        json_t *root = json_pack("{s:s, s:f, s:f, s:s}", "bench", what, "ms_median",
                                 o->median * 1e3, "ms_min", o->least * 1e3, "device", name);
        if (o->gflops > 0)
            json_object_set_new(root, "gflops", json_real(o->gflops));
        if (o->gbps > 0)
            json_object_set_new(root, "gbps", json_real(o->gbps));
        if (o->tokens_per_s > 0)
            json_object_set_new(root, "tokens_per_s", json_real(o->tokens_per_s));
        if (o->host_ms > 0)
            json_object_set_new(root, "host_ms_per_step", json_real(o->host_ms));
        if (o->activations)
            json_object_set_new(root, "activations", json_integer((json_int_t) o->activations));
        if (o->planned)
            json_object_set_new(root, "planned", json_integer((json_int_t) o->planned));
        if (o->taken)
            json_object_set_new(root, "allocated", json_integer((json_int_t) o->taken));
        if (o->resident)
            json_object_set_new(root, "resident", json_integer((json_int_t) o->resident));
        if (o->variant)
            json_object_set_new(root, "variant", json_string(o->variant));
        char *text = json_dumps(root, JSON_COMPACT);
        printf("%s\n", text ? text : "{}");
        free(text);
        json_decref(root);
        return CLI_OK;
    }
    printf("%s: %.3f ms median, %.3f ms least", what, o->median * 1e3, o->least * 1e3);
    if (o->gflops > 0)
        printf(", %.2f GFLOP/s", o->gflops);
    if (o->gbps > 0)
        printf(", %.2f GB/s", o->gbps);
    if (o->roof > 0)
        printf(" (%.0f %% of what is copied)", o->gbps * 1e11 / o->roof);
    if (o->tokens_per_s > 0)
        printf(", %.1f tokens/s", o->tokens_per_s);
    if (o->host_ms > 0)
        printf(", %.3f ms of host time a step", o->host_ms);
    if (o->activations)
        printf(", activations %.2f MiB", (double) o->activations / 1048576);
    printf(" (%s%s%s)\n", name, o->variant ? ", " : "", o->variant ? o->variant : "");
    return CLI_OK;
}

enum { RUNS_MOST = 10000, RUNS_WARM_UP = 2 }; /* from the second run on caches are warm */

static double median(double *values, size_t n)
{
    qsort(values, n, sizeof *values, by_value);
    return values[n / 2];
}

/* Runs there must be: few where each takes long. */
static size_t least(const struct bench *b, double start)
{
    return tuff_os_now() - start < 4 * b->seconds ? 5 : 3;
}

enum tuff_status bench_measure(const struct bench *b, enum tuff_status (*run)(void *), void *user,
                               struct bench_outcome *o)
{
    double *times = tuff_calloc(RUNS_MOST, sizeof *times), start = 0;
    size_t n = 0;
    enum tuff_status status =
        times ? TUFF_OK : tuff_fail(b->cli->ctx, TUFF_E_NOMEM, "bench: out of memory");
    for (int i = 0; i < RUNS_WARM_UP && status == TUFF_OK; i++)
        status = run(user);
    start = tuff_os_now();
    while (status == TUFF_OK && n < RUNS_MOST && (n < least(b, start) || tuff_os_now() - start < b->seconds)) {
        double begin = tuff_os_now();
        status = run(user);
        times[n++] = tuff_os_now() - begin;
    }
    if (status == TUFF_OK) {
        o->median = median(times, n);
        o->least = times[0];
    }
    free(times);
    return status;
}

/* ---- graphs of one op ---- */

static enum tuff_status run_program(void *user)
{
    TUFF_TRY(tuff_program_begin(user));
    TUFF_TRY(tuff_program_submit(user));
    return tuff_program_wait(user, 0);
}

static struct tuff_tensor *variable(struct tuff_graph *g, struct tuff_store *store,
                                    const char *name, int rank, const int64_t *dims)
{
    struct tuff_variable *v = NULL;
    struct tuff_variable_params params = {
        .name = name, .dtype = TUFF_F32, .rank = rank, .role = TUFF_TRAINABLE};
    memcpy(params.dims, dims, (size_t) rank * sizeof *dims);
    if (tuff_store_add(store, &params, &v) != TUFF_OK)
        return tuff_graph_fail(g, TUFF_E_ARG, "%s", tuff_error_text(tuff_store_ctx(store)));
    return tuff_use(g, v);
}

static enum tuff_status fill_random(struct tuff_store *store)
{
    for (size_t i = 0; i < tuff_store_count(store); i++) {
        struct tuff_variable *v = tuff_store_get(store, i);
        size_t n = (size_t) tuff_variable_elements(v);
        float *x = tuff_calloc(n, sizeof *x);
        if (!x)
            return tuff_fail(tuff_store_ctx(store), TUFF_E_NOMEM, "bench: out of memory");
        struct tuff_rng rng;
        tuff_rng_init(&rng, 1, i);
        for (size_t k = 0; k < n; k++)
            x[k] = (float) tuff_rng_uniform(&rng) - 0.5f;
        enum tuff_status status = tuff_variable_write(store, v, TUFF_VALUE, x);
        free(x);
        TUFF_TRY(status);
    }
    return TUFF_OK;
}

static struct tuff_tensor *build_matmul(struct bench *b, struct tuff_graph *g,
                                        struct tuff_store *s)
{
    bool ta = b->layout[0] == 't', tb = b->layout[1] == 't';
    int64_t a_dims[3] = {b->batch, ta ? b->k : b->m, ta ? b->m : b->k};
    int64_t b_dims[3] = {b->batch, tb ? b->n : b->k, tb ? b->k : b->n};
    int skip = b->batch == 1;
    return tuff_matmul(g, variable(g, s, "a", 3 - skip, a_dims + skip),
                       variable(g, s, "b", 3 - skip, b_dims + skip), .transpose_a = ta,
                       .transpose_b = tb);
}

static struct tuff_tensor *build_attention(struct bench *b, struct tuff_graph *g,
                                           struct tuff_store *s)
{
    int64_t dims[3] = {b->batch, b->context, 3 * b->heads * b->head_size};
    struct tuff_tensor *qkv = variable(g, s, "qkv", 3, dims);
    struct tuff_tensor *y =
        tuff_attention(g, qkv, NULL, NULL, .heads = (int) b->heads, .causal = true);
    if (y && b->backward) { /* the gradient alone, without what gives and takes it */
        int64_t y_dims[3] = {b->batch, b->context, b->heads * b->head_size};
        struct tuff_tensor *dy[2] = {variable(g, s, "dy", 3, y_dims), NULL};
        struct tuff_tensor *dx[TUFF_NODE_INPUTS] = {0};
        y->producer->op->grad(g, y->producer, dy, dx);
        if (dx[0])
            dx[0]->storage->keep = true;
    }
    return y;
}

static struct tuff_tensor *build_conv(struct bench *b, struct tuff_graph *g, struct tuff_store *s)
{
    int64_t x_dims[] = {b->batch, b->height, b->width, b->channels};
    int64_t w_dims[] = {b->out_channels, b->kernel, b->kernel, b->channels};
    struct tuff_tensor *y = tuff_conv2d(g, variable(g, s, "x", 4, x_dims),
                                        variable(g, s, "weight", 4, w_dims),
                                        .stride = (int) b->stride, .padding = (int) b->padding);
    if (b->backward)
        tuff_backward(g, tuff_sum(g, y));
    return y;
}

/* Of the forward pass; each of the two gradients has as many. */
static double conv_flops(const struct bench *b)
{
    double h = (double) ((b->height + 2 * b->padding - b->kernel) / b->stride + 1);
    double w = (double) ((b->width + 2 * b->padding - b->kernel) / b->stride + 1);
    return 2 * (double) b->batch * h * w * (double) b->out_channels * (double) b->channels *
           (double) (b->kernel * b->kernel);
}

static struct tuff_tensor *build_copy(struct bench *b, struct tuff_graph *g, struct tuff_store *s)
{
    int64_t n = b->megabytes * 262144;
    return tuff_copy(g, variable(g, s, "x", 1, &n));
}

static struct tuff_tensor *build_op(struct bench *b, struct tuff_graph *g, struct tuff_store *s)
{
    int64_t dims[] = {b->m, b->n};
    struct tuff_tensor *in[] = {variable(g, s, "x", 2, dims), variable(g, s, "z", 2, dims),
                                variable(g, s, "weight", 1, &b->n), variable(g, s, "bias", 1, &b->n)};
    return bench_memory_build(g, b->op, in, b->backward);
}

/* What the program's launches read and write. */
static double launched_bytes(const struct tuff_program *program)
{
    double bytes = 0;
    for (size_t i = 0; i < program->launches[0].n; i++)
        bytes += program->launches[0].items[i].bytes_read + program->launches[0].items[i].bytes_written;
    return bytes;
}

/* bytes < 0: those of the launches, compared with what a copy reaches. */
static int bench_op(struct bench *b, const char *what,
                    struct tuff_tensor *(*build)(struct bench *, struct tuff_graph *,
                                                 struct tuff_store *),
                    double flops, double bytes)
{
    struct tuff_store *store = NULL;
    struct tuff_graph *g = NULL;
    struct tuff_program *program = NULL;
    struct bench_outcome o = {0};
    enum tuff_status status = tuff_store_create(b->cli->ctx, b->device, &store);
    if (status == TUFF_OK)
        status = tuff_graph_create(b->cli->ctx, &g);
    if (status == TUFF_OK) {
        struct tuff_tensor *y = build(b, g, store);
        if (y)
            y->storage->keep = true; /* nobody reads it, and it is to be computed all the same */
        status = tuff_program_create(
            store, g, &(struct tuff_program_params) {.name = what, .generic = b->generic},
            &program);
    }
    if (status == TUFF_OK)
        status = tuff_store_allocate(store, b->backward, 0);
    if (status == TUFF_OK)
        status = fill_random(store);
    if (status == TUFF_OK)
        status = bench_measure(b, run_program, program, &o);
    if (status == TUFF_OK) {
        o.gflops = flops / o.median * 1e-9;
        struct tuff_roofs roofs = {0};
        if (bytes < 0 && tuff_roofs_measure(b->device, &roofs) == TUFF_OK)
            o.roof = roofs.copy;
        o.gbps = (bytes < 0 ? launched_bytes(program) : bytes) / o.median * 1e-9;
        o.variant = program->launches[0].items[program->launches[0].n - 1].kernel;
        struct tuff_plan_sizes sizes;
        tuff_program_sizes(program, &sizes);
        o.activations = sizes.activations;
        bench_report(b, what, &o);
    }
    tuff_program_destroy(program);
    tuff_store_destroy(store);
    return status == TUFF_OK ? CLI_OK : cli_fail(b->cli, b->command);
}

/* ---- the optimizer ---- */

/* Gradient norm and AdamW over variables of 2^20 parameters; gradients are zeroes from the second
 * run on, which costs the same. */
static enum tuff_status build_adamw(const struct bench *b, struct tuff_store *store,
                                    struct tuff_graph *g, struct tuff_optimizer **adamw)
{
    enum { MOST = 1 << 20 };
    double rate = 3e-4;
    for (int64_t at = 0; at < b->parameters; at += MOST) {
        char name[32];
        int64_t n = TUFF_MIN(b->parameters - at, MOST);
        snprintf(name, sizeof name, "p%lld", (long long) (at / MOST));
        variable(g, store, name, 1, &n);
    }
    TUFF_TRY(tuff_graph_status(g));
    TUFF_TRY(tuff_optimizer_create(store,
                               &(struct tuff_optimizer_params) {.beta1 = 0.9, .beta2 = 0.95,
                                                            .eps = 1e-8, .clip = 1, .lr = &rate,
                                                            .lr_count = 1, .weight_decay = {0.1}},
                               adamw));
    tuff_optimizer_apply(g, *adamw, NULL, NULL);
    return tuff_graph_status(g);
}

static int bench_adamw(struct bench *b)
{
    struct tuff_store *store = NULL;
    struct tuff_graph *g = NULL;
    struct tuff_optimizer *adamw = NULL;
    struct tuff_program *program = NULL;
    struct bench_outcome o = {0};
    enum tuff_status status = tuff_store_create(b->cli->ctx, b->device, &store);
    if (status == TUFF_OK)
        status = tuff_graph_create(b->cli->ctx, &g);
    if (status == TUFF_OK)
        status = build_adamw(b, store, g, &adamw);
    if (status == TUFF_OK)
        status = tuff_program_create(
            store, g, &(struct tuff_program_params) {.name = "adamw", .generic = b->generic},
            &program);
    if (status == TUFF_OK)
        status = tuff_store_allocate(store, true, 2);
    if (status == TUFF_OK)
        status = fill_random(store);
    if (status == TUFF_OK)
        status = tuff_optimizer_start(adamw, 0);
    if (status == TUFF_OK)
        status = bench_measure(b, run_program, program, &o);
    if (status == TUFF_OK) {
        o.gbps = 32.0 * (double) b->parameters / o.median * 1e-9;
        o.variant = program->launches[0].items[program->launches[0].n - 2].kernel;
        bench_report(b, "adamw", &o);
    }
    tuff_program_destroy(program);
    tuff_optimizer_destroy(adamw);
    tuff_store_destroy(store);
    return status == TUFF_OK ? CLI_OK : cli_fail(b->cli, b->command);
}

/* ---- whole models ---- */

void bench_model_config(const struct bench *b, struct tuff_model_config *config)
{
    *config = (struct tuff_model_config) {.model_type = "gpt2",
                                          .vocab_size = b->vocab,
                                          .max_position_embeddings = b->context,
                                          .hidden_size = b->width,
                                          .num_hidden_layers = b->layers,
                                          .num_attention_heads = b->heads,
                                          .norm_eps = 1e-5,
                                          .initializer_range = 0.02,
                                          .activation = TUFF_ACT_GELU_TANH,
                                          .tie_word_embeddings = true};
}

struct decoding {
    struct tuff_generator *generator;
    struct tuff_prompt *prompts;
    size_t n;
    double first; /* seconds until the first token */
    double begin;
    size_t runs;
    double *firsts, *rests; /* [RUNS_WARM_UP + RUNS_MOST], of every run: to the first token, from it on */
};

static bool on_token(void *user, size_t sequence, uint32_t token)
{
    struct decoding *d = user;
    (void) token;
    if (!sequence && d->first == 0)
        d->first = tuff_os_now() - d->begin;
    return true;
}

static enum tuff_status run_decode(void *user)
{
    struct decoding *d = user;
    d->first = 0;
    d->begin = tuff_os_now();
    TUFF_TRY(tuff_generate(d->generator, d->prompts, d->n, on_token, d));
    d->firsts[d->runs] = d->first;
    d->rests[d->runs++] = tuff_os_now() - d->begin - d->first;
    return TUFF_OK;
}

static int bench_decode(struct bench *b)
{
    struct tuff_ctx *ctx = b->cli->ctx;
    struct tuff_model_config config;
    struct tuff_store *store = NULL;
    struct tuff_model *model = NULL;
    enum { RUNS = RUNS_WARM_UP + RUNS_MOST };
    struct decoding d = {.n = (size_t) b->batch,
                         .firsts = tuff_calloc(RUNS, sizeof *d.firsts),
                         .rests = tuff_calloc(RUNS, sizeof *d.rests)};
    struct bench_outcome o = {0};
    uint32_t *prompt = tuff_calloc((size_t) b->prompt, sizeof *prompt);
    bench_model_config(b, &config);
    int64_t tokens = TUFF_MIN(b->tokens, b->context - b->prompt);
    enum tuff_status status = tuff_store_create(ctx, b->device, &store);
    if (status == TUFF_OK)
        status = tuff_model_create(store, &config, &model);
    if (status == TUFF_OK)
        status = tuff_generator_create(ctx,
                                       &(struct tuff_generator_params) {.store = store,
                                                                        .model = model,
                                                                        .sequences = b->batch,
                                                                        .generic = b->generic},
                                       &d.generator);
    if (status == TUFF_OK)
        status = tuff_store_allocate(store, false, 0);
    if (status == TUFF_OK)
        status = tuff_model_init(model, 1);
    d.prompts = tuff_calloc(d.n, sizeof *d.prompts);
    if (status == TUFF_OK && (!prompt || !d.prompts || !d.firsts || !d.rests))
        status = tuff_fail(ctx, TUFF_E_NOMEM, "bench: out of memory");
    for (size_t i = 0; prompt && d.prompts && i < d.n; i++)
        d.prompts[i] = (struct tuff_prompt) {
            .ids = prompt, .n = (size_t) b->prompt, .sampling = {.greedy = true}, .max_new_tokens = tokens};
    if (status == TUFF_OK)
        status = bench_measure(b, run_decode, &d, &o);
    if (status == TUFF_OK) {
        /* Without the prefill step that gave the first token, run by run. */
        size_t n = d.runs - RUNS_WARM_UP;
        double seconds = median(d.rests + RUNS_WARM_UP, n);
        double first = median(d.firsts + RUNS_WARM_UP, n);
        o.tokens_per_s = (double) (d.n * (size_t) TUFF_MAX(tokens - 1, 1)) / seconds;
        o.gbps = (double) tuff_model_parameter_count(&config) * 4 * (double) (tokens - 1) / seconds *
                 1e-9;
        bench_report(b, "decode", &o);
        /* With several, the first token comes before the other prompts are in. */
        if (d.n == 1 && !b->json)
            printf("prefill: %lld tokens in %.1f ms, %.1f tokens/s\n", (long long) b->prompt,
                   first * 1e3, (double) b->prompt / first);
    }
    free(d.firsts);
    free(d.rests);
    free(d.prompts);
    free(prompt);
    tuff_generator_destroy(d.generator);
    tuff_model_destroy(model);
    tuff_store_destroy(store);
    return status == TUFF_OK ? CLI_OK : cli_fail(b->cli, b->command);
}

static int check(const struct bench *b)
{
    static const char *const layouts[] = {"nn", "nt", "tn", "tt"};
    bool known = false;
    for (size_t i = 0; i < TUFF_COUNT(layouts); i++)
        known |= !strcmp(b->layout, layouts[i]);
    if (!known)
        return cli_error(b->command, CLI_USAGE, "--layout \"%s\": nn, nt, tn or tt", b->layout);
    if (b->cli->kernels) {
        size_t i = 0;
        while (tuff_device_kernels[i] && strcmp(tuff_device_kernels[i], b->cli->kernels))
            i++;
        if (!tuff_device_kernels[i])
            return cli_error(b->command, CLI_USAGE, "--variant \"%s\": generic, cpu, packed, tiled, "
                             "tiled.s, .m or .l, coopmat, coopmat.s, .m or .l", b->cli->kernels);
    }
    bool half = b->lora && (!strcmp(b->dtype, "bf16") || !strcmp(b->dtype, "f16"));
    if (strcmp(b->dtype, "f32") && !half)
        return cli_error(b->command, CLI_USAGE, "--dtype \"%s\": f32, or with --lora f16 or bf16",
                         b->dtype);
    return CLI_OK;
}

static int run(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    struct bench b = {.cli = cli, .command = command, .m = 1024, .n = 1024, .k = 1024, .batch = 1,
                      .layers = 6, .heads = 6, .width = INT64_MIN, .context = 256, .vocab = 65,
                      .tokens = 64, .prompt = 1, .head_size = 64, .channels = 64, .out_channels = 64,
                      .height = 32, .kernel = 3, .stride = 1, .padding = 1, .megabytes = 64,
                      .parameters = 1 << 24, .seconds = 2, .layout = "nt",
                      .dtype = "f32"};
    const char *tokenizer = NULL, *text = NULL, *wrong = NULL;
    int64_t threads = 0;
    const struct cli_option options[] = {
        {"m", CLI_INT, &b.m, "N", "matmul, op: rows", 1, 1 << 20},
        {"n", CLI_INT, &b.n, "N", "matmul, op: columns", 1, 1 << 20},
        {"k", CLI_INT, &b.k, "N", "matmul: inner size", 1, 1 << 20},
        {"layout", CLI_STRING, &b.layout, "L", "matmul: nn, nt, tn or tt (t: transposed)", 0, 0},
        {"dtype", CLI_STRING, &b.dtype, "T", "matmul: f32; train --lora: of frozen matrices, f16 or "
         "bf16 too", 0, 0},
        {"op", CLI_STRING, &b.op, "NAME", "op: add, gelu, layer_norm, softmax, ...", 0, 0},
        {"amp", CLI_STRING, &b.amp, "O1", "train: see tuff train", 0, 0},
        {"amp-dtype", CLI_STRING, &b.amp_dtype, "T", "train: see tuff train", 0, 0},
        {"checkpoint", CLI_STRING, &b.checkpoint, "block", "train: see tuff train", 0, 0},
        {"config", CLI_STRING, &b.config, "FILE", "train: a model of that config.json", 0, 0},
        {"lora", CLI_STRING, &b.lora, "WHAT", "train: adapters, as tuff train has them", 0, 0},
        {"no-fuse", CLI_FLAG, &b.unfused, NULL, "train: every op by itself", 0, 0},
        {"batch", CLI_INT, &b.batch, "N", "matrices, rows, sequences or images", 1, 65535},
        {"layers", CLI_INT, &b.layers, "N", "train, decode: blocks", 1, 4096},
        {"heads", CLI_INT, &b.heads, "N", "train, decode, attention: heads", 1, 4096},
        {"head-size", CLI_INT, &b.head_size, "N", "attention: size of a head", 4, 256},
        {"width", CLI_INT, &b.width, "N", "train, decode: channels [384]; conv: columns [32]", 1,
         65536},
        {"context", CLI_INT, &b.context, "N", "train, decode, attention: tokens", 1, 1 << 20},
        {"vocab", CLI_INT, &b.vocab, "N", "train, decode: vocabulary", 1, 1 << 24},
        {"tokens", CLI_INT, &b.tokens, "N", "decode: new tokens a run", 2, 1 << 20},
        {"prompt", CLI_INT, &b.prompt, "N", "decode: tokens of each prompt", 1, 1 << 20},
        {"channels", CLI_INT, &b.channels, "N", "conv: channels of an image", 1, 65536},
        {"out-channels", CLI_INT, &b.out_channels, "N", "conv: channels of the result", 1, 65536},
        {"height", CLI_INT, &b.height, "N", "conv: rows of an image", 1, 65536},
        {"kernel", CLI_INT, &b.kernel, "N", "conv: rows and columns of the kernel", 1, 64},
        {"stride", CLI_INT, &b.stride, "N", "conv: pixels between windows", 1, 64},
        {"padding", CLI_INT, &b.padding, "N", "conv: zeros on each side", 0, 64},
        {"backward", CLI_FLAG, &b.backward, NULL, "attention, conv, op: with the gradients", 0, 0},
        {"parameters", CLI_INT, &b.parameters, "N", "adamw: parameters to update", 1, 1 << 30},
        {"megabytes", CLI_INT, &b.megabytes, "N", "copy: MiB to copy", 1, 4096},
        {"tokenizer", CLI_STRING, &tokenizer, "DIR|FILE", "tokenizer: the one to measure", 0, 0},
        {"text", CLI_STRING, &text, "FILE", "tokenizer: what to encode", 0, 0},
        {"threads", CLI_INT, &threads, "N", "tokenizer: of batches; 0: one a core", 0, 256},
        {"seconds", CLI_REAL, &b.seconds, "S", "how long to repeat", 0.01, 3600},
        {"generic", CLI_FLAG, &b.generic, NULL, "only kernels that run on any device", 0, 0},
        {"variant", CLI_STRING, &cli->kernels, "V",
         "kernels to take: generic, cpu, packed, tiled(.s, .m, .l), coopmat(.s, .m, .l)", 0, 0},
        {"json", CLI_FLAG, &b.json, NULL, "one JSON object as the last line", 0, 0},
    };
    struct cli_strings words = {0};
    int code = cli_parse(cli, command, options, TUFF_COUNT(options), &words, argc, argv);
    const char *what = words.n == 1 ? words.items[0] : "";
    free(words.items);
    if (code >= 0)
        return code;
    if (b.width == INT64_MIN)
        b.width = strcmp(what, "conv") ? 384 : 32;
    code = check(&b);
    if (code != CLI_OK)
        return code;
    if (!strcmp(what, "tokenizer"))
        return bench_tokenizer(cli, command, tokenizer, text, (int) threads, b.seconds, b.json);
    cli->quiet |= b.json;
    code = cli_open_device(cli, command, &b.device);
    if (code != CLI_OK)
        return code;
    double pairs = (double) (b.batch * b.heads) * (double) b.context * (double) b.context / 2;
    if (!strcmp(what, "matmul"))
        code = bench_op(&b, what, build_matmul,
                        2.0 * (double) b.batch * (double) b.m * (double) b.n * (double) b.k, 0);
    else if (!strcmp(what, "attention"))
        code = bench_op(&b, what, build_attention,
                        2 * pairs * (double) b.head_size * (b.backward ? 7 : 2), 0);
    else if (!strcmp(what, "conv"))
        code = bench_op(&b, what, build_conv, conv_flops(&b) * (b.backward ? 3 : 1), 0);
    else if (!strcmp(what, "op") && (wrong = bench_memory_op(b.op ? b.op : "", b.backward)))
        code = cli_error(command, CLI_USAGE, "--op \"%s\": %s", b.op ? b.op : "", wrong);
    else if (!strcmp(what, "op"))
        code = bench_op(&b, b.op, build_op, 0, -1);
    else if (!strcmp(what, "copy"))
        code = bench_op(&b, what, build_copy, 0, 2.0 * (double) b.megabytes * 1048576);
    else if (!strcmp(what, "adamw"))
        code = bench_adamw(&b);
    else if (!strcmp(what, "train"))
        code = bench_train(&b);
    else if (!strcmp(what, "decode"))
        code = bench_decode(&b);
    else
        code = cli_error(command, CLI_USAGE,
                         "say what to measure: matmul, attention, conv, op, adamw, train, decode, copy "
                         "or tokenizer");
    tuff_device_destroy(b.device);
    return code;
}

const struct cli_command cli_bench = {
    .name = "bench",
    .summary = "measure kernels, training steps, decoding, tokenizers",
    .usage = "matmul|attention|conv|op|adamw|train|decode|copy|tokenizer [OPTIONS]",
    .example = "tuff bench matmul --m 512 --n 512 --k 512 --layout nt",
    .run = run,
};
