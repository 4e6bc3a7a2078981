/* Windows: which tokens are predicted, that an epoch is a fair shuffle, that a position gives the
 * same batch however it was reached, and the grouping of rows by token. */
#include "base/base.h"
#include "base/os.h"
#include "base/rng.h"
#include "data/position.h"
#include "test.h"
#include "tuff/data.h"

#define FOLDER TEST_BINARY_DIR "/loader"
#define CONTEXT 7

static struct tuff_ctx *ctx;

/* Token i of the file is i, so that a batch tells where it comes from. */
static struct tuff_token_file *count_up(uint32_t train, uint32_t validation)
{
    const char *path = FOLDER "/tokens";
    struct tuff_token_writer *writer = NULL;
    CHECK_OK(ctx, tuff_token_writer_create(ctx, path, 1000000, 0, &writer));
    for (uint32_t i = 0; i < train + validation; i++) {
        if (i == train)
            CHECK_OK(ctx, tuff_token_writer_validation(writer));
        CHECK_OK(ctx, tuff_token_writer_append(writer, &i, 1, 1));
    }
    CHECK_OK(ctx, tuff_token_writer_finish(&writer));
    struct tuff_token_file *file = NULL;
    CHECK_OK(ctx, tuff_token_file_open(ctx, path, true, &file));
    return file;
}

/* An epoch predicts no token twice, misses at most T of them at the ends, and ids and targets are
 * neighbours. */
static void test_epoch(uint32_t n)
{
    struct tuff_token_file *file = count_up(n, 0);
    struct tuff_loader_params params = {file, TUFF_SPLIT_TRAIN, 1, CONTEXT};
    struct tuff_loader *loader = NULL;
    CHECK_OK(ctx, tuff_loader_create(ctx, &params, &loader));
    for (uint64_t epoch = 0; epoch < 20; epoch++) {
        uint64_t windows = tuff_loader_windows(loader, 5, epoch), counted;
        CHECK(windows >= 1);
        uint8_t *seen = calloc(n, 1);
        struct tuff_data_position position = {5, epoch, 0};
        uint32_t ids[CONTEXT], targets[CONTEXT];
        for (uint64_t w = 0; w < windows; w++) {
            CHECK_OK(ctx, tuff_loader_fill(loader, &position, ids, targets, &counted));
            CHECK(counted == CONTEXT && position.epoch == epoch);
            for (int t = 0; t < CONTEXT; t++) {
                CHECK(targets[t] == ids[t] + 1 && (!t || ids[t] == ids[t - 1] + 1));
                CHECK(!seen[targets[t]]++);
            }
        }
        CHECK(windows * CONTEXT + 2 * CONTEXT >= n);
        CHECK_OK(ctx, tuff_loader_fill(loader, &position, ids, targets, &counted));
        CHECK(position.epoch == epoch + 1 && position.index == 1);
        free(seen);
    }
    tuff_loader_destroy(loader);
    tuff_token_file_close(file);
}

/* 4 windows have 24 orders: over many seeds each comes about as often as any other. */
static void test_shuffle_is_fair(void)
{
    struct tuff_token_file *file = count_up(4 * CONTEXT + 1, 0);
    struct tuff_loader_params params = {file, TUFF_SPLIT_TRAIN, 4, CONTEXT};
    struct tuff_loader *loader = NULL;
    CHECK_OK(ctx, tuff_loader_create(ctx, &params, &loader));
    int orders[256] = {0}, offsets[CONTEXT] = {0}, whole = 0;
    uint32_t ids[4 * CONTEXT], targets[4 * CONTEXT];
    for (uint64_t seed = 0; seed < 70000; seed++) {
        struct tuff_data_position position = {seed, 3, 0};
        CHECK_OK(ctx, tuff_loader_fill(loader, &position, ids, targets, NULL));
        offsets[ids[0] % CONTEXT]++;
        if (tuff_loader_windows(loader, seed, 3) < 4)
            continue; /* three windows: the fourth row is of the next epoch */
        whole++;
        int order = 0;
        for (int row = 0; row < 4; row++)
            order = order << 2 | (int) (ids[row * CONTEXT] / CONTEXT);
        orders[order]++;
    }
    int kinds = 0;
    for (int i = 0; i < 256; i++) {
        kinds += orders[i] > 0;
        /* expected whole / 24 = 417; six standard deviations are 123 */
        CHECK_MSG(!orders[i] || abs(orders[i] - whole / 24) < 123, "%d", orders[i]);
    }
    CHECK(kinds == 24 && abs(whole - 10000) < 560);
    for (int i = 0; i < CONTEXT; i++)
        CHECK_MSG(abs(offsets[i] - 10000) < 560, "%d", offsets[i]);
    tuff_loader_destroy(loader);
    tuff_token_file_close(file);
}

