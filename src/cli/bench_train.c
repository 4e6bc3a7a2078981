/* cli/bench_train: tuff bench train: whole steps of training, all of a model or adapters. */
#include "base/os.h"
#include "base/rng.h"
#include "cli/bench.h"
#include "graph/plan.h"
#include "tuff/lora.h"
#include "tuff/train.h"
#include "vk/vk.h"

struct training {
    struct tuff_trainer *trainer;
    uint32_t *ids, *targets;
    uint64_t tokens, counted; /* counted: targets, a token each or a sequence */
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

/* The shape that options say, or a config.json's; with adapters frozen matrices have --dtype. */
static enum tuff_status add_trained_model(struct bench *b, struct tuff_store *store,
                                          struct tuff_model **model)
{
    struct tuff_model_config config;
    struct tuff_lora_params lora;
    char *memory = NULL;
    if (b->config)
        TUFF_TRY(tuff_model_config_load(b->cli->ctx, b->config, &config));
    else
        bench_model_config(b, &config);
    if (!b->lora)
        return tuff_model_create(store, &config, model);
    config.frozen_dtype = b->half;
    enum tuff_status status = tuff_lora_parse(b->cli->ctx, b->lora, &lora, &memory);
    if (status == TUFF_OK)
        status = tuff_lora_create(store, &config, &lora, model);
    free(memory);
    return status;
}

/* Random tokens, and targets of the model's task. */
static enum tuff_status draw(const struct bench *b, const struct tuff_model_config *config,
                             struct training *t)
{
    bool words = config->task == TUFF_TASK_CAUSAL_LM || config->task == TUFF_TASK_MASKED_LM;
    uint64_t vocab = (uint64_t) config->vocab_size, kinds = words ? vocab : (uint64_t) config->num_labels;
    struct tuff_rng rng;
    t->counted = config->task == TUFF_TASK_SEQUENCE_CLASSIFICATION ? (uint64_t) b->batch : t->tokens;
    t->ids = tuff_calloc(t->tokens + t->counted, sizeof *t->ids);
    if (!t->ids)
        return tuff_fail(b->cli->ctx, TUFF_E_NOMEM, "bench: out of memory");
    t->targets = t->ids + t->tokens;
    tuff_rng_init(&rng, 2, 0);
    for (uint64_t i = 0; i < t->tokens + t->counted; i++)
        t->ids[i] = (uint32_t) tuff_rng_below(&rng, i < t->tokens ? vocab : kinds);
    return TUFF_OK;
}

static enum tuff_status create_training(struct bench *b, struct tuff_store *store,
                                        struct tuff_model *model, int blocks, int amp,
                                        enum tuff_dtype amp_dtype, struct training *t)
{
    static const double rate = 3e-4;
    const struct tuff_optimizer_params adamw = {.beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8, .clip = 1,
                                                .lr = &rate, .lr_count = 1, .weight_decay = {0.1}};
    TUFF_TRY(tuff_trainer_create(b->cli->ctx,
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
                                                                .optimizer = adamw},
                                 &t->trainer));
    TUFF_TRY(tuff_model_init(model, 1));
    if (b->lora)
        TUFF_TRY(tuff_lora_init(model, 1));
    TUFF_TRY(tuff_trainer_start(t->trainer, 0, 0));
    return draw(b, tuff_model_get_config(model), t);
}

static void report_train(const struct bench *b, const struct training *t, struct bench_outcome *o)
{
    struct tuff_plan_sizes sizes;
    uint64_t taken = tuff_vk_counts(b->device)->bytes;
    tuff_trainer_sizes(t->trainer, &sizes);
    o->tokens_per_s = (double) t->tokens / o->median;
    o->gflops = sizes.flops / o->median * 1e-9;
    o->host_ms = tuff_trainer_host_seconds(t->trainer) * 1e3;
    o->planned = tuff_plan_peak(&sizes);
    o->taken = taken;
    o->resident = tuff_os_peak_rss();
    bench_report(b, "train", o);
    if (b->json)
        return;
    printf("loss after the last step %.4f; activations %.1f MiB of %.1f planned, %.1f allocated; the "
           "process held %.1f at most\n", t->loss, (double) sizes.activations / 1048576,
           (double) o->planned / 1048576, (double) taken / 1048576, (double) o->resident / 1048576);
}

int bench_train(struct bench *b)
{
    struct tuff_store *store = NULL;
    struct tuff_model *model = NULL;
    struct training t = {.tokens = (uint64_t) (b->batch * b->context)};
    struct bench_outcome o = {0};
    uint64_t memory;
    int blocks, code = cli_memory_words(b->command, b->checkpoint, NULL, &blocks, &memory);
    enum tuff_dtype amp_dtype = TUFF_F32;
    int amp = 0;
    if (code < 0)
        code = cli_amp_words(b->command, b->amp, b->amp_dtype, &amp, &amp_dtype);
    if (code >= 0)
        return code;
    enum tuff_status status = tuff_store_create(b->cli->ctx, b->device, &store);
    if (status == TUFF_OK)
        status = add_trained_model(b, store, &model);
    if (status == TUFF_OK)
        status = create_training(b, store, model, blocks, amp, amp_dtype, &t);
    if (status == TUFF_OK)
        status = bench_measure(b, run_step, &t, NULL, &o);
    if (status == TUFF_OK)
        report_train(b, &t, &o);
    free(t.ids);
    tuff_trainer_destroy(t.trainer);
    tuff_model_destroy(model);
    tuff_store_destroy(store);
    return status == TUFF_OK ? CLI_OK : cli_fail(b->cli, b->command);
}
