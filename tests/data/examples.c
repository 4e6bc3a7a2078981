/* Examples: shapes, that an epoch holds each example once and in the right place, that nothing but what
 * is marked is a target, that a position gives the same micro-batch however it was reached, splits. */
#include "base/base.h"
#include "base/rng.h"
#include "test.h"
#include "tuff/examples.h"

enum { N = 300, BATCH = 4, CONTEXT = 64 };

static struct tuff_ctx *ctx;

/* Example i: i, then tokens that count up from 1000 i; the later half counts. Lengths 3..65. */
static size_t length_of(size_t i)
{
    struct tuff_rng rng;
    tuff_rng_init(&rng, 3, i);
    return i == 7 ? CONTEXT + 1 : 3 + (size_t) tuff_rng_below(&rng, i % 4 ? 20 : 60);
}

static struct tuff_examples *make(void)
{
    struct tuff_examples *e = NULL;
    uint32_t ids[CONTEXT + 1];
    uint8_t counts[CONTEXT + 1];
    CHECK_OK(ctx, tuff_examples_create(ctx, &e));
    for (size_t i = 0; i < N; i++) {
        size_t n = length_of(i);
        for (size_t k = 0; k < n; k++) {
            ids[k] = (uint32_t) (k ? 1000 * i + k : i);
            counts[k] = k >= n / 2;
        }
        CHECK_OK(ctx, tuff_examples_add(e, ids, counts, n, n));
    }
    CHECK(tuff_examples_count(e) == N);
    memset(counts, 0, sizeof counts);
    counts[0] = 1;
    CHECK(tuff_examples_add(e, ids, counts, 5, 0) == TUFF_E_ARG && tuff_examples_count(e) == N);
    return e;
}

/* Row [T] of a micro-batch: the example it holds, or SIZE_MAX for one that is padding. */
static size_t check_row(const struct tuff_examples *e, const uint32_t *ids, const uint32_t *targets,
                        size_t t)
{
    size_t counted = 0, i = ids[0];
    for (size_t k = 0; k < t; k++)
        counted += targets[k] != TUFF_TARGET_IGNORE;
    if (!counted)
        return SIZE_MAX;
    struct tuff_example x = tuff_examples_get(e, i);
    CHECK(counted == x.counted && x.n - 1 <= t);
    for (size_t k = 0; k < t; k++) {
        bool counts = k + 1 < x.n && x.counts[k + 1];
        CHECK(ids[k] == (k + 1 < x.n ? x.ids[k] : 0));
        CHECK(targets[k] == (counts ? x.ids[k + 1] : TUFF_TARGET_IGNORE));
    }
    return i;
}