static void test_validation(void)
{
    struct tuff_token_file *file = count_up(100, 32);
    struct tuff_loader_params params = {file, TUFF_SPLIT_VALIDATION, 3, CONTEXT};
    struct tuff_loader *loader = NULL;
    CHECK_OK(ctx, tuff_loader_create(ctx, &params, &loader));
    CHECK(tuff_loader_windows(loader, 0, 0) == 5);
    struct tuff_data_position position = {0};
    uint32_t ids[3 * CONTEXT], targets[3 * CONTEXT], next = 100;
    uint64_t counted, sum = 0;
    int batches = 0;
    do {
        CHECK_OK(ctx, tuff_loader_fill(loader, &position, ids, targets, &counted));
        for (int i = 0; i < 3 * CONTEXT; i++) {
            if (targets[i] == TUFF_TARGET_IGNORE) {
                CHECK(ids[i] == 0);
                continue;
            }
            CHECK(targets[i] == next && ids[i] == next - 1);
            next++;
        }
        sum += counted;
        batches += counted > 0;
    } while (counted && batches < 9);
    CHECK(sum == 32 && next == 132 && batches == 2); /* 3 windows, then 1 whole and 4 of 7 */
    tuff_loader_destroy(loader);
    tuff_token_file_close(file);
}

/* A run of batches, then the same from stored positions in any order, by a fresh loader. */
static void test_positions(void)
{
    enum { B = 5, N = B * CONTEXT, STEPS = 40 };
    struct tuff_token_file *file = count_up(400, 0);
    struct tuff_loader_params params = {file, TUFF_SPLIT_TRAIN, B, CONTEXT};
    struct tuff_loader *loader = NULL;
    static uint32_t ids[STEPS][N], targets[STEPS][N];
    json_t *stored[STEPS];
    struct tuff_data_position position = {UINT64_MAX - 3, 0, 0};
    CHECK_OK(ctx, tuff_loader_create(ctx, &params, &loader));
    for (int s = 0; s < STEPS; s++) {
        stored[s] = tuff_position_to_json(&position);
        CHECK_OK(ctx, tuff_loader_fill(loader, &position, ids[s], targets[s], NULL));
    }
    CHECK(position.epoch == 3);
    tuff_loader_destroy(loader);
    for (int k = 0; k < STEPS; k++) {
        int s = k * 17 % STEPS;
        uint32_t again[2][N];
        CHECK_OK(ctx, tuff_loader_create(ctx, &params, &loader));
        CHECK_OK(ctx, tuff_position_from_json(ctx, "state.json", stored[s], &position));
        CHECK_OK(ctx, tuff_loader_fill(loader, &position, again[0], again[1], NULL));
        CHECK(!memcmp(again[0], ids[s], sizeof ids[s]));
        CHECK(!memcmp(again[1], targets[s], sizeof targets[s]));
        tuff_loader_destroy(loader);
        json_decref(stored[s]);
    }
    CHECK(memcmp(ids[0], ids[1], sizeof ids[0]) != 0);

    /* The thread gives the same, also after seeks at any moment. */
    struct tuff_prefetch *prefetch = NULL;
    position = (struct tuff_data_position){UINT64_MAX - 3, 0, 0};
    CHECK_OK(ctx, tuff_prefetch_create(ctx, &params, &position, &prefetch));
    struct tuff_data_position marks[STEPS];
    for (int round = 0; round < 30; round++) {
        int from = round * 7 % 20, n = round ? round % 9 : STEPS;
        if (round)
            tuff_prefetch_seek(prefetch, &marks[from]);
        for (int s = round ? from : 0; n--; s++) {
            struct tuff_batch batch;
            CHECK_OK(ctx, tuff_prefetch_next(prefetch, &batch));
            CHECK(!memcmp(batch.ids, ids[s], sizeof ids[s]) && batch.counted == N);
            CHECK(!memcmp(batch.targets, targets[s], sizeof targets[s]));
            CHECK(!s || !memcmp(&batch.position, &position, sizeof position) || round);
            marks[s] = batch.position;
            position = batch.next;
        }
    }
    tuff_prefetch_destroy(prefetch);
    tuff_token_file_close(file);
}

static void test_bad_position(void)
{
    static const char *const bad[] = {
        "{}",
        "[]",
        "{\"seed\":1,\"epoch\":\"0\",\"index\":\"0\"}",
        "{\"seed\":\"\",\"epoch\":\"0\",\"index\":\"0\"}",
        "{\"seed\":\"1\",\"epoch\":\"-1\",\"index\":\"0\"}",
        "{\"seed\":\"18446744073709551616\",\"epoch\":\"0\",\"index\":\"0\"}"};
    struct tuff_data_position position = {1, 2, 3};
    for (size_t i = 0; i < TUFF_COUNT(bad); i++) {
        json_t *json = NULL;
        CHECK_OK(ctx, tuff_json_parse(ctx, "x", bad[i], strlen(bad[i]), &json));
        CHECK(tuff_position_from_json(ctx, "state.json", json, &position) == TUFF_E_FORMAT);
        CHECK(position.index == 3 && strstr(tuff_error_text(ctx), "state.json"));
        json_decref(json);
    }
}

