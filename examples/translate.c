/* The Transformer of the original paper: encoder, decoder, attention between them. It learns to
 * translate sentences of a made-up language, whose words stand in reverse order in the other, then
 * translates new ones word by word.
 *
 *     cc translate.c $(pkg-config --cflags --libs tuff) -o translate && ./translate */
#include <stdio.h>
#include <stdlib.h>
#include <tuff/task_train.h>

enum { B = 32, N = 5, T = N + 1, WORDS = 8, END = 0, START = 1, V = 2 + 2 * WORDS, STEPS = 200 };
static struct tuff_ctx *ctx;

static void must(enum tuff_status status)
{
    if (status == TUFF_OK)
        return;
    fprintf(stderr, "translate: %s\n", tuff_error_text(ctx));
    exit(1);
}

/* Sentences, their translations ended by END, and those moved behind START. */
static void make(uint32_t source[B * N], uint32_t ids[B * T], uint32_t targets[B * T])
{
    for (int i = 0; i < B * N; i++)
        source[i] = 2 + (uint32_t) rand() % WORDS;
    for (int i = 0; i < B * T; i++) {
        int b = i / T, t = i % T;
        targets[i] = t < N ? source[b * N + N - 1 - t] + WORDS : END;
        ids[i] = t ? targets[i - 1] : START;
    }
}

int main(void)
{
    struct tuff_device *device = NULL;
    struct tuff_store *store;
    struct tuff_model *model;
    struct tuff_task_trainer *trainer;
    struct tuff_model_config config;
    double rate[STEPS]; /* with norms behind the sums it must begin small */
    struct tuff_optimizer_params adamw = tuff_optimizer_defaults(TUFF_ADAMW);
    for (int i = 0; i < STEPS; i++)
        rate[i] = 2e-3 * (i < 50 ? (i + 1) / 50.0 : 1);
    adamw.lr = rate;
    adamw.lr_count = STEPS;
    ctx = tuff_ctx_create(NULL);
    must(tuff_device_create(ctx, NULL, &device));
    must(tuff_model_preset(ctx, "marian", "tiny", &config));
    config.vocab_size = V;
    config.num_hidden_layers = config.num_decoder_layers = 1;
    config.initializer_range = 0.1;
    config.scale_embedding = true;
    config.pad_token_id = config.decoder_start_token_id = START;
    must(tuff_store_create(ctx, device, &store));
    must(tuff_model_create(store, &config, &model));
    must(tuff_task_trainer_create(ctx,
                                  &(struct tuff_task_trainer_params) {.store = store,
                                                                      .model = model,
                                                                      .batch = B,
                                                                      .time = T,
                                                                      .source = N,
                                                                      .optimizer = adamw},
                                  &trainer));
    must(tuff_model_init(model, 1));

    uint32_t source[B * N], ids[B * T], targets[B * T], made[B * T] = {0}, right = 0;
    struct tuff_model_batch in = {.source = source, .ids = ids};
    double loss;
    for (int i = 0; i < STEPS; i++) {
        make(source, ids, targets);
        must(tuff_task_trainer_step(trainer, &in, &(struct tuff_model_labels) {.ids = targets},
                                    &loss));
    }
    /* One word a pass: each is the likeliest after those before. */
    make(source, ids, targets);
    for (int t = 0; t < T; t++) {
        const float *logits;
        for (int i = 0; i < B * T; i++)
            ids[i] = i % T == 0 ? START : made[i - 1];
        must(tuff_task_trainer_infer(trainer, &in, &logits));
        for (int i = t; i < B * T; i += T)
            for (uint32_t w = 0; w < V; w++)
                made[i] = logits[i * V + (int) w] > logits[i * V + (int) made[i]] ? w : made[i];
    }
    for (int i = 0; i < B * T; i++)
        right += made[i] == targets[i];
    printf("%s of the words are right\n", right * 10 >= B * T * 9 ? "More than 90 %" : "Few");
    tuff_task_trainer_destroy(trainer);
    tuff_model_destroy(model);
    tuff_store_destroy(store);
    tuff_device_destroy(device);
    tuff_ctx_destroy(ctx);
    return 0;
}
