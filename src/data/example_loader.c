/* data/example_loader: an epoch's examples into micro-batches by length; see tuff/examples.h. */
#include "base/base.h"
#include "data/pack.h"
#include "base/rng.h"
#include "tuff/examples.h"

/* The stream of random numbers that belongs to epoch e is this + e. */
#define EPOCH_STREAM ((uint64_t) 0x6578616d << 32)
#define SHORTEST 16 /* of the shapes */

struct batch {
    size_t shape, first, n; /* rows */
};
struct tuff_example_loader {
    struct tuff_ctx *ctx;
    struct tuff_example_loader_params params; /* pointers own copies */
    uint32_t *indices, *order, *rows, *left;  /* n each; rows: the examples, batch by batch */
    uint32_t *starts; /* n + 1; row r holds rows[starts[r] .. starts[r + 1]) */
    struct tuff_train_shape *shapes;
    struct { struct batch *items; size_t n, cap; } batches;
    uint64_t counted;
    bool planned; /* for these: */
    uint64_t seed, epoch;
};

/* ---- shapes ---- */

static size_t inputs(const struct tuff_examples *e, uint32_t i)
{
    return tuff_examples_get(e, i).n - 1;
}

/* The next length: 16, 24, 32, 48, 64 ... */
static int64_t longer(int64_t length)
{
    return length & (length - 1) ? length / 3 * 4 : length / 2 * 3;
}

enum tuff_status tuff_example_shapes(struct tuff_ctx *ctx, const struct tuff_examples *e,
                                     const uint32_t *indices, size_t n, int64_t batch,
                                     int64_t context, bool pack, struct tuff_train_shape **out,
                                     size_t *n_shapes)
{
    struct { struct tuff_train_shape *items; size_t n, cap; } shapes = {0};
    int64_t longest = 0, tokens = batch * context, shorter = 0;
    size_t carried = 0;
    *out = NULL;
    *n_shapes = 0;
    for (size_t i = 0; i < n; i++)
        longest = TUFF_MAX(longest, (int64_t) inputs(e, indices ? indices[i] : (uint32_t) i));
    if (longest > context)
        return tuff_fail(ctx, TUFF_E_RANGE, "an example has %lld tokens, the context %lld",
                         (long long) longest + 1, (long long) context);
    for (int64_t length = pack ? context : SHORTEST; shorter < longest; shorter = length, length = longer(length)) {
        bool last = length >= longest;
        length = last && !pack ? TUFF_MIN(length, context) : length;
        int64_t rows = TUFF_MAX(tokens / length, 1);
        for (size_t i = 0; i < n; i++) {
            int64_t size = (int64_t) inputs(e, indices ? indices[i] : (uint32_t) i);
            carried += size > shorter && size <= length;
        }
        if (!last && (int64_t) carried < rows)
            continue;
        carried %= (size_t) rows;
        struct tuff_train_shape *shape = TUFF_PUSH(&shapes);
        if (!shape) {
            free(shapes.items);
            return tuff_fail(ctx, TUFF_E_NOMEM, "examples: out of host memory");
        }
        *shape = (struct tuff_train_shape) {rows, length};
        if (last)
            break;
    }
    *out = shapes.items;
    *n_shapes = shapes.n;
    return TUFF_OK;
}

/* ---- the loader ---- */

static enum tuff_status check(struct tuff_ctx *ctx, const struct tuff_example_loader_params *p)
{
    if (!p->n || p->n >= UINT32_MAX || !p->n_shapes || (p->pack && p->n_shapes != 1))
        return tuff_fail(ctx, TUFF_E_ARG, "no examples to load");
    for (size_t i = 0; i < p->n; i++)
        if ((p->indices && p->indices[i] >= tuff_examples_count(p->examples)) ||
            (int64_t) inputs(p->examples, p->indices ? p->indices[i] : (uint32_t) i) >
                p->shapes[p->n_shapes - 1].context)
            return tuff_fail(ctx, TUFF_E_RANGE, "example %zu is longer than the longest shape", i);
    return TUFF_OK;
}

static enum tuff_status plan(struct tuff_example_loader *l, uint64_t seed, uint64_t epoch);

