/* The trainer on tasks: the loss of a batch is that of tuff_task_trainer, which is made of other code; two
 * micro-batches are one batch of both; a longer row changes nothing; what is made again has the same bits. */
#include "graph/store.h"
#include "tuff/task_train.h"
#include "tuff/train.h"
#include "device.h"

enum { B = 4, T = 12, SHORT = 8, LABELS = 3, VOCAB = 50 };

struct data {
    uint32_t ids[B * T], types[B * T], visible[B * 2], labels[B * T];
    uint64_t counted;
};

/* Rows of 8, 7, 6 and 5 tokens, padded to `time`. */
static struct data make(enum tuff_task task, size_t time)
{
    struct data d = {.counted = 0};
    for (size_t row = 0; row < B; row++) {
        size_t n = SHORT - row;
        d.visible[2 * row + 1] = (uint32_t) n;
        for (size_t i = 0; i < time; i++) {
            size_t at = row * time + i;
            d.ids[at] = i < n ? (uint32_t) (5 + (i * 7 + row * 11) % (VOCAB - 5)) : 0;
            d.types[at] = i < n && i > 4;
            bool learnt = i < n && (task == TUFF_TASK_TOKEN_CLASSIFICATION ? i % 3 != row % 3 : (i + row) % 4 == 1);
            d.labels[at] = learnt ? (uint32_t) ((i + row) % LABELS) : TUFF_TARGET_IGNORE;
        }
    }
    for (size_t row = 0; row < B && task == TUFF_TASK_SEQUENCE_CLASSIFICATION; row++)
        d.labels[row] = (uint32_t) (row % LABELS);
    for (size_t i = 0; i < (task == TUFF_TASK_SEQUENCE_CLASSIFICATION ? B : B * time); i++)
        d.counted += d.labels[i] != TUFF_TARGET_IGNORE;
    return d;
}

static struct tuff_model_config config_of(struct tuff_ctx *ctx, enum tuff_task task)
{
    static const char *const names[] = {"a", "b", "c"};
    struct tuff_model_config c;
    CHECK_OK(ctx, tuff_model_preset(ctx, "bert", "tiny", &c));
    CHECK_OK(ctx, tuff_model_config_set_task(ctx, &c, task));
    CHECK_OK(ctx, tuff_model_config_set_labels(ctx, &c, names, LABELS));
    c.vocab_size = VOCAB;
    c.hidden_size = 32;
    c.num_attention_heads = 2;
    c.intermediate_size = 64;
    c.num_hidden_layers = 2;
    c.initializer_range = 0.1;
    tuff_model_set_dropout(&c, 0);
    return c;
}

/* The gradient's step of rate 1, and its loss, in `micros` parts of rows padded to `time`. */
static float *step(struct tuff_ctx *ctx, struct tuff_device *device, enum tuff_task task, size_t time,
                   size_t micros, int checkpoint, struct tuff_step_result *r, size_t *n)
{
    static const double rate = 1;
    struct tuff_model_config c = config_of(ctx, task);
    struct tuff_store *store = NULL;
    struct tuff_model *model = NULL;
    struct tuff_trainer *trainer = NULL;
    float *weights = NULL;
    struct data d = make(task, time);
    size_t rows = B / micros, each = task == TUFF_TASK_SEQUENCE_CLASSIFICATION ? rows : rows * time;
    struct tuff_optimizer_params sgd = tuff_optimizer_defaults(TUFF_SGD);
    sgd.lr = &rate;
    sgd.lr_count = 1;
    CHECK_OK(ctx, tuff_store_create(ctx, device, &store));
    CHECK_OK(ctx, tuff_model_create(store, &c, &model));
    CHECK_OK(ctx, tuff_trainer_create(ctx, &(struct tuff_trainer_params) {.store = store, .model = model,
                                                                          .batch = (int64_t) rows,
                                                                          .context = (int64_t) time,
                                                                          .optimizer = sgd,
                                                                          .checkpoint = checkpoint},
                                      &trainer));
    CHECK_OK(ctx, tuff_model_init(model, 3));
    CHECK_OK(ctx, tuff_trainer_start(trainer, 0, 0));
    struct tuff_micro list[2];
    double evaluated = 0;
    for (size_t i = 0; i < micros; i++) {
        double nats;
        list[i] = (struct tuff_micro) {.ids = d.ids + i * rows * time, .token_types = d.types + i * rows * time,
                                       .visible = d.visible + 2 * i * rows, .targets = d.labels + i * each};
        CHECK_OK(ctx, tuff_trainer_evaluate_micro(trainer, &list[i], &nats));
        evaluated += nats;
    }
    bool have = false;
    CHECK_OK(ctx, tuff_trainer_step_micros(trainer, list, micros, d.counted));
    CHECK_OK(ctx, tuff_trainer_result(trainer, true, &have, r));
    CHECK(have && r->applied == 1 && r->tokens == d.counted);
    CHECK(fabs(evaluated / (double) d.counted - r->loss) < 1e-5);
    *n = 0;
    for (size_t i = 0; i < tuff_store_count(store); i++)
        *n += (size_t) tuff_variable_elements(tuff_store_get(store, i));
    weights = calloc(*n, sizeof *weights);
    for (size_t i = 0, at = 0; i < tuff_store_count(store); i++) {
        const struct tuff_variable *v = tuff_store_get(store, i);
        CHECK_OK(ctx, tuff_model_read(model, v, TUFF_VALUE, weights + at));
        at += (size_t) tuff_variable_elements(v);
    }
    tuff_trainer_destroy(trainer);
    tuff_model_destroy(model);
    tuff_store_destroy(store);
    return weights;
}

