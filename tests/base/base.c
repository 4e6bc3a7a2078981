/* base: failures, arrays, arena, Philox against its published vectors, files. */
#include "base/base.h"
#include "base/hash.h"
#include "base/os.h"
#include "base/parallel.h"
#include "base/rng.h"
#include "test.h"

/* Known-answer vectors of the generator's authors (Random123, kat_vectors, philox4x32 10). */
static void test_philox(void)
{
    static const uint32_t cases[3][10] = {
        {0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
        {~0u, ~0u, ~0u, ~0u, ~0u, ~0u, 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
        {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09,
         0x94fdcceb, 0x5001e420, 0x24126ea1},
    };
    for (size_t i = 0; i < TUFF_COUNT(cases); i++) {
        uint32_t out[4];
        tuff_philox(cases[i], cases[i] + 4, out);
        CHECK(memcmp(out, cases[i] + 6, sizeof out) == 0);
    }
    struct tuff_rng rng;
    tuff_rng_init(&rng, 7, 1);
    double sum = 0, squares = 0;
    for (int i = 0; i < 100000; i++) {
        double x = tuff_rng_normal(&rng);
        sum += x;
        squares += x * x;
        CHECK(isfinite(x));
    }
    CHECK(fabs(sum / 1e5) < 0.02 && fabs(squares / 1e5 - 1) < 0.03); /* 6 standard errors */
}

/* A stream drawn in parts is the stream. */
static void test_skip(void)
{
    struct tuff_rng whole, part;
    tuff_rng_init(&whole, 3, 9);
    for (int i = 0; i < 1000; i++) {
        double x = tuff_rng_normal(&whole);
        if (i % 97)
            continue;
        tuff_rng_init(&part, 3, 9);
        tuff_rng_skip_normals(&part, (uint64_t) i);
        CHECK(tuff_rng_normal(&part) == x);
    }
}

static void count(void *user, size_t i)
{
    ((unsigned char *) user)[i]++;
}

static void test_parallel(void)
{
    unsigned char seen[1000];
    const size_t sizes[] = {0, 1, 2, 7, sizeof seen};
    for (size_t k = 0; k < TUFF_COUNT(sizes); k++) {
        size_t wrong = 0;
        memset(seen, 0, sizeof seen);
        tuff_parallel(sizes[k], count, seen);
        for (size_t i = 0; i < sizeof seen; i++)
            wrong += seen[i] != (i < sizes[k]);
        CHECK_MSG(!wrong, "%zu of %zu done not once", wrong, sizes[k]);
    }
}

static void test_files(struct tuff_ctx *ctx)
{
    const char *path = TEST_BINARY_DIR "/base_file";
    CHECK_OK(ctx, tuff_os_write_file(ctx, path, "old", 3));
    CHECK(tuff_os_write_file(ctx, "/dev/full/x", "new", 3) == TUFF_E_IO);
    struct tuff_map map;
    CHECK_OK(ctx, tuff_os_map(ctx, path, &map));
    CHECK(map.size == 3 && !memcmp(map.data, "old", 3));
    tuff_os_unmap(&map);
    CHECK(tuff_os_map(ctx, "/nonexistent/file", &map) == TUFF_E_IO);
    CHECK(strstr(tuff_error_text(ctx), "/nonexistent/file"));

    struct tuff_os_lock *lock = NULL, *second = NULL;
    const char *lock_path = TEST_BINARY_DIR "/base_lock";
    CHECK_OK(ctx, tuff_os_lock(ctx, lock_path, &lock));
    CHECK(tuff_os_lock(ctx, lock_path, &second) == TUFF_E_BUSY);
    tuff_os_unlock(&lock);
    CHECK_OK(ctx, tuff_os_lock(ctx, lock_path, &lock));
    tuff_os_unlock(&lock);

    CHECK_OK(ctx, tuff_os_mkdirs(ctx, TEST_BINARY_DIR "/base_tree/a/b"));
    CHECK_OK(ctx, tuff_os_write_file(ctx, TEST_BINARY_DIR "/base_tree/a/b/c", "", 0));
    CHECK_OK(ctx, tuff_os_remove_tree(ctx, TEST_BINARY_DIR "/base_tree"));
    CHECK(tuff_os_path_kind(TEST_BINARY_DIR "/base_tree") == TUFF_PATH_NONE);
}

int main(void)
{
    struct tuff_ctx *ctx = tuff_ctx_create(NULL);
    test_philox();
    test_skip();
    test_parallel();
    test_files(ctx);
    struct tuff_arena arena = {0};
    for (size_t i = 1; i < 3000; i += 7) {
        char *at = tuff_arena_alloc(&arena, i);
        CHECK(at && at[0] == 0 && at[i - 1] == 0);
        memset(at, 0xff, i);
    }
    tuff_arena_fini(&arena);
    CHECK(tuff_fail(ctx, TUFF_E_ARG, "a%d", 1) == TUFF_E_ARG);
    CHECK(tuff_fail_in(ctx, TUFF_E_ARG, "b") == TUFF_E_ARG);
    CHECK(!strcmp(tuff_error_text(ctx), "b: a1"));
    CHECK(tuff_hash("", 0, 0) == 0xEF46DB3751D8E999ull); /* XXH64's published value */
    tuff_ctx_destroy(ctx);
    return test_end();
}
