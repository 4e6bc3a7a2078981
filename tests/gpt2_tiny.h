/* A small GPT-2 in training, for device tests: 2 layers, width 32, context 16, batch 4. */
#ifndef TUFF_TEST_GPT2_TINY_H
#define TUFF_TEST_GPT2_TINY_H

#include "base/rng.h"
#include "device.h"
#include "tuff/data.h"
#include "tuff/train.h"

#define TINY_BATCH 4
#define TINY_CONTEXT 16
#define TINY_VOCAB 50

struct tiny {
    struct tuff_ctx *ctx;
    struct tuff_store *store;
    struct tuff_model *model;
    struct tuff_trainer *trainer;
    uint64_t data_seed;
};

static const struct tuff_model_config tiny_config = {
    .model_type = "gpt2", .vocab_size = TINY_VOCAB, .max_position_embeddings = TINY_CONTEXT,
    .hidden_size = 32, .num_hidden_layers = 2, .num_attention_heads = 4, .norm_eps = 1e-5,
    .initializer_range = 0.1, .embd_pdrop = 0.1, .resid_pdrop = 0.1, .attn_pdrop = 0.1,
    .activation = TUFF_ACT_GELU_TANH, .tie_word_embeddings = true, .bos_token_id = -1,
    .eos_token_id = -1};

/* t->store is there; without a device nothing is allocated. */
static inline bool tiny_fill(struct tuff_ctx *ctx, struct tuff_trainer_params params,
                             struct tiny *t)
{
    static const double rate = 1e-2;
    CHECK_OK(ctx, tuff_model_create(t->store, &tiny_config, &t->model));
    params.store = t->store;
    params.model = t->model;
    params.batch = TINY_BATCH;
    params.context = TINY_CONTEXT;
    params.optimizer = (struct tuff_optimizer_params) {.beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8, .clip = 1,
                                               .lr = &rate, .lr_count = 1,
                                               .weight_decay = {0.1},
                                               .average = params.optimizer.average};
    enum tuff_status status = tuff_trainer_create(ctx, &params, &t->trainer);
    CHECK_OK(ctx, status);
    if (status != TUFF_OK || !tuff_store_device(t->store))
        return status == TUFF_OK;
    CHECK_OK(ctx, tuff_model_init(t->model, 3));
    CHECK_OK(ctx, tuff_trainer_start(t->trainer, 0, 0));
    return true;
}

static inline bool tiny_create(struct tuff_ctx *ctx, struct tuff_device *device,
                               struct tuff_trainer_params params, struct tiny *t)
{
    *t = (struct tiny) {.ctx = ctx};
    CHECK_OK(ctx, tuff_store_create(ctx, device, &t->store));
    return tiny_fill(ctx, params, t);
}

/* For such a device, which need not be here; with dropout. */
static inline bool tiny_create_planned(struct tuff_ctx *ctx, const struct tuff_device_info *info,
                                       struct tiny *t)
{
    *t = (struct tiny) {.ctx = ctx};
    CHECK_OK(ctx, tuff_store_create_planned(ctx, info, &t->store));
    return tiny_fill(ctx, (struct tuff_trainer_params) {.dropout = true}, t);
}

static inline void tiny_destroy(struct tiny *t)
{
    tuff_trainer_destroy(t->trainer);
    tuff_model_destroy(t->model);
    tuff_store_destroy(t->store);
}

/* The batch of step `step`: the same for every caller. */
static inline void tiny_batch(uint64_t step, uint32_t *ids, uint32_t *targets)
{
    struct tuff_rng rng;
    tuff_rng_init(&rng, 11, step);
    for (size_t i = 0; i < TINY_BATCH * TINY_CONTEXT; i++)
        ids[i] = (uint32_t) tuff_rng_below(&rng, TINY_VOCAB);
    for (size_t i = 0; i < TINY_BATCH * TINY_CONTEXT; i++)
        targets[i] = i % 7 ? (ids[i] * 3 + 1) % TINY_VOCAB : TUFF_TARGET_IGNORE;
}

/* One waited step; its loss. */
static inline double tiny_step(struct tiny *t, uint64_t step)
{
    uint32_t ids[TINY_BATCH * TINY_CONTEXT], targets[TINY_BATCH * TINY_CONTEXT];
    const uint32_t *i = ids, *o = targets;
    struct tuff_step_result result = {0};
    bool have = false;
    uint64_t counted = 0;
    tiny_batch(step, ids, targets);
    for (size_t k = 0; k < TINY_BATCH * TINY_CONTEXT; k++)
        counted += targets[k] != TUFF_TARGET_IGNORE;
    CHECK_OK(t->ctx, tuff_trainer_step(t->trainer, &i, &o, 1, counted));
    CHECK_OK(t->ctx, tuff_trainer_result(t->trainer, true, &have, &result));
    CHECK(have && !result.skipped);
    return result.loss;
}

/* All parameters one after the other; the caller frees. */
static inline float *tiny_weights(struct tiny *t, size_t *n)
{
    *n = 0;
    for (size_t i = 0; i < tuff_store_count(t->store); i++)
        if (tuff_variable_role(tuff_store_get(t->store, i)) == TUFF_TRAINABLE)
            *n += (size_t) tuff_variable_elements(tuff_store_get(t->store, i));
    float *all = calloc(*n, sizeof *all), *at = all;
    for (size_t i = 0; i < tuff_store_count(t->store) && all; i++) {
        struct tuff_variable *v = tuff_store_get(t->store, i);
        if (tuff_variable_role(v) != TUFF_TRAINABLE)
            continue;
        CHECK_OK(t->ctx, tuff_variable_read(t->store, v, TUFF_VALUE, at));
        at += tuff_variable_elements(v);
    }
    return all;
}

#endif