static double by_task_trainer(struct tuff_ctx *ctx, struct tuff_device *device, enum tuff_task task)
{
    static const double rate = 1;
    struct tuff_model_config c = config_of(ctx, task);
    struct tuff_store *store = NULL;
    struct tuff_model *model = NULL;
    struct tuff_task_trainer *trainer = NULL;
    struct data d = make(task, T);
    double loss = 0;
    struct tuff_optimizer_params sgd = tuff_optimizer_defaults(TUFF_SGD);
    sgd.lr = &rate;
    sgd.lr_count = 1;
    CHECK_OK(ctx, tuff_store_create(ctx, device, &store));
    CHECK_OK(ctx, tuff_model_create(store, &c, &model));
    CHECK_OK(ctx, tuff_task_trainer_create(ctx, &(struct tuff_task_trainer_params) {.store = store, .model = model,
                                                                                    .batch = B, .time = T,
                                                                                    .optimizer = sgd},
                                           &trainer));
    CHECK_OK(ctx, tuff_model_init(model, 3));
    CHECK_OK(ctx, tuff_task_trainer_step(trainer,
                                         &(struct tuff_model_batch) {.ids = d.ids, .token_types = d.types,
                                                                     .visible = d.visible},
                                         &(struct tuff_model_labels) {.ids = d.labels}, &loss));
    tuff_task_trainer_destroy(trainer);
    tuff_model_destroy(model);
    tuff_store_destroy(store);
    return loss;
}

static void test(struct tuff_ctx *ctx, struct tuff_device *device, enum tuff_task task)
{
    struct tuff_step_result whole, other;
    size_t n, m;
    float *want = step(ctx, device, task, T, 1, 0, &whole, &n);
    CHECK(fabs(by_task_trainer(ctx, device, task) - whole.loss) < 1e-5 && whole.norm > 0.1);
    const struct {
        size_t time, micros;
        int checkpoint;
    } cases[] = {{T, 2, 0}, {SHORT, 1, 0}, {T, 1, -1}};
    for (size_t k = 0; k < TUFF_COUNT(cases); k++) {
        float *got = step(ctx, device, task, cases[k].time, cases[k].micros, cases[k].checkpoint, &other, &m);
        double worst = 0;
        CHECK(n == m);
        for (size_t i = 0; i < n && n == m; i++)
            worst = fmax(worst, fabs((double) want[i] - (double) got[i]));
        /* Sums of at most 48 terms below 1 in another order: 48 roundings of 2^-24 each, through two layers. */
        CHECK_MSG(fabs(other.loss - whole.loss) < 1e-5 && worst < 1e-5, "task %d, case %zu: loss %.9g %.9g, "
                  "weights differ by %g", task, k, whole.loss, other.loss, worst);
        CHECK(!cases[k].checkpoint || worst == 0);
        free(got);
    }
    free(want);
}

int main(void)
{
    struct tuff_ctx *ctx = tuff_ctx_create(NULL);
    struct tuff_device *device = test_device(ctx, (struct tuff_device_params) {0});
    if (device) {
        test(ctx, device, TUFF_TASK_MASKED_LM);
        test(ctx, device, TUFF_TASK_SEQUENCE_CLASSIFICATION);
        test(ctx, device, TUFF_TASK_TOKEN_CLASSIFICATION);
        test_device_end(device);
    }
    tuff_ctx_destroy(ctx);
    return test_end();
}