static void test_refuses(void)
{
    struct tuff_token_file *file = count_up(CONTEXT, 1);
    struct tuff_loader *loader;
    struct tuff_loader_params params = {file, TUFF_SPLIT_TRAIN, 1, CONTEXT};
    CHECK(tuff_loader_create(ctx, &params, &loader) == TUFF_E_RANGE && !loader);
    CHECK(strstr(tuff_error_text(ctx), "7 tokens"));
    params.context = CONTEXT - 1;
    CHECK_OK(ctx, tuff_loader_create(ctx, &params, &loader));
    CHECK(tuff_loader_windows(loader, 1, 1) == 1);
    tuff_loader_destroy(loader);
    params.context = 0;
    CHECK(tuff_loader_create(ctx, &params, &loader) == TUFF_E_RANGE);
    tuff_token_file_close(file);

    file = count_up(CONTEXT, 0);
    params = (struct tuff_loader_params){file, TUFF_SPLIT_VALIDATION, 1, CONTEXT};
    CHECK(tuff_loader_create(ctx, &params, &loader) == TUFF_E_RANGE);
    struct tuff_prefetch *prefetch;
    struct tuff_data_position position = {0};
    CHECK(tuff_prefetch_create(ctx, &params, &position, &prefetch) == TUFF_E_RANGE && !prefetch);
    tuff_token_file_close(file);
}

/* A file that was damaged after it was made: the thread's failure reaches the caller with its
 * text, stays, and a seek to a sound place ends it. */
static void test_prefetch_failure(void)
{
    struct tuff_token_file *file = count_up(1000, 100);
    tuff_token_file_close(file);
    uint32_t huge = 0xFFFFFFF0u;
    CHECK_OK(ctx, tuff_os_patch(ctx, FOLDER "/tokens", 128 + 4 * 1050, &huge, 4));
    CHECK_OK(ctx, tuff_token_file_open(ctx, FOLDER "/tokens", false, &file));
    struct tuff_loader_params params = {file, TUFF_SPLIT_VALIDATION, 1, 10};
    struct tuff_data_position position = {0, 0, 0};
    struct tuff_prefetch *prefetch = NULL;
    struct tuff_batch batch;
    CHECK_OK(ctx, tuff_prefetch_create(ctx, &params, &position, &prefetch));
    for (int i = 0; i < 5; i++)
        CHECK_OK(ctx, tuff_prefetch_next(prefetch, &batch));
    CHECK(tuff_prefetch_next(prefetch, &batch) == TUFF_E_FORMAT);
    CHECK(tuff_prefetch_next(prefetch, &batch) == TUFF_E_FORMAT);
    CHECK(strstr(tuff_error_text(ctx), "4294967280"));
    tuff_prefetch_seek(prefetch, &position);
    CHECK_OK(ctx, tuff_prefetch_next(prefetch, &batch));
    CHECK(batch.targets[0] == 1000);
    tuff_prefetch_destroy(prefetch);
    tuff_token_file_close(file);
}

static void test_rows(size_t n, uint32_t vocab, uint32_t scale)
{
    uint32_t *ids = malloc((n + 1) * 4), *unique = malloc((n + 1) * 4), *rows = malloc((n + 1) * 4);
    uint32_t *starts = malloc((n + 1) * 4), *scratch = malloc((n + 1) * 4);
    uint8_t *seen = calloc(n + 1, 1);
    struct tuff_rng rng;
    tuff_rng_init(&rng, n, vocab);
    size_t ignored = 0, found = 0;
    for (size_t i = 0; i < n; i++) {
        ids[i] = (uint32_t) tuff_rng_below(&rng, vocab) * scale;
        if (i % 10 == 9)
            ids[i] = TUFF_TARGET_IGNORE;
        ignored += i % 10 == 9;
    }
    size_t count = tuff_rows_by_token(ids, n, unique, starts, rows, scratch);
    CHECK(starts[0] == 0 && starts[count] == n - ignored);
    for (size_t u = 0; u < count; u++) {
        CHECK(starts[u] < starts[u + 1] && (!u || unique[u - 1] < unique[u]));
        for (uint32_t i = starts[u]; i < starts[u + 1]; i++, found++) {
            CHECK(rows[i] < n && ids[rows[i]] == unique[u] && !seen[rows[i]]++);
            CHECK(i == starts[u] || rows[i - 1] < rows[i]);
        }
    }
    CHECK(found == n - ignored);
    free(ids);
    free(unique);
    free(rows);
    free(starts);
    free(scratch);
    free(seen);
}

int main(void)
{
    ctx = tuff_ctx_create(NULL);
    CHECK_OK(ctx, tuff_os_mkdirs(ctx, FOLDER));
    test_epoch(CONTEXT + 1);
    test_epoch(2 * CONTEXT);
    test_epoch(1000);
    test_shuffle_is_fair();
    test_validation();
    test_positions();
    test_bad_position();
    test_refuses();
    test_prefetch_failure();
    static const size_t sizes[] = {0, 1, 2, 100, 5000};
    for (size_t i = 0; i < TUFF_COUNT(sizes); i++) {
        test_rows(sizes[i], 1, 0);
        test_rows(sizes[i], 200, 1);
        test_rows(sizes[i], 50257, 1);
        test_rows(sizes[i], 65536, 65521);
    }
    tuff_ctx_destroy(ctx);
    return test_end();
}
