/* train/budget: what training takes, and what to give up so that it takes no more than so much. */
#include "base/base.h"
#include "graph/op.h"
#include "graph/plan.h"
#include "tuff/train.h"

enum tuff_status tuff_trainer_plan(struct tuff_ctx *ctx, const struct tuff_device_info *info,
                                   const struct tuff_model_config *config,
                                   const struct tuff_trainer_params *params,
                                   struct tuff_plan_sizes *sizes, int64_t *chunk, int *blocks)
{
    struct tuff_trainer_params p = *params;
    struct tuff_trainer *trainer = NULL;
    struct tuff_store *store = NULL;
    struct tuff_model *model = NULL;
    enum tuff_status status = info ? tuff_store_create_planned(ctx, info, &store)
                                   : tuff_store_create(ctx, NULL, &store);
    if (status == TUFF_OK)
        status = p.lora ? tuff_lora_create(store, config, p.lora, &model)
                 : p.soft_prompt ? tuff_soft_prompt_create(store, config, p.soft_prompt, &model)
                                 : tuff_model_create(store, config, &model);
    p.store = store;
    p.model = model;
    p.dropout = true;
    if (status == TUFF_OK)
        status = tuff_trainer_create(ctx, &p, &trainer);
    if (status == TUFF_OK) {
        tuff_trainer_sizes(trainer, sizes);
        if (chunk)
            *chunk = tuff_model_token_loss_chunk(model, p.batch * p.context);
        if (blocks)
            *blocks = tuff_graph_blocks(tuff_trainer_program(trainer)->graph);
    }
    tuff_trainer_destroy(trainer);
    tuff_model_destroy(model);
    tuff_store_destroy(store);
    return status;
}

struct search {
    struct tuff_ctx *ctx;
    const struct tuff_device_info *info;
    const struct tuff_model_config *config;
    struct tuff_trainer_params params;
    uint64_t budget;
    struct tuff_memory_choice *choice;
};

/* Whether so many sequences fit with so many blocks made again; what a piece of memory is too small
 * for does not. */
static enum tuff_status fits(struct search *s, int64_t batch, int checkpoint, bool *good)
{
    struct tuff_plan_sizes sizes;
    s->params.batch = batch;
    s->params.checkpoint = checkpoint;
    enum tuff_status status = tuff_trainer_plan(s->ctx, s->info, s->config, &s->params, &sizes,
                                                NULL, &s->choice->blocks);
    *good = false;
    if (status == TUFF_E_DEVICE_MEMORY)
        return TUFF_OK;
    TUFF_TRY(status);
    s->choice->peak = tuff_plan_peak(&sizes);
    *good = s->choice->peak <= s->budget;
    return TUFF_OK;
}

/* The fewest blocks, where all of them are enough. */
static enum tuff_status fewest_blocks(struct search *s, int64_t batch, bool *good)
{
    int low = -1, high;
    TUFF_TRY(fits(s, batch, -1, good));
    high = s->choice->blocks;
    while (*good && high - low > 1) {
        int middle = low + (high - low) / 2;
        bool enough;
        TUFF_TRY(fits(s, batch, middle, &enough));
        *(enough ? &high : &low) = middle;
    }
    s->choice->checkpoint = high;
    return *good ? fits(s, batch, high, good) : TUFF_OK;
}

enum tuff_status tuff_trainer_fit_memory(struct tuff_ctx *ctx, const struct tuff_device_info *info,
                                         const struct tuff_model_config *config,
                                         const struct tuff_trainer_params *params,
                                         uint64_t budget, struct tuff_memory_choice *choice)
{
    struct search s = {ctx, info, config, *params, budget, choice};
    *choice = (struct tuff_memory_choice) {0};
    for (int64_t batch = params->batch; batch >= 1; batch--) {
        bool good;
        if (params->batch % batch)
            continue;
        TUFF_TRY(fewest_blocks(&s, batch, &good));
        choice->batch = batch;
        choice->accumulate = params->batch / batch;
        if (good)
            return TUFF_OK;
    }
    return tuff_fail(ctx, TUFF_E_DEVICE_MEMORY,
                     "one sequence of %lld tokens with all blocks made again needs %.0f MiB, which "
                     "is more than %.0f; a shorter context or a smaller model would fit",
                     (long long) params->context, (double) choice->peak / 1048576,
                     (double) budget / 1048576);
}
