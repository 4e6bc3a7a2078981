/* cli/bench_op: graphs of one op, and of the optimizer. */
#include "base/rng.h"
#include "cli/bench.h"
#include "cli/bench_memory.h"
#include "graph/plan.h"
#include "kernel/roof.h"
#include "tuff/ops.h"
#include "tuff/train.h"

static enum tuff_status run_program(void *user)
{
    TUFF_TRY(tuff_program_begin(user));
    return tuff_program_submit(user);
}

struct op_run {
    const struct bench *b;
    struct tuff_program *program;
};

static enum tuff_status run_op_program(void *user)
{
    const struct op_run *r = user;
    size_t n = (size_t) r->b->m;
    TUFF_TRY(tuff_program_begin(r->program));
    void *ids = r->b->ids ? tuff_program_input(r->program, r->b->ids) : NULL;
    void *buckets = r->b->buckets ? tuff_program_input(r->program, r->b->buckets) : NULL;
    if (ids)
        memcpy(ids, r->b->words, n * sizeof *r->b->words);
    if (buckets)
        memcpy(buckets, r->b->words + n, TUFF_EMBEDDING_BUCKET_WORDS(n) * sizeof *r->b->words);
    return tuff_program_submit(r->program);
}

/* Of half precision it is frozen: what can be trained is F32. */
static struct tuff_tensor *variable_of(struct tuff_graph *g, struct tuff_store *store,
                                       enum tuff_dtype dtype, const char *name, int rank,
                                       const int64_t *dims)
{
    struct tuff_variable *v = NULL;
    struct tuff_variable_params params = {
        .name = name, .dtype = dtype, .rank = rank,
        .role = dtype == TUFF_F32 ? TUFF_TRAINABLE : TUFF_FROZEN};
    memcpy(params.dims, dims, (size_t) rank * sizeof *dims);
    if (tuff_store_add(store, &params, &v) != TUFF_OK)
        return tuff_graph_fail(g, TUFF_E_ARG, "%s", tuff_error_text(tuff_store_ctx(store)));
    return tuff_use(g, v);
}

static struct tuff_tensor *variable(struct tuff_graph *g, struct tuff_store *store,
                                    const char *name, int rank, const int64_t *dims)
{
    return variable_of(g, store, TUFF_F32, name, rank, dims);
}

