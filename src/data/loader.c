/* data/loader: windows of a token file, in the order of an epoch. See tuff/data.h for the cut. */
#include "base/base.h"
#include "base/rng.h"
#include "tuff/data.h"

#include <inttypes.h>

/* The stream of random numbers that belongs to the order of epoch e is this + e. */
#define ORDER_STREAM ((uint64_t) 0x64617461 << 32)

struct tuff_loader {
    struct tuff_ctx *ctx;
    struct tuff_loader_params params;
    uint64_t first, end; /* tokens of the part */
    uint32_t *order;     /* training: window numbers in this epoch's order; room for any epoch */
    bool ordered;        /* the three below are valid */
    uint64_t seed, epoch, offset;
};

/* Training: tokens before the first window, and how many windows follow. `rng` comes out behind
 * the number that was drawn. */
static uint64_t epoch_windows(const struct tuff_loader *loader, uint64_t seed, uint64_t epoch,
                              struct tuff_rng *rng, uint64_t *offset)
{
    uint64_t n = loader->end - loader->first, context = loader->params.context;
    tuff_rng_init(rng, seed, ORDER_STREAM + epoch);
    *offset = tuff_rng_below(rng, TUFF_MIN(context, n - context));
    return (n - 1 - *offset) / context;
}

uint64_t tuff_loader_windows(const struct tuff_loader *loader, uint64_t seed, uint64_t epoch)
{
    struct tuff_rng rng;
    uint64_t offset;
    if (loader->params.split == TUFF_SPLIT_TRAIN)
        return epoch_windows(loader, seed, epoch, &rng, &offset);
    uint64_t predicted = loader->end - loader->first - 1;
    return epoch ? 0 : tuff_div_up(predicted, loader->params.context);
}

enum tuff_status tuff_loader_create(struct tuff_ctx *ctx, const struct tuff_loader_params *params,
                                    struct tuff_loader **out)
{
    *out = NULL;
    const struct tuff_token_info *info = tuff_token_file_info(params->file);
    bool train = params->split == TUFF_SPLIT_TRAIN;
    uint64_t first = train || !info->train ? 0 : info->train - 1;
    uint64_t end = train ? info->train : info->count;
    if (!params->batch || !params->context ||
        (uint64_t) params->batch * params->context > SIZE_MAX / 8)
        return tuff_fail(ctx, TUFF_E_RANGE, "batch %" PRIu32 " of context %" PRIu32 " is no batch",
                         params->batch, params->context);
    if (train && end <= params->context)
        return tuff_fail(ctx, TUFF_E_RANGE,
                         "the training data has %" PRIu64 " tokens, a context "
                         "of %" PRIu32 " needs one more than that: take more data or a shorter "
                         "context",
                         end, params->context);
    if (!train && (info->train == info->count || end - first < 2))
        return tuff_fail(ctx, TUFF_E_RANGE, "the data has no held-out tokens to validate on");
    uint64_t most = (end - first - 1) / params->context;
    if (most >= UINT32_MAX)
        return tuff_fail(ctx, TUFF_E_RANGE, "%" PRIu64 " windows: take a longer context", most);
    struct tuff_loader *loader = tuff_calloc(1, sizeof *loader);
    if (loader && train && !(loader->order = tuff_calloc((size_t) most, sizeof *loader->order))) {
        free(loader);
        loader = NULL;
    }
    if (!loader)
        return tuff_fail(ctx, TUFF_E_NOMEM, "loader: out of host memory");
    loader->ctx = ctx;
    loader->params = *params;
    loader->first = first;
    loader->end = end;
    *out = loader;
    return TUFF_OK;
}

void tuff_loader_destroy(struct tuff_loader *loader)
{
    if (loader)
        free(loader->order);
    free(loader);
}

/* Fisher-Yates, all of it again for every epoch: a permutation that depends on nothing before. */
static void make_order(struct tuff_loader *loader, uint64_t seed, uint64_t epoch)
{
    if (loader->ordered && loader->seed == seed && loader->epoch == epoch)
        return;
    struct tuff_rng rng;
    uint64_t n = epoch_windows(loader, seed, epoch, &rng, &loader->offset);
    for (uint64_t i = 0; i < n; i++) {
        uint64_t j = tuff_rng_below(&rng, i + 1);
        loader->order[i] = loader->order[j];
        loader->order[j] = (uint32_t) i;
    }
    loader->seed = seed;
    loader->epoch = epoch;
    loader->ordered = true;
}

/* ids[0..T) and targets[0..T) from the T + 1 tokens at `start`; what lies beyond the part is
 * filled up. */
static enum tuff_status fill_row(const struct tuff_loader *loader, uint64_t start, uint32_t *ids,
                                 uint32_t *targets, uint64_t *counted)
{
    uint64_t context = loader->params.context;
    uint64_t n = start < loader->end ? TUFF_MIN(context, loader->end - 1 - start) : 0;
    if (n) {
        TUFF_TRY(tuff_token_file_read(loader->ctx, loader->params.file, start, n, ids));
        memcpy(targets, ids + 1, (size_t) (n - 1) * sizeof *targets);
        TUFF_TRY(
            tuff_token_file_read(loader->ctx, loader->params.file, start + n, 1, targets + n - 1));
    }
    for (uint64_t i = n; i < context; i++) {
        ids[i] = 0;
        targets[i] = TUFF_TARGET_IGNORE;
    }
    *counted += n;
    return TUFF_OK;
}

enum tuff_status tuff_loader_fill(struct tuff_loader *loader, struct tuff_data_position *position,
                                  uint32_t *ids, uint32_t *targets, uint64_t *counted)
{
    struct tuff_data_position at = *position;
    size_t context = loader->params.context;
    uint64_t sum = 0;
    for (size_t row = 0; row < loader->params.batch; row++) {
        uint64_t start = loader->end;
        if (loader->params.split == TUFF_SPLIT_TRAIN) {
            if (at.index >= tuff_loader_windows(loader, at.seed, at.epoch)) {
                at.epoch++;
                at.index = 0;
            }
            make_order(loader, at.seed, at.epoch);
            start = loader->first + loader->offset + loader->order[at.index++] * (uint64_t) context;
        } else if (at.index < tuff_loader_windows(loader, at.seed, at.epoch)) {
            start = loader->first + at.index++ * context;
        }
        TUFF_TRY(fill_row(loader, start, ids + row * context, targets + row * context, &sum));
    }
    *position = at;
    if (counted)
        *counted = sum;
    return TUFF_OK;
}
