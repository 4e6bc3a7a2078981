/* Packing: several examples in a row give the losses and the gradients of a row each, whatever the
 * family has for positions: a table, rotations, ALiBi, windows. */
#include "base/rng.h"
#include "device.h"
#include "tuff/train.h"

#include <math.h>

enum { T = 40, VOCAB = 50 };
static const int lengths[] = {9, 1, 17, 8, 12, 3, 21}; /* inputs of the examples */
enum { N = TUFF_COUNT(lengths), ROWS = 2, ROOM = N * T };

struct batch {
    uint32_t ids[ROOM], targets[ROOM], segments[2 * ROOM];
};

static uint32_t token(int example, int i)
{
    struct tuff_rng rng;
    tuff_rng_init(&rng, 17, (uint64_t) (100 * example + i));
    return (uint32_t) tuff_rng_below(&rng, VOCAB);
}

/* Example by example, in rows of their own or as many as there is room for. */
static uint64_t fill(struct batch *b, bool packed)
{
    uint64_t counted = 0;
    int row = 0, at = 0;
    memset(b, 0, sizeof *b);
    memset(b->targets, 0xFF, sizeof b->targets);
    for (int e = 0; e < N; e++) {
        if (e && (!packed || at + lengths[e] > T))
            row++, at = 0;
        for (int i = 0; i < lengths[e]; i++) {
            int k = row * T + at + i;
            b->ids[k] = token(e, i);
            b->targets[k] = (e + i) % 3 ? token(e, i + 1) : TUFF_TARGET_IGNORE;
            counted += b->targets[k] != TUFF_TARGET_IGNORE;
            b->segments[2 * k] = (uint32_t) at;
            b->segments[2 * k + 1] = (uint32_t) (at + lengths[e]);
        }
        at += lengths[e];
        for (int k = at; k < T; k++) /* until there is a next one: padding */
            b->segments[2 * (row * T + k)] = b->segments[2 * (row * T + k) + 1] = (uint32_t) at;
    }
    CHECK(row < (packed ? ROWS : N));
    return counted;
}

struct result {
    double loss, eval, norm;
    float *change; /* of the parameters by a step of size 1: the gradient */
    size_t n;
};

static float *read_all(struct tuff_ctx *ctx, struct tuff_store *store, size_t *n)
{
    float *all = NULL;
    for (int pass = 0; pass < 2; pass++) {
        *n = 0;
        for (size_t i = 0; i < tuff_store_count(store); i++) {
            struct tuff_variable *v = tuff_store_get(store, i);
            if (tuff_variable_role(v) != TUFF_TRAINABLE)
                continue;
            if (pass)
                CHECK_OK(ctx, tuff_variable_read(store, v, TUFF_VALUE, all + *n));
            *n += (size_t) tuff_variable_elements(v);
        }
        all = pass ? all : calloc(*n, sizeof *all);
    }
    return all;
}

static struct result step(struct tuff_ctx *ctx, struct tuff_device *device,
                          const struct tuff_model_config *config, bool packed)
{
    struct result r = {0};
    struct tuff_store *store = NULL;
    struct tuff_model *model = NULL;
    struct tuff_trainer *trainer = NULL;
    struct tuff_step_result result = {0};
    static const double rate = 1;
    struct tuff_optimizer_params sgd = tuff_optimizer_defaults(TUFF_SGD);
    sgd.lr = &rate;
    sgd.lr_count = 1;
    struct tuff_trainer_params params = {.batch = packed ? ROWS : N, .context = T, .packed = packed,
                                         .optimizer = sgd};
    struct batch *b = malloc(sizeof *b);
    uint64_t counted = fill(b, packed);
    CHECK_OK(ctx, tuff_store_create(ctx, device, &store));
    CHECK_OK(ctx, tuff_model_create(store, config, &model));
    params.store = store;
    params.model = model;
    enum tuff_status status = tuff_trainer_create(ctx, &params, &trainer);
    CHECK_OK(ctx, status);
    if (status == TUFF_OK) {
        struct tuff_micro micro = {.ids = b->ids, .targets = b->targets,
                                   .segments = packed ? b->segments : NULL};
        bool have = false;
        CHECK_OK(ctx, tuff_model_init(model, 3));
        CHECK_OK(ctx, tuff_trainer_start(trainer, 0, 0));
        float *before = read_all(ctx, store, &r.n);
        CHECK_OK(ctx, tuff_trainer_evaluate_micro(trainer, &micro, &r.eval));
        CHECK_OK(ctx, tuff_trainer_step_micros(trainer, &micro, 1, counted));
        CHECK_OK(ctx, tuff_trainer_result(trainer, true, &have, &result));
        CHECK(have && !result.skipped);
        r.loss = result.loss;
        r.norm = result.norm;
        r.change = read_all(ctx, store, &r.n);
        for (size_t i = 0; i < r.n; i++)
            r.change[i] = before[i] - r.change[i];
        free(before);
    }
    free(b);
    tuff_trainer_destroy(trainer);
    tuff_model_destroy(model);
    tuff_store_destroy(store);
    return r;
}

static void test_family(struct tuff_ctx *ctx, struct tuff_device *device, const char *family)
{
    struct tuff_model_config config;
    CHECK_OK(ctx, tuff_model_preset(ctx, family, "tiny", &config));
    config.vocab_size = VOCAB;
    config.bos_token_id = config.eos_token_id = -1;
    config.initializer_range = 0.1;
    tuff_model_set_dropout(&config, 0);
    struct result one = step(ctx, device, &config, false), all = step(ctx, device, &config, true);
    double most = 0, off = 0;
    CHECK(one.n == all.n && one.n);
    for (size_t i = 0; i < one.n && i < all.n; i++) {
        most = fmax(most, fabs((double) one.change[i]));
        off = fmax(off, fabs((double) one.change[i] - (double) all.change[i]));
    }
    CHECK_MSG(fabs(one.loss - all.loss) < 1e-6 * one.loss, "%s: loss %.8f packed, %.8f in rows of its own",
              family, all.loss, one.loss);
    CHECK_MSG(fabs(one.eval - all.eval) < 1e-6 * one.eval, "%s: %.8f and %.8f nats", family, all.eval,
              one.eval);
    /* Sums of some 100 terms in another order, and parameters of about 1 whose change is read: a few of
     * their last places, 2^-24, beside gradients that are far larger. */
    CHECK_MSG(most > 0.01 && off < 1e-5 * fmax(most, 1), "%s: gradients differ by %.3g, the largest is %.3g",
              family, off, most);
    free(one.change);
    free(all.change);
}

int main(void)
{
    static const char *const families[] = {"gpt2", "llama", "bloom", "gpt_neo"};
    struct tuff_ctx *ctx = tuff_ctx_create(NULL);
    struct tuff_device *device = test_device(ctx, (struct tuff_device_params) {0});
    for (size_t i = 0; i < TUFF_COUNT(families) && device; i++)
        test_family(ctx, device, families[i]);
    test_device_end(device);
    tuff_ctx_destroy(ctx);
    return test_end();
}