static enum tuff_status fill_random(struct tuff_store *store)
{
    for (size_t i = 0; i < tuff_store_count(store); i++) {
        struct tuff_variable *v = tuff_store_get(store, i);
        size_t n = (size_t) tuff_variable_elements(v);
        enum tuff_dtype dtype = tuff_variable_dtype(v);
        void *x = tuff_calloc(n, tuff_dtype_size(dtype));
        if (!x)
            return tuff_fail(tuff_store_ctx(store), TUFF_E_NOMEM, "bench: out of memory");
        struct tuff_rng rng;
        tuff_rng_init(&rng, 1, i);
        for (size_t k = 0; k < n; k++) {
            float value = (float) tuff_rng_uniform(&rng) - 0.5f;
            if (dtype == TUFF_F32)
                ((float *) x)[k] = value;
            else
                ((uint16_t *) x)[k] =
                    dtype == TUFF_F16 ? tuff_f32_to_f16(value) : tuff_f32_to_bf16(value);
        }
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
    return tuff_matmul(g, variable_of(g, s, b->half, "a", 3 - skip, a_dims + skip),
                       variable_of(g, s, b->half, "b", 3 - skip, b_dims + skip), .transpose_a = ta,
                       .transpose_b = tb, .dtype = b->half);
}

static struct tuff_tensor *build_attention(struct bench *b, struct tuff_graph *g,
                                           struct tuff_store *s)
{
    int64_t dims[3] = {b->batch, b->context, 3 * b->heads * b->head_size};
    struct tuff_tensor *qkv = variable_of(g, s, b->half, "qkv", 3, dims);
    struct tuff_tensor *y =
        tuff_attention(g, qkv, NULL, NULL, .heads = (int) b->heads, .causal = true);
    if (y && b->backward) { /* the gradient alone, without what gives and takes it */
        int64_t y_dims[3] = {b->batch, b->context, b->heads * b->head_size};
        struct tuff_tensor *dy[2] = {variable_of(g, s, b->half, "dy", 3, y_dims), NULL};
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

/* Embedding's ids, m of m rows by chance, and their buckets behind them. */
static struct tuff_tensor *add_ids(struct bench *b, struct tuff_graph *g)
{
    size_t n = (size_t) b->m;
    int64_t words = (int64_t) TUFF_EMBEDDING_BUCKET_WORDS(n);
    struct tuff_rng rng;
    b->words = tuff_calloc(n + (size_t) words, sizeof *b->words);
    if (!b->words)
        return tuff_graph_fail(g, TUFF_E_NOMEM, "bench: out of memory");
    tuff_rng_init(&rng, 1, 0);
    for (size_t i = 0; i < n; i++)
        b->words[i] = (uint32_t) tuff_rng_below(&rng, n);
    if (tuff_embedding_buckets(b->cli->ctx, b->words, n, b->words + n) != TUFF_OK)
        return tuff_graph_fail(g, TUFF_E_NOMEM, "%s", tuff_error_text(b->cli->ctx));
    b->buckets = b->backward ? tuff_input(g, "buckets", TUFF_U32, 1, &words) : NULL;
    return b->ids = tuff_input(g, "ids", TUFF_U32, 1, &b->m);
}

static struct tuff_tensor *build_op(struct bench *b, struct tuff_graph *g, struct tuff_store *s)
{
    int64_t dims[] = {b->m, b->n};
    if (!strcmp(b->op, "embedding") && !add_ids(b, g))
        return NULL;
    struct tuff_tensor *in[] = {variable_of(g, s, b->half, "x", 2, dims),
                                variable_of(g, s, b->half, "z", 2, dims),
                                variable(g, s, "weight", 1, &b->n), variable(g, s, "bias", 1, &b->n),
                                b->ids, b->buckets};
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
static int run_op(struct bench *b, const char *what,
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
        status = bench_measure(b, run_op_program, &(struct op_run) {b, program}, program, &o);
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
    free(b->words);
    tuff_program_destroy(program);
    tuff_store_destroy(store);
    return status == TUFF_OK ? CLI_OK : cli_fail(b->cli, b->command);
}

int bench_matmul(struct bench *b)
{
    return run_op(b, "matmul", build_matmul,
                  2.0 * (double) b->batch * (double) b->m * (double) b->n * (double) b->k, 0);
}

int bench_attention(struct bench *b)
{
    double pairs = (double) (b->batch * b->heads) * (double) b->context * (double) b->context / 2;
    return run_op(b, "attention", build_attention,
                  2 * pairs * (double) b->head_size * (b->backward ? 7 : 2), 0);
}

int bench_conv(struct bench *b)
{
    return run_op(b, "conv", build_conv, conv_flops(b) * (b->backward ? 3 : 1), 0);
}

int bench_copy(struct bench *b)
{
    return run_op(b, "copy", build_copy, 0, 2.0 * (double) b->megabytes * 1048576);
}

int bench_memory(struct bench *b)
{
    const char *wrong = bench_memory_op(b->op ? b->op : "", b->backward);
    if (wrong)
        return cli_error(b->command, CLI_USAGE, "--op \"%s\": %s", b->op ? b->op : "", wrong);
    return run_op(b, b->op, build_op, 0, -1);
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

int bench_adamw(struct bench *b)
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
        status = bench_measure(b, run_program, program, program, &o);
    if (status == TUFF_OK) {
        /* Clearing the gradient, 4 bytes, and its norm, as many, are in the time and not counted. */
        o.gbps = 28.0 * (double) b->parameters / o.median * 1e-9;
        o.counted = "28 bytes a parameter (w, g, m, v read; w, m, v written)";
        o.variant = program->launches[0].items[program->launches[0].n - 2].kernel;
        bench_report(b, "adamw", &o);
    }
    tuff_program_destroy(program);
    tuff_optimizer_destroy(adamw);
    tuff_store_destroy(store);
    return status == TUFF_OK ? CLI_OK : cli_fail(b->cli, b->command);
}
