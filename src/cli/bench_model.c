/* cli/bench_model: training steps and decoding of whole models. */
#include "base/os.h"
#include "base/rng.h"
#include "cli/bench.h"
#include "tuff/generate.h"
#include "tuff/train.h"

static void model_config(const struct bench *b, struct tuff_model_config *config)
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

struct training {
    struct tuff_trainer *trainer;
    uint32_t *ids, *targets;
    uint64_t counted;
    double loss;
};

/* One step, waited for, so that its time is its own. */
static enum tuff_status run_step(void *user)
{
    struct training *t = user;
    struct tuff_step_result result;
    bool have;
    TUFF_TRY(tuff_trainer_step(t->trainer, (const uint32_t *const *) &t->ids,
                               (const uint32_t *const *) &t->targets, 1, t->counted));
    TUFF_TRY(tuff_trainer_result(t->trainer, true, &have, &result));
    t->loss = result.loss;
    return TUFF_OK;
}

int bench_train(struct bench *b)
{
    struct tuff_ctx *ctx = b->cli->ctx;
    struct tuff_model_config config;
    struct tuff_store *store = NULL;
    struct tuff_model *model = NULL;
    struct training t = {.counted = (uint64_t) (b->batch * b->context)};
    struct bench_outcome o = {0};
    double rate = 3e-4;
    uint64_t memory;
    int blocks, code = cli_memory_words(b->command, b->checkpoint, NULL, &blocks, &memory);
    enum tuff_dtype amp_dtype = TUFF_F32;
    int amp = 0;
    if (code < 0)
        code = cli_amp_words(b->command, b->amp, b->amp_dtype, &amp, &amp_dtype);
    if (code >= 0)
        return code;
    model_config(b, &config);
    enum tuff_status status = tuff_store_create(ctx, b->device, &store);
    if (status == TUFF_OK)
        status = tuff_model_create(store, &config, &model);
    if (status == TUFF_OK)
        status = tuff_trainer_create(
            ctx,
            &(struct tuff_trainer_params) {.store = store,
                                           .model = model,
                                           .batch = b->batch,
                                           .context = b->context,
                                           .eval_batch = 1,
                                           .unfused = b->unfused,
                                           .checkpoint = blocks,
                                           .amp = amp,
                                           .amp_dtype = amp_dtype,
                                           .generic = b->generic,
                                           .optimizer = {.beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8,
                                                     .clip = 1, .lr = &rate, .lr_count = 1,
                                                     .weight_decay = {0.1}}},
            &t.trainer);
    if (status == TUFF_OK)
        status = tuff_model_init(model, 1);
    if (status == TUFF_OK)
        status = tuff_trainer_start(t.trainer, 0, 0);
    t.ids = tuff_calloc(2 * t.counted, sizeof *t.ids);
    t.targets = t.ids ? t.ids + t.counted : NULL;
    struct tuff_rng rng;
    tuff_rng_init(&rng, 2, 0);
    for (uint64_t i = 0; t.ids && i < 2 * t.counted; i++)
        t.ids[i] = (uint32_t) tuff_rng_below(&rng, (uint64_t) b->vocab);
    if (status == TUFF_OK && t.ids)
        status = bench_measure(b, run_step, &t, &o);
    if (status == TUFF_OK) {
        struct tuff_plan_sizes sizes;
        tuff_trainer_sizes(t.trainer, &sizes);
        o.tokens_per_s = (double) t.counted / o.median;
        o.gflops = sizes.flops / o.median * 1e-9;
        o.host_ms = tuff_trainer_host_seconds(t.trainer) * 1e3;
        bench_report(b, "train", &o);
        if (!b->json)
            printf("loss after the last step %.4f; activations %.1f MiB\n", t.loss,
                   (double) sizes.activations / 1048576);
    }
    free(t.ids);
    tuff_trainer_destroy(t.trainer);
    tuff_model_destroy(model);
    tuff_store_destroy(store);
    return status == TUFF_OK ? CLI_OK : cli_fail(b->cli, b->command);
}

struct decoding {
    struct tuff_generator *generator;
    struct tuff_prompt *prompts;
    size_t n;
    double first; /* seconds until the first token */
    double begin;
    size_t runs;
    double *firsts, *rests; /* [BENCH_WARM_UP + BENCH_RUNS], of every run: to the first token, from it on */
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

int bench_decode(struct bench *b)
{
    struct tuff_ctx *ctx = b->cli->ctx;
    struct tuff_model_config config;
    struct tuff_store *store = NULL;
    struct tuff_model *model = NULL;
    enum { RUNS = BENCH_WARM_UP + BENCH_RUNS };
    struct decoding d = {.n = (size_t) b->batch,
                         .firsts = tuff_calloc(RUNS, sizeof *d.firsts),
                         .rests = tuff_calloc(RUNS, sizeof *d.rests)};
    struct bench_outcome o = {0};
    uint32_t *prompt = tuff_calloc((size_t) b->prompt, sizeof *prompt);
    model_config(b, &config);
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
        size_t n = d.runs - BENCH_WARM_UP;
        double seconds = bench_median(d.rests + BENCH_WARM_UP, n);
        double first = bench_median(d.firsts + BENCH_WARM_UP, n);
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