enum tuff_status tuff_example_loader_create(struct tuff_ctx *ctx,
                                            const struct tuff_example_loader_params *params,
                                            struct tuff_example_loader **out)
{
    *out = NULL;
    TUFF_TRY(check(ctx, params));
    struct tuff_example_loader *l = tuff_calloc(1, sizeof *l);
    if (!l)
        return tuff_fail(ctx, TUFF_E_NOMEM, "examples: out of host memory");
    l->ctx = ctx;
    l->params = *params;
    uint32_t **lists[] = {&l->indices, &l->order, &l->rows, &l->left, &l->starts};
    bool memory = (l->shapes = tuff_calloc(params->n_shapes, sizeof *l->shapes)) != NULL;
    for (size_t i = 0; i < TUFF_COUNT(lists); i++)
        memory &= (*lists[i] = tuff_calloc(params->n + 1, sizeof **lists[i])) != NULL;
    enum tuff_status status =
        memory ? TUFF_OK : tuff_fail(ctx, TUFF_E_NOMEM, "examples: out of host memory");
    if (memory) {
        memcpy(l->shapes, params->shapes, params->n_shapes * sizeof *l->shapes);
        for (size_t i = 0; i < params->n; i++) {
            l->indices[i] = params->indices ? params->indices[i] : (uint32_t) i;
            l->counted += tuff_examples_get(params->examples, l->indices[i]).counted;
        }
        status = plan(l, 0, 0);
    }
    if (status == TUFF_OK)
        *out = l;
    else
        tuff_example_loader_destroy(l);
    return status;
}

void tuff_example_loader_destroy(struct tuff_example_loader *l)
{
    if (!l)
        return;
    free(l->indices);
    free(l->order);
    free(l->rows);
    free(l->left);
    free(l->starts);
    free(l->shapes);
    free(l->batches.items);
    free(l);
}

uint64_t tuff_example_loader_batches(const struct tuff_example_loader *l)
{
    return l->batches.n;
}

uint64_t tuff_example_loader_counted(const struct tuff_example_loader *l)
{
    return l->counted;
}

size_t tuff_example_loader_room(const struct tuff_example_loader *l)
{
    size_t most = 0;
    for (size_t i = 0; i < l->params.n_shapes; i++)
        most = TUFF_MAX(most, (size_t) (l->shapes[i].batch * l->shapes[i].context));
    return most;
}

/* ---- an epoch ---- */

static size_t shape_of(const struct tuff_example_loader *l, uint32_t example)
{
    size_t s = 0;
    while ((int64_t) inputs(l->params.examples, example) > l->shapes[s].context)
        s++;
    return s;
}

/* Cuts the n examples of `left`, a row each, into micro-batches; at most one of them is not full, and only where
 * `all`. Returns how many of `left` are still there, moved to its front. */
static size_t cut(struct tuff_example_loader *l, size_t shape, size_t n, bool all, size_t *rows)
{
    size_t each = (size_t) l->shapes[shape].batch, at = 0;
    while (n - at >= each || (all && at < n)) {
        struct batch *b = TUFF_PUSH(&l->batches);
        if (!b)
            return SIZE_MAX;
        *b = (struct batch) {shape, *rows, TUFF_MIN(each, n - at)};
        for (size_t i = 0; i < b->n; i++, at++) {
            l->rows[*rows] = l->left[at];
            ++*rows;
            l->starts[*rows] = (uint32_t) *rows;
        }
    }
    memmove(l->left, l->left + at, (n - at) * sizeof *l->left);
    return n - at;
}

static void shuffle(struct tuff_example_loader *l, uint64_t seed, uint64_t epoch,
                    struct tuff_rng *rng)
{
    tuff_rng_init(rng, seed, EPOCH_STREAM + epoch);
    for (size_t i = 0; i < l->params.n; i++) {
        size_t j = l->params.shuffle ? (size_t) tuff_rng_below(rng, i + 1) : i;
        l->order[i] = l->order[j];
        l->order[j] = l->indices[i];
    }
}

/* Rows that are full or nearly so, then micro-batches of them as they come. */
static enum tuff_status plan_packed(struct tuff_example_loader *l, struct tuff_rng *rng)
{
    size_t n = l->params.n, rows = 0, each = (size_t) l->shapes[0].batch;
    for (size_t i = 0; i < n; i++)
        l->left[i] = (uint32_t) inputs(l->params.examples, l->order[i]);
    TUFF_TRY(tuff_pack(l->ctx, l->left, n, (size_t) l->shapes[0].context, l->params.shuffle ? rng : NULL,
                       l->rows, l->starts, &rows));
    for (size_t i = 0; i < n; i++)
        l->rows[i] = l->order[l->rows[i]];
    for (size_t first = 0; first < rows; first += each) {
        struct batch *b = TUFF_PUSH(&l->batches);
        if (!b)
            return tuff_fail(l->ctx, TUFF_E_NOMEM, "examples: out of host memory");
        *b = (struct batch) {0, first, TUFF_MIN(each, rows - first)};
    }
    return TUFF_OK;
}

