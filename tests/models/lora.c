/* LoRA against PEFT (tools/golden/lora.py): logits, loss, gradients of A and B, three AdamW steps, merging;
 * that files go round, that the base stays as it is, and what is refused. */
#include "models/adapters.h"
#include "tuff/lora.h"

#define ADAPTERS TEST_SOURCE_DIR "/golden/lora/"
#define FOLDER TEST_BINARY_DIR "/lora"

static struct tuff_model *create(struct tuff_store *store, const char *base,
                                 const struct tuff_lora_params *params)
{
    struct tuff_model_config config;
    struct tuff_model *model = NULL;
    char path[400];
    base_path(base, path);
    CHECK_OK(ctx, tuff_model_config_load(ctx, path, &config));
    tuff_model_set_dropout(&config, 0);
    CHECK_OK(ctx, params ? tuff_lora_create(store, &config, params, &model)
                         : tuff_model_create(store, &config, &model));
    return model;
}

static void load(struct tuff_model *model, const char *base, bool adapter)
{
    char path[400];
    base_path(base, path);
    CHECK_OK(ctx, tuff_model_load(model, path));
    snprintf(path, sizeof path, ADAPTERS "%s", base);
    if (adapter)
        CHECK_OK(ctx, tuff_lora_load(model, path));
}

static void load_adapted(struct tuff_model *model, const char *base)
{
    load(model, base, true);
}

static void test_pass(const char *base, const struct tuff_lora_params *params,
                      const struct golden *g)
{
    struct tuff_store *store = NULL;
    CHECK_OK(ctx, tuff_store_create(ctx, device, &store));
    struct tuff_model *model = create(store, base, params);
    test_golden_pass(store, model, g, load_adapted, base, 12);
    tuff_model_destroy(model);
    tuff_store_destroy(store);
}

/* Three steps; then files, round. */
static void test_steps(const char *base, const struct tuff_lora_params *params,
                       const struct golden *g)
{
    static const double rate = 1e-2;
    struct tuff_store *store = NULL;
    CHECK_OK(ctx, tuff_store_create(ctx, device, &store));
    struct tuff_model *model = create(store, base, params);
    struct tuff_optimizer_params o = {.beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8, .lr = &rate,
                                      .lr_count = 1, .weight_decay = {0.1, 0, 0.1}};
    struct tuff_trainer *trainer = create_trainer(store, model, &o);
    load(model, base, true);
    CHECK_OK(ctx, tuff_trainer_start(trainer, 0, 0));
    test_golden_steps(trainer, g);
    /* AdamW divides by the gradient's size: where that is small its rounding weighs most. */
    compare_adapters(model, g, "after.", TUFF_VALUE, 12, 2e-3);
    const char *again = NULL;
    char *memory = NULL;
    struct tuff_lora_params read;
    CHECK_OK(ctx, tuff_os_mkdirs(ctx, FOLDER));
    CHECK_OK(ctx, tuff_lora_save(model, FOLDER, "here"));
    CHECK_OK(ctx, tuff_lora_config(ctx, FOLDER, &read, &again, &memory));
    CHECK(read.rank == params->rank && read.alpha == params->alpha && read.rslora == params->rslora && read.dora == params->dora &&
          read.n_targets == params->n_targets && again && !strcmp(again, "here"));
    CHECK_OK(ctx, tuff_lora_load(model, FOLDER));
    compare_adapters(model, g, "after.", TUFF_VALUE, 12, 2e-3);
    free(memory);
    tuff_trainer_destroy(trainer);
    tuff_model_destroy(model);
    tuff_store_destroy(store);
}

/* Merged, W is what PEFT makes of it, in the order files have. */
static void test_merge(const char *base, const struct golden *g)
{
    struct tuff_store *store = NULL;
    char path[400];
    CHECK_OK(ctx, tuff_store_create(ctx, device, &store));
    struct tuff_model *model = create(store, base, NULL);
    CHECK_OK(ctx, tuff_store_allocate(store, false, 0));
    load(model, base, false);
    snprintf(path, sizeof path, ADAPTERS "%s", base);
    CHECK_OK(ctx, tuff_lora_merge(model, path, 1));
    for (size_t i = 0; i < tuff_weights_count(g->file); i++) {
        const struct tuff_file_tensor *t = tuff_weights_get(g->file, i);
        if (strncmp(t->name, "merged.", 7))
            continue;
        float *values = calloc(t->count, sizeof *values);
        struct tuff_variable *v = tuff_store_find(store, t->name + 7);
        CHECK(v != NULL);
        if (v)
            CHECK_OK(ctx, tuff_model_read(model, v, TUFF_VALUE, values));
        compare(values, g, t->name, 1e-6);
        free(values);
    }
    tuff_model_destroy(model);
    tuff_store_destroy(store);
}

