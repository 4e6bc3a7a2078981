/* Soft prompts against PEFT (tools/golden/soft_prompt.py): logits, loss, gradient, three AdamW steps, files;
 * of classifiers of texts and of tokens too; that generation, by rows of a cache, continues as whole
 * sequences do; and what is refused. */
#include "models/adapters.h"
#include "tuff/generate.h"
#include "tuff/soft_prompt.h"

#define ADAPTERS TEST_SOURCE_DIR "/golden/soft_prompt/"
#define FOLDER TEST_BINARY_DIR "/soft_prompt"

static struct tuff_soft_prompt_params read_params(const char *name)
{
    struct tuff_adapter_info info;
    char path[400];
    snprintf(path, sizeof path, ADAPTERS "%s", name);
    CHECK_OK(ctx, tuff_adapter_read(ctx, path, &info));
    CHECK(info.base && strstr(name, "gpt2") ? strstr(info.base, "gpt2-tiny") != NULL : true);
    free(info.base);
    return (struct tuff_soft_prompt_params) {info.kind, info.virtual_tokens, info.pooler};
}

static struct tuff_model *create(struct tuff_store *store, const char *name)
{
    struct tuff_model_config config;
    struct tuff_model *model = NULL;
    struct tuff_soft_prompt_params params = read_params(name);
    char path[400];
    base_path(name, path);
    CHECK_OK(ctx, tuff_model_config_load(ctx, path, &config));
    tuff_model_set_dropout(&config, 0);
    CHECK_OK(ctx, tuff_soft_prompt_create(store, &config, &params, &model));
    return model;
}

static void load(struct tuff_model *model, const char *name)
{
    char path[400];
    base_path(name, path);
    CHECK_OK(ctx, tuff_model_load(model, path));
    snprintf(path, sizeof path, ADAPTERS "%s", name);
    CHECK_OK(ctx, tuff_soft_prompt_load(model, path));
}

static void test_pass(const char *name, const struct golden *g)
{
    struct tuff_store *store = NULL;
    CHECK_OK(ctx, tuff_store_create(ctx, device, &store));
    struct tuff_model *model = create(store, name);
    test_golden_pass(store, model, g, load, name, strstr(name, "bert") ? 3 : 1);
    tuff_model_destroy(model);
    tuff_store_destroy(store);
}

/* A classifier's: with its head beside the virtual tokens, under the names that PEFT's files have. */
static void test_head(const char *name)
{
    static const char *const names[] = {"prompt_embeddings", "base_model.classifier.weight",
                                        "base_model.classifier.bias"};
    char path[400];
    struct tuff_store *store = NULL;
    struct tuff_weights_file *file = NULL;
    CHECK_OK(ctx, tuff_store_create(ctx, device, &store));
    struct tuff_model *model = create(store, name);
    CHECK_OK(ctx, tuff_store_allocate(store, false, 0));
    load(model, name);
    CHECK_OK(ctx, tuff_os_mkdirs(ctx, FOLDER));
    CHECK_OK(ctx, tuff_soft_prompt_save(model, FOLDER, "here"));
    struct tuff_adapter_info info;
    CHECK_OK(ctx, tuff_adapter_read(ctx, FOLDER, &info));
    CHECK(info.head && !info.pooler && info.kind == read_params(name).kind);
    free(info.base);
    for (int own = 0; own < 2; own++) {
        snprintf(path, sizeof path, "%s/adapter_model.safetensors", own ? FOLDER : "");
        if (!own)
            snprintf(path, sizeof path, ADAPTERS "%s/adapter_model.safetensors", name);
        CHECK_OK(ctx, tuff_weights_open(ctx, path, &file));
        CHECK(file && tuff_weights_count(file) == TUFF_COUNT(names));
        for (size_t i = 0; i < TUFF_COUNT(names) && file; i++)
            CHECK_MSG(tuff_weights_find(file, names[i]) != NULL, "%s: no %s", path, names[i]);
        tuff_weights_close(file);
        file = NULL;
    }
    tuff_model_destroy(model);
    tuff_store_destroy(store);
}

static void test_steps(const char *name, const struct golden *g)
{
    static const double rate = 1e-2;
    struct tuff_store *store = NULL;
    CHECK_OK(ctx, tuff_store_create(ctx, device, &store));
    struct tuff_model *model = create(store, name);
    struct tuff_optimizer_params o = {.beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8, .lr = &rate,
                                      .lr_count = 1, .weight_decay = {0.1}};
    struct tuff_trainer *trainer = create_trainer(store, model, &o);
    load(model, name);
    CHECK_OK(ctx, tuff_trainer_start(trainer, 0, 0));
    test_golden_steps(trainer, g);
    compare_adapters(model, g, "after.", TUFF_VALUE, 1, 2e-3);
    CHECK_OK(ctx, tuff_os_mkdirs(ctx, FOLDER));
    CHECK_OK(ctx, tuff_soft_prompt_save(model, FOLDER, "here"));
    struct tuff_adapter_info info;
    CHECK_OK(ctx, tuff_adapter_read(ctx, FOLDER, &info));
    CHECK(info.kind == read_params(name).kind && info.base && !strcmp(info.base, "here") &&
          info.virtual_tokens == tuff_model_virtual_tokens(model));
    free(info.base);
    CHECK_OK(ctx, tuff_soft_prompt_init(model, 3));
    CHECK_OK(ctx, tuff_soft_prompt_load(model, FOLDER));
    compare_adapters(model, g, "after.", TUFF_VALUE, 1, 2e-3);
    tuff_trainer_destroy(trainer);
    tuff_model_destroy(model);
    tuff_store_destroy(store);
}