static enum tuff_status plan_by_length(struct tuff_example_loader *l)
{
    size_t left = 0, rows = 0;
    l->starts[0] = 0;
    for (size_t s = 0; s < l->params.n_shapes; s++) {
        for (size_t i = 0; i < l->params.n; i++)
            if (shape_of(l, l->order[i]) == s)
                l->left[left++] = l->order[i];
        left = cut(l, s, left, s + 1 == l->params.n_shapes, &rows);
        if (left == SIZE_MAX)
            return tuff_fail(l->ctx, TUFF_E_NOMEM, "examples: out of host memory");
    }
    return TUFF_OK;
}

static enum tuff_status plan(struct tuff_example_loader *l, uint64_t seed, uint64_t epoch)
{
    struct tuff_rng rng;
    if (l->planned && l->seed == seed && l->epoch == epoch)
        return TUFF_OK;
    l->planned = false;
    l->batches.n = 0;
    shuffle(l, seed, epoch, &rng);
    TUFF_TRY(l->params.pack ? plan_packed(l, &rng) : plan_by_length(l));
    for (size_t i = 0; i < l->batches.n && l->params.shuffle; i++) {
        size_t j = (size_t) tuff_rng_below(&rng, i + 1);
        struct batch b = l->batches.items[i];
        l->batches.items[i] = l->batches.items[j];
        l->batches.items[j] = b;
    }
    l->seed = seed;
    l->epoch = epoch;
    l->planned = true;
    return TUFF_OK;
}

/* Row `row` of length T; what is behind its examples is padding, of an empty segment. */
static uint64_t fill_row(const struct tuff_example_loader *l, size_t row, size_t length,
                         uint32_t *ids, uint32_t *targets, uint32_t *segments)
{
    size_t at = 0;
    uint64_t counted = 0;
    for (size_t k = l->starts[row]; k < l->starts[row + 1]; k++) {
        struct tuff_example e = tuff_examples_get(l->params.examples, l->rows[k]);
        size_t begin = at, end = at + e.n - 1;
        for (; at < end; at++) {
            size_t i = at - begin;
            ids[at] = e.ids[i];
            targets[at] = e.counts[i + 1] ? e.ids[i + 1] : TUFF_TARGET_IGNORE;
            if (segments) {
                segments[2 * at] = (uint32_t) begin;
                segments[2 * at + 1] = (uint32_t) end;
            }
        }
        counted += e.counted;
    }
    for (size_t end = at; at < length; at++) {
        ids[at] = 0;
        targets[at] = TUFF_TARGET_IGNORE;
        if (segments)
            segments[2 * at] = segments[2 * at + 1] = (uint32_t) end;
    }
    return counted;
}

enum tuff_status tuff_example_loader_fill(struct tuff_example_loader *l,
                                          struct tuff_data_position *position, uint32_t *ids,
                                          uint32_t *targets, uint32_t *segments,
                                          struct tuff_micro *micro, uint64_t *counted)
{
    struct tuff_data_position at = *position;
    *counted = 0;
    segments = l->params.pack ? segments : NULL;
    *micro = (struct tuff_micro) {.ids = ids, .targets = targets, .segments = segments};
    TUFF_TRY(plan(l, at.seed, at.epoch));
    if (at.index >= l->batches.n) {
        if (!l->params.shuffle)
            return TUFF_OK;
        at.epoch++;
        at.index = 0;
        TUFF_TRY(plan(l, at.seed, at.epoch));
    }
    const struct batch *b = &l->batches.items[at.index++];
    size_t rows = (size_t) l->shapes[b->shape].batch, t = (size_t) l->shapes[b->shape].context;
    micro->shape = b->shape;
    for (size_t i = 0; i < b->n; i++)
        *counted += fill_row(l, b->first + i, t, ids + i * t, targets + i * t,
                             segments ? segments + 2 * i * t : NULL);
    memset(ids + b->n * t, 0, (rows - b->n) * t * sizeof *ids);
    memset(targets + b->n * t, 0xFF, (rows - b->n) * t * sizeof *targets);
    if (segments)
        memset(segments + 2 * b->n * t, 0, 2 * (rows - b->n) * t * sizeof *segments);
    *position = at;
    return TUFF_OK;
}
