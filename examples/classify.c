/* BERT that classifies: a small one learns from made-up sentences of any length which of three topics
 * most of their words belong to, then labels sentences it has not seen.
 *
 *     cc classify.c $(pkg-config --cflags --libs tuff) -o classify && ./classify */
#include <stdio.h>
#include <stdlib.h>
#include <tuff/task_train.h>

enum { B = 16, T = 12, TOPICS = 3, WORDS = 8, CLS = 1, SEP = 2, V = 3 + TOPICS * WORDS, STEPS = 100 };
static struct tuff_ctx *ctx;

static void must(enum tuff_status status)
{
    if (status == TUFF_OK)
        return;
    fprintf(stderr, "classify: %s\n", tuff_error_text(ctx));
    exit(1);
}

struct batch {
    uint32_t ids[B * T], labels[B], visible[2 * B];
};
static uint32_t draw(uint32_t below)
{
    static uint32_t state = 1;
    state = state * 1664525u + 1013904223u;
    return (state >> 16) % below;
}

/* [CLS], 5 to T - 2 words of which two thirds are of the label's topic, [SEP], padding. */
static void make(struct batch *b)
{
    for (uint32_t i = 0; i < B; i++) {
        uint32_t n = 5 + draw(T - 6), *ids = b->ids + i * T;
        b->labels[i] = draw(TOPICS);
        for (uint32_t t = 0; t < T; t++) {
            uint32_t topic = t % 3 ? b->labels[i] : draw(TOPICS);
            ids[t] = t == 0 ? CLS : t <= n ? 3 + topic * WORDS + draw(WORDS) : t == n + 1 ? SEP : 0;
        }
        b->visible[2 * i] = 0;
        b->visible[2 * i + 1] = n + 2;
    }
}

int main(void)
{
    ctx = tuff_ctx_create(NULL);
    struct tuff_device *device = NULL;
    struct tuff_store *store;
    struct tuff_model *bert;
    struct tuff_task_trainer *trainer;
    struct tuff_model_config config;
    const double rate = 2e-3;
    struct tuff_optimizer_params adamw = tuff_optimizer_defaults(TUFF_ADAMW);
    adamw.lr = &rate;
    adamw.lr_count = 1;
    must(tuff_device_create(ctx, NULL, &device));
    must(tuff_model_preset(ctx, "bert", "tiny", &config));
    config.task = TUFF_TASK_SEQUENCE_CLASSIFICATION; /* BertForSequenceClassification */
    config.num_labels = TOPICS;
    config.vocab_size = V;
    must(tuff_store_create(ctx, device, &store));
    must(tuff_model_create(store, &config, &bert));
    must(tuff_task_trainer_create(ctx,
                                  &(struct tuff_task_trainer_params) {.store = store,
                                                                      .model = bert,
                                                                      .batch = B,
                                                                      .time = T,
                                                                      .optimizer = adamw},
                                  &trainer));
    must(tuff_model_init(bert, 1)); /* or tuff_model_load */

    int right = 0, all = 0;
    for (int i = 0; i < STEPS + 20; i++) { /* the last 20 batches are new sentences */
        struct batch b;
        make(&b);
        struct tuff_model_batch in = {.ids = b.ids, .visible = b.visible};
        double loss;
        const float *p;
        if (i < STEPS) {
            must(tuff_task_trainer_step(trainer, &in, &(struct tuff_model_labels) {.ids = b.labels},
                                        &loss));
            continue;
        }
        must(tuff_task_trainer_infer(trainer, &in, &p));
        for (int k = 0; k < B; k++, p += TOPICS, all++)
            right += b.labels[k] == (p[0] > p[1] ? (p[0] > p[2] ? 0u : 2u) : p[1] > p[2] ? 1u : 2u);
    }
    printf("%s of new sentences are labelled right\n",
           right * 10 >= all * 9 ? "More than 90 %" : "Few");
    tuff_task_trainer_destroy(trainer);
    tuff_model_destroy(bert);
    tuff_store_destroy(store);
    tuff_device_destroy(device);
    tuff_ctx_destroy(ctx);
    return 0;
}
