/* cli/bench_decode: tuff bench decode: tokens of a whole model. */
#include "base/os.h"
#include "cli/bench.h"
#include "tuff/generate.h"

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
    bool *began;     /* [n], the sequences that have had a token */
    size_t waiting;  /* those that have not: their prompts are not in */
    double first;    /* seconds until all have had one */
    size_t tokens;   /* after that */
    double begin;
    size_t runs;
    double *firsts, *rests; /* [BENCH_WARM_UP + BENCH_RUNS], of every run: to `first`, from it on */
};

static bool on_token(void *user, size_t sequence, uint32_t token)
{
    struct decoding *d = user;
    (void) token;
    d->tokens += !d->waiting;
    if (d->began[sequence])
        return true;
    d->began[sequence] = true;
    if (!--d->waiting)
        d->first = tuff_os_now() - d->begin;
    return true;
}

static enum tuff_status run_decode(void *user)
{
    struct decoding *d = user;
    d->tokens = 0;
    d->waiting = d->n;
    memset(d->began, 0, d->n * sizeof *d->began);
    d->begin = tuff_os_now();
    TUFF_TRY(tuff_generate(d->generator, d->prompts, d->n, on_token, d));
    d->firsts[d->runs] = d->first;
    d->rests[d->runs++] = tuff_os_now() - d->begin - d->first;
    return TUFF_OK;
}

int bench_decode(struct bench *b)
{
    struct tuff_ctx *ctx = b->cli->ctx;
    struct tuff_model_config config;
    struct tuff_store *store = NULL;
    struct tuff_model *model = NULL;
    enum { RUNS = BENCH_WARM_UP + BENCH_RUNS };
    struct decoding d = {.n = (size_t) b->batch,
                         .began = tuff_calloc((size_t) b->batch, sizeof *d.began),
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
    if (status == TUFF_OK && (!prompt || !d.prompts || !d.began || !d.firsts || !d.rests))
        status = tuff_fail(ctx, TUFF_E_NOMEM, "bench: out of memory");
    for (size_t i = 0; prompt && d.prompts && i < d.n; i++)
        d.prompts[i] = (struct tuff_prompt) {
            .ids = prompt, .n = (size_t) b->prompt, .sampling = {.greedy = true}, .max_new_tokens = tokens};
    if (status == TUFF_OK)
        status = bench_measure(b, run_decode, &d, NULL, &o);
    if (status == TUFF_OK) {
        /* Without the prompts, run by run. */
        size_t n = d.runs - BENCH_WARM_UP;
        double seconds = bench_median(d.rests + BENCH_WARM_UP, n);
        double first = bench_median(d.firsts + BENCH_WARM_UP, n);
        o.tokens_per_s = (double) TUFF_MAX(d.tokens, 1) / seconds;
        o.gbps = (double) tuff_model_parameter_count(&config) * 4 * o.tokens_per_s / (double) d.n * 1e-9;
        bench_report(b, "decode", &o);
        if (!b->json)
            printf("prefill: %lld tokens in %.1f ms, %.1f tokens/s\n",
                   (long long) d.n * (long long) b->prompt, first * 1e3, (double) d.n * (double) b->prompt / first);
    }
    free(d.began);
    free(d.firsts);
    free(d.rests);
    free(d.prompts);
    free(prompt);
    tuff_generator_destroy(d.generator);
    tuff_model_destroy(model);
    tuff_store_destroy(store);
    return status == TUFF_OK ? CLI_OK : cli_fail(b->cli, b->command);
}