static bool take(void *user, size_t sequence, uint32_t id)
{
    *(uint32_t *) user = id;
    (void) sequence;
    return true;
}

/* The first token that generation chooses is the likeliest of the golden logits' last row, of both texts at
 * once, which lie in the cache behind a prompt of their own each. */
static void test_generate(const char *name, const struct golden *g)
{
    struct tuff_store *store = NULL;
    struct tuff_generator *gen = NULL;
    size_t n;
    float *logits = golden_read(g, "logits", &n);
    CHECK_OK(ctx, tuff_store_create(ctx, device, &store));
    struct tuff_model *model = create(store, name);
    CHECK_OK(ctx, tuff_generator_create(ctx,
                                        &(struct tuff_generator_params) {
                                            .store = store, .model = model, .context = 32},
                                        &gen));
    CHECK_OK(ctx, tuff_store_allocate(store, false, 0));
    load(model, name);
    size_t vocab = n / (BATCH * TIME);
    for (size_t row = 0; row < BATCH && logits && gen; row++) {
        const float *last = logits + (row * TIME + TIME - 1) * vocab;
        uint32_t best = 0, made = UINT32_MAX;
        for (uint32_t i = 1; i < vocab; i++)
            best = last[i] > last[best] ? i : best;
        const struct tuff_prompt prompt = {.ids = g->ids + row * TIME, .n = TIME,
                                           .sampling = {.greedy = true}, .max_new_tokens = 1};
        CHECK_OK(ctx, tuff_generate(gen, &prompt, 1, take, &made));
        CHECK_MSG(made == best, "%s: %u was made, %u is likeliest", name, made, best);
    }
    free(logits);
    tuff_generator_destroy(gen);
    tuff_model_destroy(model);
    tuff_store_destroy(store);
}

static void test_refused(void)
{
    static const char *const configs[][2] = {
        {"{\"peft_type\":\"IA3\"}", "\"peft_type\" is \"IA3\"; supported are LORA"},
        {"{\"peft_type\":\"PROMPT_TUNING\"}", "\"num_virtual_tokens\" is 0"},
        {"{\"peft_type\":\"PREFIX_TUNING\",\"num_virtual_tokens\":\"x\"}", "num_virtual_tokens"},
        {"{\"peft_type\":\"PREFIX_TUNING\",\"num_virtual_tokens\":1000000}", "1 to 4096"}};
    struct tuff_store *store = NULL;
    struct tuff_adapter_info info;
    for (size_t i = 0; i < TUFF_COUNT(configs); i++) {
        const char *text = configs[i][0];
        CHECK_OK(ctx, tuff_os_write_file(ctx, FOLDER "/adapter_config.json", text, strlen(text)));
        CHECK_MSG(tuff_adapter_read(ctx, FOLDER, &info) != TUFF_OK &&
                      strstr(tuff_error_text(ctx), configs[i][1]),
                  "%s: %s", text, tuff_error_text(ctx));
    }
    CHECK_OK(ctx, tuff_store_create(ctx, device, &store));
    struct tuff_model *model = create(store, "llama-tiny-prompt");
    CHECK_OK(ctx, tuff_store_allocate(store, false, 0));
    CHECK(tuff_soft_prompt_load(model, ADAPTERS "gpt2-tiny-prompt") == TUFF_E_FORMAT &&
          strstr(tuff_error_text(ctx), "an adapter for another model"));
    tuff_model_destroy(model);
    struct tuff_model_config config;
    CHECK_OK(ctx, tuff_model_config_load(ctx, MODELS "bert-encoder-tiny", &config));
    const struct tuff_soft_prompt_params params = {TUFF_ADAPTER_PROMPT, 3, false};
    CHECK(tuff_soft_prompt_create(store, &config, &params, &model) == TUFF_E_UNSUPPORTED &&
          strstr(tuff_error_text(ctx), "a soft prompt needs a causal language model or a classifier, "
                                       "which BertModel"));
    tuff_store_destroy(store);
}

int main(void)
{
    static const char *const names[] = {"gpt2-tiny-prompt", "gpt2-tiny-prefix", "llama-tiny-prompt",
                                        "llama-tiny-prefix", "bloom-tiny-prompt",
                                        "bert-labels-tiny-prompt", "bert-labels-tiny-prefix",
                                        "bert-tokens-tiny-prompt", "bert-tokens-tiny-prefix"};
    ctx = test_ctx();
    device = test_device(ctx, (struct tuff_device_params) {0});
    for (size_t i = 0; i < TUFF_COUNT(names) && device; i++) {
        struct golden g = {0};
        golden_open(ADAPTERS, names[i], &g);
        if (i < 2) /* of each kind one learns, and one goes through the cache */
            test_steps(names[i], &g);
        else if (i < 4)
            test_generate(names[i], &g);
        if (strstr(names[i], "bert"))
            test_head(names[i]);
        if (i) /* the first step has the same pass */
            test_pass(names[i], &g);
        tuff_weights_close(g.file);
    }
    if (device) {
        test_refused();
        test_device_end(device);
    }
    tuff_ctx_destroy(ctx);
    return test_end();
}
