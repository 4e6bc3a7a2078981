/* The trainer on tasks: the loss of a batch is that of tuff_task_trainer, which is made of other code; two
 * micro-batches are one batch of both; a longer row changes nothing; what is made again has the same bits. With adapters
 * the head learns as it does without, and B by the gradient of its matrix. */
#include "graph/store.h"
#include "tuff/lora.h"
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

struct learnt {
    struct tuff_store *store;
    struct tuff_model *model;
};

/* A model behind its first step of rate 1, alone or with adapters. */
static struct learnt learn(struct tuff_ctx *ctx, struct tuff_device *device, enum tuff_task task,
                           const struct tuff_lora_params *lora)
{
    static const double rate = 1;
    struct tuff_model_config c = config_of(ctx, task);
    struct learnt l = {0};
    struct tuff_trainer *trainer = NULL;
    struct data d = make(task, T);
    struct tuff_optimizer_params sgd = tuff_optimizer_defaults(TUFF_SGD);
    struct tuff_step_result r;
    bool have = false;
    sgd.lr = &rate;
    sgd.lr_count = 1;
    CHECK_OK(ctx, tuff_store_create(ctx, device, &l.store));
    CHECK_OK(ctx, lora ? tuff_lora_create(l.store, &c, lora, &l.model) : tuff_model_create(l.store, &c, &l.model));
    CHECK_OK(ctx, tuff_trainer_create(ctx, &(struct tuff_trainer_params) {.store = l.store, .model = l.model,
                                                                          .batch = B, .context = T, .optimizer = sgd},
                                      &trainer));
    CHECK_OK(ctx, tuff_model_init(l.model, 3));
    if (lora)
        CHECK_OK(ctx, tuff_lora_init(l.model, 7));
    CHECK_OK(ctx, tuff_trainer_start(trainer, 0, 0));
    const struct tuff_micro micro = {.ids = d.ids, .token_types = d.types, .visible = d.visible, .targets = d.labels};
    CHECK_OK(ctx, tuff_trainer_step_micros(trainer, &micro, 1, d.counted));
    CHECK_OK(ctx, tuff_trainer_result(trainer, true, &have, &r));
    tuff_trainer_destroy(trainer);
    return l;
}

static float *values_of(struct tuff_ctx *ctx, const struct learnt *l, const char *name, size_t *n)
{
    const struct tuff_variable *v = tuff_store_find(l->store, name);
    CHECK_MSG(v != NULL, "no %s", name);
    *n = v ? (size_t) tuff_variable_elements(v) : 0;
    float *values = calloc(*n + 1, sizeof *values);
    if (v)
        CHECK_OK(ctx, tuff_model_read(l->model, v, TUFF_VALUE, values));
    return values;
}

/* B, 0 at first, is -s dW A^T, dW [out, in] being what W lost without adapters. */
static void check_ranks(struct tuff_ctx *ctx, const struct learnt *whole, const struct learnt *l, const char *module,
                        size_t rank, double scale)
{
    char name[200];
    size_t n, m, k;
    snprintf(name, sizeof name, "%s.weight", module);
    float *after = values_of(ctx, whole, name, &n), *before = values_of(ctx, l, name, &n);
    snprintf(name, sizeof name, "base_model.model.%s.lora_A.weight", module);
    float *a = values_of(ctx, l, name, &m);
    snprintf(name, sizeof name, "base_model.model.%s.lora_B.weight", module);
    float *b = values_of(ctx, l, name, &k);
    size_t in = m / rank, out = k / rank;
    double worst = 0, largest = 0;
    CHECK(n == in * out);
    for (size_t i = 0; i < k && n == in * out; i++) {
        double sum = 0;
        for (size_t j = 0; j < in; j++)
            sum += ((double) after[i / rank * in + j] - (double) before[i / rank * in + j]) * (double) a[i % rank * in + j];
        worst = fmax(worst, fabs(scale * sum - (double) b[i]));
        largest = fmax(largest, fabs((double) b[i]));
    }
    /* 32 or 64 differences of weights near 1 that were rounded to 2^-25, times A's of at most 1 / sqrt(in). */
    CHECK_MSG(largest > 1e-3 && worst < 2e-6, "%s: B is off by %g of %g", module, worst, largest);
    free(after);
    free(before);
    free(a);
    free(b);
}

/* Head and ranks of `lora`; `whole` modules learn as they are. */
static void test_adapters(struct tuff_ctx *ctx, struct tuff_device *device, enum tuff_task task,
                          const char *const *saved, size_t n_saved, const char *const *names, const char *module)
{
    static const char *const targets[] = {"query", "dense"};
    const struct tuff_lora_params lora = {.rank = 2, .alpha = 6, .targets = targets, .n_targets = 2,
                                          .modules_to_save = saved, .n_modules_to_save = n_saved};
    struct learnt whole = learn(ctx, device, task, NULL), l = learn(ctx, device, task, &lora);
    for (; *names; names++) {
        char name[200];
        size_t n, m;
        snprintf(name, sizeof name, "base_model.model.%s", *names);
        float *want = values_of(ctx, &whole, *names, &n), *got = values_of(ctx, &l, name, &m);
        double worst = 0;
        CHECK(n == m && tuff_variable_role(tuff_store_find(l.store, name)) == TUFF_TRAINABLE);
        for (size_t i = 0; i < n && n == m; i++)
            worst = fmax(worst, fabs((double) want[i] - (double) got[i]));
        CHECK_MSG(worst < 1e-5, "%s differs by %g", *names, worst);
        free(want);
        free(got);
    }
    check_ranks(ctx, &whole, &l, "bert.encoder.layer.0.attention.self.query", 2, 3);
    check_ranks(ctx, &whole, &l, "bert.encoder.layer.1.intermediate.dense", 2, 3);
    if (module)
        check_ranks(ctx, &whole, &l, module, 2, 3);
    tuff_model_destroy(whole.model);
    tuff_store_destroy(whole.store);
    tuff_model_destroy(l.model);
    tuff_store_destroy(l.store);
}

static void test_all_adapters(struct tuff_ctx *ctx, struct tuff_device *device)
{
    static const char *const saved[] = {"classifier", "pooler"};
    static const char *const none[] = {NULL}, *const head[] = {"classifier.weight", "classifier.bias", NULL};
    static const char *const both[] = {"classifier.weight", "classifier.bias", "bert.pooler.dense.weight",
                                       "bert.pooler.dense.bias", NULL};
    test_adapters(ctx, device, TUFF_TASK_SEQUENCE_CLASSIFICATION, saved, 2, both, NULL);
    test_adapters(ctx, device, TUFF_TASK_SEQUENCE_CLASSIFICATION, saved, 1, head, "bert.pooler.dense");
    test_adapters(ctx, device, TUFF_TASK_TOKEN_CLASSIFICATION, saved, 1, head, NULL);
    test_adapters(ctx, device, TUFF_TASK_MASKED_LM, NULL, 0, none, "cls.predictions.transform.dense");
}

int main(void)
{
    struct tuff_ctx *ctx = tuff_ctx_create(NULL);
    struct tuff_device *device = test_device(ctx, (struct tuff_device_params) {0});
    if (device) {
        test(ctx, device, TUFF_TASK_MASKED_LM);
        test(ctx, device, TUFF_TASK_SEQUENCE_CLASSIFICATION);
        test(ctx, device, TUFF_TASK_TOKEN_CLASSIFICATION);
        test_all_adapters(ctx, device);
        test_device_end(device);
    }
    tuff_ctx_destroy(ctx);
    return test_end();
}
