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

static const char *const offload_names[] = {
    [TUFF_OFFLOAD_STATES] = "states",
    [TUFF_OFFLOAD_FROZEN] = "frozen",
    [TUFF_OFFLOAD_STATES | TUFF_OFFLOAD_FROZEN] = "all",
};

const char *tuff_offload_name(unsigned what)
{
    return what < TUFF_COUNT(offload_names) ? offload_names[what] : NULL;
}

bool tuff_offload_find(const char *name, unsigned *what)
{
    for (unsigned i = 1; i < TUFF_COUNT(offload_names); i++)
        if (!strcmp(offload_names[i], name)) {
            *what = i;
            return true;
        }
    return false;
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

static enum tuff_status largest_batch(struct search *s, int64_t asked, bool *good)
{
    struct tuff_memory_choice *choice = s->choice;
    *good = false;
    for (int64_t batch = asked; batch >= 1 && !*good; batch--) {
        if (asked % batch)
            continue;
        TUFF_TRY(fewest_blocks(s, batch, good));
        choice->batch = batch;
        choice->accumulate = asked / batch;
    }
    return TUFF_OK;
}

enum tuff_status tuff_trainer_fit_memory(struct tuff_ctx *ctx, const struct tuff_device_info *info,
                                         const struct tuff_model_config *config,
                                         const struct tuff_trainer_params *params,
                                         uint64_t budget, struct tuff_memory_choice *choice)
{
    static const unsigned more[] = {0, TUFF_OFFLOAD_STATES,
                                    TUFF_OFFLOAD_STATES | TUFF_OFFLOAD_FROZEN};
    struct search s = {ctx, info, config, *params, budget, choice};
    size_t ways = info && !info->unified_memory ? TUFF_COUNT(more) : 1;
    *choice = (struct tuff_memory_choice) {0};
    for (size_t i = 0; i < ways; i++) {
        bool good;
        s.params.offload = choice->offload = params->offload | more[i];
        TUFF_TRY(largest_batch(&s, params->batch, &good));
        if (good)
            return TUFF_OK;
    }
    return tuff_fail(ctx, TUFF_E_DEVICE_MEMORY,
                     "one sequence of %lld tokens with all blocks made again%s needs %.1f MiB, which "
                     "is more than %.1f; a shorter context or a smaller model would fit",
                     (long long) params->context,
                     ways > 1 ? " and states in the host's memory" : "",
                     (double) choice->peak / 1048576, (double) budget / 1048576);
}