/* B is 0 at first: nothing is added; and rates of LoRA+ reach B alone. */
static void test_init(void)
{
    static const double rate = 1e-2;
    const char *target = "c_attn";
    struct tuff_lora_params params = {.rank = 2, .alpha = 2, .targets = &target, .n_targets = 1};
    struct tuff_store *store = NULL;
    struct golden g = {0};
    golden_open(ADAPTERS, "gpt2-tiny", &g);
    CHECK_OK(ctx, tuff_store_create(ctx, device, &store));
    struct tuff_model *model = create(store, "gpt2-tiny", &params);
    struct tuff_optimizer_params o = {.kind = TUFF_SGD, .lr = &rate, .lr_count = 1,
                                      .lr_scale = {0, 0, 4}};
    struct tuff_trainer *trainer = create_trainer(store, model, &o);
    load(model, "gpt2-tiny", false);
    CHECK_OK(ctx, tuff_lora_init(model, 1));
    CHECK_OK(ctx, tuff_trainer_start(trainer, 0, 0));
    const char *names[] = {"base_model.model.transformer.h.0.attn.c_attn.lora_A.weight",
                           "base_model.model.transformer.h.0.attn.c_attn.lora_B.weight",
                           "transformer.h.0.attn.c_attn.weight"};
    float *before[3], *after[3];
    double sums[3] = {0};
    bool have;
    struct tuff_step_result r;
    const struct tuff_micro micro = {0, g.ids, g.targets};
    for (int i = 0; i < 3; i++) {
        struct tuff_variable *v = tuff_store_find(store, names[i]);
        size_t n = (size_t) tuff_variable_elements(v);
        before[i] = calloc(n, sizeof(float));
        after[i] = calloc(n, sizeof(float));
        CHECK_OK(ctx, tuff_variable_read(store, v, TUFF_VALUE, before[i]));
        for (size_t k = 0; k < n; k++)
            sums[i] += fabs((double) before[i][k]);
    }
    CHECK(sums[0] > 0 && sums[1] == 0);
    CHECK_OK(ctx, tuff_trainer_step_micros(trainer, &micro, 1, BATCH * TIME));
    CHECK_OK(ctx, tuff_trainer_result(trainer, true, &have, &r));
    CHECK(have && r.norm > 0);
    double moved = 0;
    for (int i = 0; i < 3; i++) {
        struct tuff_variable *v = tuff_store_find(store, names[i]);
        size_t n = (size_t) tuff_variable_elements(v);
        CHECK_OK(ctx, tuff_variable_read(store, v, TUFF_VALUE, after[i]));
        /* A's gradient is scale B^T dy x = 0 as long as B is */
        if (i != 1)
            CHECK(!memcmp(before[i], after[i], n * sizeof(float)));
        for (size_t k = 0; i == 1 && k < n; k++)
            moved += (double) after[i][k] * (double) after[i][k];
        free(before[i]);
        free(after[i]);
    }
    /* h.0 and h.1: of this one B alone at least a part of norm 4 rate */
    CHECK_MSG(sqrt(moved) > rate * r.norm * 0.5 && sqrt(moved) <= 4 * rate * r.norm * 1.001,
              "moved by %g, the gradient is %g", sqrt(moved), r.norm);
    tuff_weights_close(g.file);
    tuff_trainer_destroy(trainer);
    tuff_model_destroy(model);
    tuff_store_destroy(store);
}