static void test_epochs(const struct tuff_examples *e, const struct tuff_train_shape *shapes,
                        size_t n_shapes, bool shuffle)
{
    struct tuff_example_loader *loader = NULL;
    CHECK_OK(ctx, tuff_example_loader_create(
                      ctx,
                      &(struct tuff_example_loader_params) {.examples = e, .n = N, .shapes = shapes,
                                                            .n_shapes = n_shapes,
                                                            .shuffle = shuffle},
                      &loader));
    size_t room = tuff_example_loader_room(loader), first[2] = {0};
    uint32_t *ids = calloc(room, sizeof *ids), *targets = calloc(room, sizeof *targets);
    uint64_t batches = tuff_example_loader_batches(loader);
    for (uint64_t epoch = 0; epoch < (shuffle ? 3u : 1u); epoch++) {
        struct tuff_data_position at = {9, epoch, 0};
        uint8_t seen[N] = {0};
        uint64_t tokens = 0, all = 0, padding = 0;
        for (uint64_t b = 0; b < batches; b++) {
            struct tuff_micro m;
            uint64_t counted;
            CHECK_OK(ctx, tuff_example_loader_fill(loader, &at, ids, targets, NULL, &m, &counted));
            CHECK(at.epoch == epoch && at.index == b + 1 && counted && m.shape < n_shapes);
            size_t t = (size_t) shapes[m.shape].context, rows = (size_t) shapes[m.shape].batch;
            for (size_t r = 0; r < rows; r++) {
                size_t i = check_row(e, ids + r * t, targets + r * t, t);
                if (!b && !r && epoch < 2)
                    first[epoch] = i;
                padding += i == SIZE_MAX;
                if (i != SIZE_MAX) {
                    CHECK(!seen[i]++);
                    tokens += length_of(i) - 1;
                }
            }
            all += rows * t;
        }
        for (size_t i = 0; i < N; i++)
            CHECK(seen[i]);
        /* Lengths grow by 4/3 and 3/2, so that a shape is filled to 5/6 and more by examples of even
         * lengths; what is left over of a shape moves on, which of so few examples is a part. */
        CHECK_MSG(tokens * 3 > all * 2, "%llu of %llu places are filled",
                  (unsigned long long) tokens, (unsigned long long) all);
        CHECK(padding < (uint64_t) shapes[n_shapes - 1].batch);
        /* behind the end: the next epoch, or nothing */
        struct tuff_micro m;
        uint64_t counted;
        CHECK_OK(ctx, tuff_example_loader_fill(loader, &at, ids, targets, NULL, &m, &counted));
        CHECK(shuffle ? counted && at.epoch == epoch + 1 && at.index == 1 : !counted);
    }
    CHECK(!shuffle || first[0] != first[1]);
    /* out of the blue, after another epoch was planned */
    struct tuff_data_position at = {9, shuffle ? 1 : 0, 3};
    struct tuff_micro m;
    uint64_t counted, again;
    uint32_t *copy = calloc(room, sizeof *copy);
    CHECK_OK(ctx, tuff_example_loader_fill(loader, &at, ids, targets, NULL, &m, &counted));
    memcpy(copy, ids, room * sizeof *ids);
    at = (struct tuff_data_position) {9, shuffle ? 2 : 0, 5};
    CHECK_OK(ctx, tuff_example_loader_fill(loader, &at, ids, targets, NULL, &m, &again));
    at = (struct tuff_data_position) {9, shuffle ? 1 : 0, 3};
    CHECK_OK(ctx, tuff_example_loader_fill(loader, &at, ids, targets, NULL, &m, &again));
    size_t n = (size_t) (shapes[m.shape].batch * shapes[m.shape].context);
    CHECK(counted == again && !memcmp(copy, ids, n * sizeof *ids));
    free(copy);
    free(ids);
    free(targets);
    tuff_example_loader_destroy(loader);
}

static void test_shapes(const struct tuff_examples *e)
{
    struct tuff_train_shape *shapes = NULL;
    size_t n = 0;
    CHECK_OK(ctx, tuff_example_shapes(ctx, e, NULL, N, BATCH, CONTEXT, false, &shapes, &n));
    CHECK(n >= 3 && shapes[n - 1].context == CONTEXT && shapes[n - 1].batch == BATCH);
    for (size_t i = 0; i < n; i++)
        CHECK(shapes[i].batch * shapes[i].context <= BATCH * CONTEXT &&
              (!i || shapes[i].context > shapes[i - 1].context));
    test_epochs(e, shapes, n, true);
    test_epochs(e, shapes, n, false);
    free(shapes);
    CHECK(tuff_example_shapes(ctx, e, NULL, N, BATCH, 63, false, &shapes, &n) == TUFF_E_RANGE);
    CHECK(!shapes && strstr(tuff_error_text(ctx), "65 tokens"));
    /* three short ones: one shape, as long as they are at the most */
    const uint32_t few[] = {1, 2, 3};
    CHECK_OK(ctx, tuff_example_shapes(ctx, e, few, 3, BATCH, CONTEXT, false, &shapes, &n));
    CHECK(n == 1 && shapes[0].context <= 32);
    free(shapes);
}

