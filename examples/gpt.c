/* A GPT from scratch: a small GPT-2 learns to count modulo 10 by training on its own made-up text,
 * then counts.
 *
 *     cc gpt.c $(pkg-config --cflags --libs tuff) -o gpt && ./gpt */
#include <stdio.h>
#include <stdlib.h>
#include <tuff/generate.h>
#include <tuff/train.h>

enum { B = 8, T = 16, V = 10, STEPS = 60 };

static void die(struct tuff_ctx *ctx)
{
    fprintf(stderr, "gpt: %s\n", tuff_error_text(ctx));
    exit(1);
}

static bool on_token(void *user, size_t sequence, uint32_t token)
{
    int *wrong = user;
    (void) sequence;
    *wrong += token != (uint32_t) (wrong[1]++ % V);
    printf(" %u", token);
    return true;
}

int main(void)
{
    struct tuff_ctx *ctx = tuff_ctx_create(NULL);
    struct tuff_device *device = NULL;
    struct tuff_store *store = NULL;
    struct tuff_model *model = NULL;
    struct tuff_trainer *trainer = NULL;
    struct tuff_generator *generator = NULL;
    const double rate = 1e-2;
    const struct tuff_model_config config = {
        .model_type = "gpt2", .vocab_size = V, .max_position_embeddings = T, .hidden_size = 32,
        .num_hidden_layers = 2, .num_attention_heads = 4, .norm_eps = 1e-5,
        .initializer_range = 0.05, .activation = TUFF_ACT_GELU_TANH, .tie_word_embeddings = true};
    if (!ctx || tuff_device_create(ctx, NULL, &device) || tuff_store_create(ctx, device, &store) ||
        tuff_model_create(store, &config, &model) ||
        tuff_generator_create(
            ctx, &(struct tuff_generator_params) {.store = store, .model = model}, &generator) ||
        tuff_trainer_create(
            ctx,
            &(struct tuff_trainer_params) {.store = store, .model = model, .batch = B, .context = T,
                                           .optimizer = {.beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8,
                                                     .clip = 1, .lr = &rate, .lr_count = 1}},
            &trainer) ||
        tuff_model_init(model, 1) || tuff_trainer_start(trainer, 0, 0))
        die(ctx);

    struct tuff_step_result result = {0};
    for (int step = 0; step < STEPS; step++) {
        uint32_t ids[B * T], targets[B * T];
        const uint32_t *i = ids, *t = targets;
        bool have;
        for (int b = 0; b < B; b++)
            for (int n = 0; n < T; n++) {
                ids[b * T + n] = (uint32_t) (b + step + n) % V;
                targets[b * T + n] = (uint32_t) (b + step + n + 1) % V;
            }
        if (tuff_trainer_step(trainer, &i, &t, 1, B * T) ||
            tuff_trainer_result(trainer, true, &have, &result))
            die(ctx);
    }
    printf("loss after %d steps: %s\n", STEPS, result.loss < 0.5 ? "below 0.5" : "high");

    /* The same store: the generator sees the trained weights without a copy. */
    const uint32_t prompt[] = {3, 4};
    int wrong[2] = {0, 5};
    printf("3 4 and so on:");
    if (tuff_generate(generator,
                      &(struct tuff_prompt) {.ids = prompt, .n = 2, .sampling = {.greedy = true},
                                             .max_new_tokens = 8},
                      1, on_token, wrong))
        die(ctx);
    printf("\n");
    tuff_generator_destroy(generator);
    tuff_trainer_destroy(trainer);
    tuff_model_destroy(model);
    tuff_store_destroy(store);
    tuff_device_destroy(device);
    tuff_ctx_destroy(ctx);
    return wrong[0] ? 1 : 0;
}