static void test_refused(void)
{
    static const struct {
        const char *text, *what;
    } wrong[] = {{"r=0", "r is 0"},          {"r=2.5", "\"r=2.5\""},   {"r", "\"r\""},
                 {"alpha=x", "\"alpha=x\""}, {"dropout=1", "dropout"}, {"target=", "\"target=\""},
                 {"size=3", "\"size=3\": options are"}};
    struct tuff_lora_params params;
    struct tuff_model *model = NULL;
    struct tuff_model_config config;
    struct tuff_store *store = NULL;
    char *memory;
    for (size_t i = 0; i < TUFF_COUNT(wrong); i++) {
        CHECK_MSG(tuff_lora_parse(ctx, wrong[i].text, &params, &memory) != TUFF_OK &&
                      strstr(tuff_error_text(ctx), wrong[i].what),
                  "%s: %s", wrong[i].text, tuff_error_text(ctx));
        free(memory);
    }
    CHECK_OK(ctx, tuff_lora_parse(ctx, "r=4,rslora,dora,dropout=0.5,target=q_proj+mlp.up_proj", &params,
                                  &memory));
    CHECK(params.rank == 4 && params.alpha == 8 && params.rslora && params.dora && params.dropout == 0.5 &&
          params.n_targets == 2 && !strcmp(params.targets[1], "mlp.up_proj"));
    CHECK_OK(ctx, tuff_store_create(ctx, device, &store));
    CHECK_OK(ctx, tuff_model_config_load(ctx, MODELS "gpt2-tiny", &config));
    CHECK(tuff_lora_create(store, &config, &params, &model) == TUFF_E_ARG && !model &&
          strstr(tuff_error_text(ctx), "target \"q_proj\" is no linear layer of a gpt2"));
    tuff_store_destroy(store);
    free(memory);
    /* an adapter for another model */
    CHECK_OK(ctx, tuff_store_create(ctx, device, &store));
    model = create(store, "llama-tiny", NULL);
    CHECK_OK(ctx, tuff_store_allocate(store, false, 0));
    load(model, "llama-tiny", false);
    CHECK(tuff_lora_merge(model, ADAPTERS "gpt2-tiny", 1) == TUFF_E_FORMAT &&
          strstr(tuff_error_text(ctx), "an adapter for another model"));
    tuff_model_destroy(model);
    tuff_store_destroy(store);
    /* modules to save: of the head only */
    static const struct {
        const char *base, *module, *what;
    } saved[] = {{"bert-tokens-tiny", "word_embeddings", "\"word_embeddings\": bert.embeddings.word_embeddings.weight is no "
                                                         "part of a head"},
                 {"bert-tokens-tiny", "pooler", "\"pooler\" is no module of a bert"},
                 {"gpt2-tiny", "wte", "transformer.wte.weight is no part of a head"}};
    for (size_t i = 0; i < TUFF_COUNT(saved); i++) {
        char path[400];
        base_path(saved[i].base, path);
        CHECK_OK(ctx, tuff_model_config_load(ctx, path, &config));
        CHECK_OK(ctx, tuff_store_create(ctx, device, &store));
        params = (struct tuff_lora_params) {.rank = 2, .alpha = 2, .modules_to_save = &saved[i].module,
                                            .n_modules_to_save = 1};
        CHECK_MSG(tuff_lora_create(store, &config, &params, &model) == TUFF_E_ARG && !model &&
                      strstr(tuff_error_text(ctx), saved[i].what),
                  "%s: %s", saved[i].module, tuff_error_text(ctx));
        tuff_store_destroy(store);
    }
    static const char *const configs[][2] = {
        {"{\"peft_type\":\"IA3\"}", "\"peft_type\" is \"IA3\""},
        {"{\"peft_type\":\"LORA\",\"use_qalora\":true}", "\"use_qalora\" is not supported"},
        {"{\"peft_type\":\"LORA\",\"r\":-1}", "r is -1"},
        {"{\"peft_type\":\"LORA\",\"r\":\"x\"}", "\"r\""},
        {"{\"peft_type\":\"LORA\",\"rank_pattern\":{\"a\":1}}", "rank_pattern"},
        {"{\"peft_type\":\"LORA\",\"target_modules\":[1]}", "must be texts"},
        {"{\"peft_type\":\"LORA\",\"modules_to_save\":[1]}", "\"modules_to_save\" must be texts"}};
    for (size_t i = 0; i < TUFF_COUNT(configs); i++) {
        const char *text = configs[i][0];
        CHECK_OK(ctx, tuff_os_write_file(ctx, FOLDER "/adapter_config.json", text, strlen(text)));
        CHECK_MSG(tuff_lora_config(ctx, FOLDER, &params, NULL, &memory) != TUFF_OK &&
                      strstr(tuff_error_text(ctx), configs[i][1]),
                  "%s: %s", text, tuff_error_text(ctx));
        free(memory);
    }
}

int main(void)
{
    static const char *const bases[] = {"gpt2-tiny",      "bloom-tiny",      "llama-tiny",
                                        "gpt2-tiny-dora", "bloom-tiny-dora", "llama-tiny-dora"};
    ctx = test_ctx();
    device = test_device(ctx, (struct tuff_device_params) {0});
    for (size_t i = 0; i < TUFF_COUNT(bases) && device; i++) {
        struct golden g = {0};
        struct tuff_lora_params params;
        char path[400], *memory = NULL;
        golden_open(ADAPTERS, bases[i], &g);
        snprintf(path, sizeof path, ADAPTERS "%s", bases[i]);
        CHECK_OK(ctx, tuff_lora_config(ctx, path, &params, NULL, &memory));
        test_pass(bases[i], &params, &g);
        if (i < 4) /* of DoRA one */
            test_steps(bases[i], &params, &g);
        test_merge(bases[i], &g);
        tuff_weights_close(g.file);
        free(memory);
    }
    if (device) {
        test_init();
        test_refused();
        test_device_end(device);
    }
    tuff_ctx_destroy(ctx);
    return test_end();
}