/* Each example once, in a segment of its own; rows nearly full; the same at a position however reached. */
static void test_packed(const struct tuff_examples *e, bool shuffle)
{
    struct tuff_example_loader *loader = NULL;
    struct tuff_train_shape *shapes = NULL;
    size_t n = 0, room;
    uint64_t counted, tokens = 0, all = 0, total = 0;
    struct tuff_data_position at = {5, 0, 0};
    uint8_t seen[N] = {0};
    CHECK_OK(ctx, tuff_example_shapes(ctx, e, NULL, N, BATCH, CONTEXT + 8, true, &shapes, &n));
    CHECK(n == 1 && shapes[0].batch == BATCH && shapes[0].context == CONTEXT + 8);
    CHECK_OK(ctx, tuff_example_loader_create(
                      ctx,
                      &(struct tuff_example_loader_params) {.examples = e, .n = N, .shapes = shapes,
                                                            .n_shapes = n, .shuffle = shuffle,
                                                            .pack = true},
                      &loader));
    room = tuff_example_loader_room(loader);
    uint32_t *ids = calloc(4 * room, sizeof *ids), *targets = ids + room, *segments = ids + 2 * room;
    for (uint64_t b = 0; b < tuff_example_loader_batches(loader); b++) {
        struct tuff_micro m;
        CHECK_OK(ctx, tuff_example_loader_fill(loader, &at, ids, targets, segments, &m, &counted));
        CHECK(m.segments == segments && m.shape == 0);
        total += counted;
        all += room;
        for (size_t k = 0; k < room; k++) {
            size_t row = k / (CONTEXT + 8) * (CONTEXT + 8), begin = segments[2 * k];
            size_t end = segments[2 * k + 1], place = k - row;
            if (begin == end) { /* padding: an empty segment, which does not begin before others end */
                CHECK(targets[k] == TUFF_TARGET_IGNORE && begin <= place);
                CHECK(!place || begin >= segments[2 * k - 1]);
                continue;
            }
            CHECK(place >= begin && place < end && end <= CONTEXT + 8);
            struct tuff_example x = tuff_examples_get(e, ids[row + begin]);
            size_t i = place - begin;
            CHECK(end - begin == x.n - 1 && ids[k] == x.ids[i]);
            CHECK(targets[k] == (x.counts[i + 1] ? x.ids[i + 1] : TUFF_TARGET_IGNORE));
            CHECK(i || !seen[ids[k]]++);
            tokens++;
        }
    }
    for (size_t i = 0; i < N; i++)
        CHECK(seen[i]);
    CHECK(total == tuff_example_loader_counted(loader));
    CHECK_MSG(tokens * 20 > all * 19, "%llu of %llu places are filled", (unsigned long long) tokens,
              (unsigned long long) all);
    struct tuff_micro m;
    CHECK_OK(ctx, tuff_example_loader_fill(loader, &at, ids, targets, segments, &m, &counted));
    CHECK(shuffle ? counted && at.epoch == 1 && at.index == 1 : !counted);
    if (shuffle) {
        uint32_t *copy = malloc(4 * room * sizeof *copy);
        memcpy(copy, ids, 4 * room * sizeof *copy);
        at = (struct tuff_data_position) {5, 0, 2};
        CHECK_OK(ctx, tuff_example_loader_fill(loader, &at, ids, targets, segments, &m, &counted));
        CHECK(memcmp(copy, ids, 4 * room * sizeof *copy));
        at = (struct tuff_data_position) {5, 1, 0};
        CHECK_OK(ctx, tuff_example_loader_fill(loader, &at, ids, targets, segments, &m, &counted));
        CHECK(!memcmp(copy, ids, 4 * room * sizeof *copy));
        free(copy);
    }
    free(ids);
    free(shapes);
    tuff_example_loader_destroy(loader);
}

static void test_split(void)
{
    uint32_t *order, *again;
    size_t train, seen = 0;
    CHECK_OK(ctx, tuff_examples_split(ctx, 100, 0.1, 5, &order, &train));
    CHECK_OK(ctx, tuff_examples_split(ctx, 100, 0.1, 5, &again, &train));
    CHECK(train == 90 && !memcmp(order, again, 100 * sizeof *order));
    free(again);
    CHECK_OK(ctx, tuff_examples_split(ctx, 100, 0.1, 6, &again, &train));
    CHECK(memcmp(order, again, 100 * sizeof *order));
    for (uint32_t i = 0; i < 100; i++)
        for (size_t k = 0; k < 100; k++)
            seen += order[k] == i;
    CHECK(seen == 100);
    free(again);
    free(order);
    const struct {
        size_t n;
        double share;
        size_t train;
    } cases[] = {{10, 0, 10}, {10, 0.01, 9}, {1, 0.5, 1}, {2, 0.9, 1}};
    for (size_t i = 0; i < TUFF_COUNT(cases); i++) {
        CHECK_OK(ctx, tuff_examples_split(ctx, cases[i].n, cases[i].share, 1, &order, &train));
        CHECK(train == cases[i].train);
        free(order);
    }
}

int main(void)
{
    ctx = tuff_ctx_create(NULL);
    struct tuff_examples *e = make(), *other = make();
    CHECK(tuff_examples_checksum(e) == tuff_examples_checksum(other));
    CHECK_OK(ctx, tuff_examples_add(other, (uint32_t[]) {1, 2}, (uint8_t[]) {0, 1}, 2, 1));
    CHECK(tuff_examples_checksum(e) != tuff_examples_checksum(other));
    test_shapes(e);
    test_packed(e, true);
    test_packed(e, false);
    test_split();
    tuff_examples_destroy(e);
    tuff_examples_destroy(other);
    tuff_ctx_destroy(ctx);
    return test_end();
}
