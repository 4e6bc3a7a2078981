/* Checkpoints: whatever moment the writer dies at, a folder that verifies is found, and it is the
 * newest that was finished. */
#include "base/base.h"
#include "base/os.h"
#include "base/rng.h"
#include "io/checkpoint.h"
#include "test.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RUN TEST_BINARY_DIR "/checkpoint_run"

static struct tuff_ctx *ctx;
static int warnings;

static void count_warnings(void *user, enum tuff_log_level level, const char *line)
{
    (void) user;
    (void) line;
    warnings += level == TUFF_LOG_WARN;
}

static enum tuff_status write_in(const char *folder, const char *name, const void *data, size_t n)
{
    char *path = tuff_os_path_join(folder, name);
    struct tuff_os_file *file;
    enum tuff_status status = tuff_os_open(ctx, path, false, &file);
    if (status == TUFF_OK) {
        tuff_os_write(file, data, n);
        status = tuff_os_close(&file, false);
    }
    free(path);
    return status;
}

/* Files that depend on step and `tag`, one of them in a folder below. */
static enum tuff_status save(uint64_t step, char tag, const struct tuff_checkpoint_params *params)
{
    struct tuff_checkpoint *checkpoint;
    char model[3000], deep[1200];
    TUFF_TRY(tuff_checkpoint_begin(ctx, RUN, step, &checkpoint));
    const char *folder = tuff_checkpoint_folder(checkpoint);
    memset(model, tag, sizeof model);
    snprintf(model, sizeof model, "%llu", (unsigned long long) step);
    snprintf(deep, sizeof deep, "%s/optimizer", folder);
    enum tuff_status status = write_in(folder, "model.bin", model, sizeof model);
    if (status == TUFF_OK)
        status = write_in(folder, "empty", "", 0);
    if (status == TUFF_OK)
        status = tuff_os_mkdirs(ctx, deep);
    if (status == TUFF_OK)
        status = write_in(deep, "state.bin", model, 100);
    if (status != TUFF_OK) {
        tuff_checkpoint_abort(&checkpoint);
        return status;
    }
    status = tuff_checkpoint_commit(&checkpoint, params);
    CHECK(!checkpoint);
    return status;
}

/* The newest checkpoint's step (0: none) and the tag it was saved with. */
static uint64_t newest(char *tag)
{
    char *folder;
    uint64_t step = 0;
    CHECK_OK(ctx, tuff_checkpoint_newest(ctx, RUN, &folder, &step));
    if (!folder)
        return 0;
    CHECK_OK(ctx, tuff_checkpoint_verify(ctx, folder));
    char *path = tuff_os_path_join(folder, "model.bin");
    struct tuff_map map;
    CHECK_OK(ctx, tuff_os_map(ctx, path, &map));
    CHECK(map.size == 3000 && strtoull((const char *) map.data, NULL, 10) == step);
    if (tag)
        *tag = (char) map.data[2999];
    tuff_os_unmap(&map);
    free(path);
    free(folder);
    return step;
}

static uint64_t named(const char *name)
{
    char *folder;
    uint64_t step = 0;
    if (tuff_checkpoint_named(ctx, RUN, name, &folder, &step) != TUFF_OK)
        return 0;
    free(folder);
    return step;
}

/* Names in the run folder, joined by spaces. */
static const char *listing(void)
{
    static char text[2000];
    struct tuff_os_list list;
    text[0] = 0;
    CHECK_OK(ctx, tuff_os_list(ctx, RUN, &list));
    for (size_t i = 0; i < list.n; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", i ? " " : "",
                 list.items[i]);
    tuff_os_list_free(&list);
    return text;
}

static void start_over(void)
{
    CHECK_OK(ctx, tuff_os_remove_tree(ctx, RUN));
}

static void test_life(void)
{
    start_over();
    CHECK(newest(NULL) == 0 && named("last") == 0);
    struct tuff_checkpoint_params params = {.keep = 2};
    CHECK_OK(ctx, save(10, 'a', &params));
    params.best = true;
    CHECK_OK(ctx, save(20, 'a', &params));
    params.best = false;
    for (uint64_t step = 30; step <= 60; step += 10)
        CHECK_OK(ctx, save(step, 'a', &params));
    CHECK_MSG(!strcmp(listing(), "best last step-00000020 step-00000050 step-00000060"), "%s",
              listing());
    CHECK(newest(NULL) == 60 && named("last") == 60 && named("best") == 20);
    params.keep = 0;
    CHECK_OK(ctx, save(123456789, 'a', NULL));
    CHECK(newest(NULL) == 123456789);
    CHECK_OK(ctx, tuff_os_write_file(ctx, RUN "/loss.png.tmp.4711", "x", 1)); /* of a killed writer */
    CHECK_OK(ctx, tuff_checkpoint_drop_after(ctx, RUN, 50));
    CHECK(tuff_os_path_kind(RUN "/loss.png.tmp.4711") == TUFF_PATH_NONE);
    CHECK(newest(NULL) == 50 && named("last") == 0);
    char tag = 0;
    CHECK_OK(ctx, save(50, 'b', &params)); /* the same step again */
    CHECK(newest(&tag) == 50 && tag == 'b' && named("last") == 50);
    CHECK_MSG(!strcmp(listing(), "best last step-00000020 step-00000050"), "%s", listing());

    struct tuff_checkpoint *checkpoint;
    CHECK_OK(ctx, tuff_checkpoint_begin(ctx, RUN, 70, &checkpoint));
    CHECK(tuff_os_path_kind(RUN "/step-00000070.tmp") == TUFF_PATH_DIR);
    tuff_checkpoint_abort(&checkpoint);
    CHECK(tuff_os_path_kind(RUN "/step-00000070.tmp") == TUFF_PATH_NONE);
    CHECK(tuff_checkpoint_begin(ctx, "/dev/null/run", 1, &checkpoint) == TUFF_E_IO && !checkpoint);
}

static void flip(const char *path, size_t at)
{
    struct tuff_map map;
    CHECK_OK(ctx, tuff_os_map(ctx, path, &map));
    uint8_t byte = map.data[at] ^ 1;
    tuff_os_unmap(&map);
    CHECK_OK(ctx, tuff_os_patch(ctx, path, at, &byte, 1));
}

/* What is damaged is passed over, with a line each, and the one before is found. */
static void test_damage(void)
{
    start_over();
    struct tuff_checkpoint_params params = {0};
    for (uint64_t step = 1; step <= 7; step++)
        CHECK_OK(ctx, save(step, 'a', &params));
    flip(RUN "/step-00000007/model.bin", 1500);
    CHECK_OK(ctx, tuff_os_truncate(ctx, RUN "/step-00000006/optimizer/state.bin", 99));
    CHECK_OK(ctx, tuff_os_remove_tree(ctx, RUN "/step-00000005/empty"));
    CHECK_OK(ctx, tuff_os_remove_tree(ctx, RUN "/step-00000004/manifest.json"));
    CHECK_OK(ctx, tuff_os_truncate(ctx, RUN "/step-00000003/manifest.json", 50));
    CHECK_OK(ctx, tuff_os_mkdirs(ctx, RUN "/step-00000009"));
    CHECK_OK(ctx, tuff_os_mkdirs(ctx, RUN "/step-00000010.tmp"));
    CHECK_OK(ctx, tuff_os_mkdirs(ctx, RUN "/step-x"));
    CHECK_OK(ctx, tuff_os_rename(ctx, RUN "/step-00000002", RUN "/step-00000008")); /* another's */
    warnings = 0;
    CHECK(newest(NULL) == 1);
    CHECK_MSG(warnings == 7, "%d", warnings);
    CHECK(named("last") == 0); /* 7, which is damaged */
    CHECK(tuff_checkpoint_verify(ctx, RUN "/step-00000007") == TUFF_E_FORMAT);
    CHECK(strstr(tuff_error_text(ctx), "step-00000007/model.bin"));
    CHECK(tuff_checkpoint_verify(ctx, RUN "/step-00000006") == TUFF_E_FORMAT);
    CHECK(strstr(tuff_error_text(ctx), "optimizer/state.bin: 99 bytes"));

    static const char *const bad[] = {
        "{}",
        "[]",
        "{\"format\":\"tuff checkpoint\",\"version\":1,\"step\":1,\"files\":{}}",
        "{\"format\":\"tuff checkpoint\",\"version\":2,\"step\":1,\"files\":{\"a\":1}}",
        "{\"format\":\"tuff checkpoint\",\"version\":1,\"step\":1,\"files\":{\"empty\":1}}",
        "{\"format\":\"tuff checkpoint\",\"version\":1,\"step\":1,\"files\":{\"../last\":"
        "{\"size\":1,\"xxh64\":\"0\"}}}",
        "{\"format\":\"tuff checkpoint\",\"version\":1,\"step\":1,\"files\":{\"/etc/passwd\":"
        "{\"size\":1,\"xxh64\":\"0\"}}}"};
    for (size_t i = 0; i < TUFF_COUNT(bad); i++) {
        CHECK_OK(ctx, write_in(RUN "/step-00000001", "manifest.json", bad[i], strlen(bad[i])));
        CHECK_MSG(tuff_checkpoint_verify(ctx, RUN "/step-00000001") ==
                      (i == 3 ? TUFF_E_UNSUPPORTED : TUFF_E_FORMAT),
                  "%s", bad[i]);
        CHECK(strstr(tuff_error_text(ctx), "manifest.json"));
    }
    CHECK(newest(NULL) == 0);
}

static void die_at(void *user, enum tuff_checkpoint_stage stage)
{
    if (stage == *(enum tuff_checkpoint_stage *) user)
        raise(SIGKILL);
}

/* Dies after each stage, saving a new step or one that is there already; before the rename the old
 * state is found, from it on the new one; the next save cleans up. */
static void test_stop_at_each_stage(uint64_t step)
{
    for (int stage = 0; stage < TUFF_CHECKPOINT_STAGES; stage++) {
        if (stage == TUFF_CHECKPOINT_ASIDE && step != 20)
            continue;
        start_over();
        enum tuff_checkpoint_stage stop = (enum tuff_checkpoint_stage) stage;
        struct tuff_checkpoint_params params = {.keep = 1};
        CHECK_OK(ctx, save(10, 'a', &params));
        params.best = true;
        CHECK_OK(ctx, save(20, 'a', &params));
        struct tuff_checkpoint_params dying = {true, 1, die_at, &stop};
        fflush(stdout);
        pid_t child = fork();
        if (child == 0) {
            save(step, 'b', &dying);
            _exit(0);
        }
        int result = 0;
        CHECK(waitpid(child, &result, 0) == child);
        CHECK(WIFSIGNALED(result) && WTERMSIG(result) == SIGKILL);
        char tag = 0;
        uint64_t found = newest(&tag);
        bool renamed = stage >= TUFF_CHECKPOINT_RENAMED;
        CHECK_MSG(found == (renamed ? step : 20) && tag == (renamed ? 'b' : 'a'), "stage %d",
                  stage);
        struct tuff_checkpoint *checkpoint;
        CHECK_OK(ctx, tuff_checkpoint_begin(ctx, RUN, 40, &checkpoint));
        tuff_checkpoint_abort(&checkpoint);
        CHECK(newest(NULL) == found && named("best") >= 20 && named("last") >= 20);
        params.best = false;
        CHECK_OK(ctx, save(40, 'c', &params));
        CHECK(newest(&tag) == 40 && tag == 'c' && named("last") == 40);
        const char *names = listing();
        CHECK_MSG(!strstr(names, ".tmp") && !strstr(names, ".old"), "%s", names);
        CHECK(named("best") == (stage >= TUFF_CHECKPOINT_BEST ? step : 20));
    }
}

/* A writer that saves without pause, killed at random moments: what it reported as saved, or
 * something newer, is found. */
static void test_kill_anywhere(void)
{
    start_over();
    struct tuff_rng rng;
    tuff_rng_init(&rng, 11, 0);
    uint64_t step = 0;
    for (int round = 0; round < 25; round++) {
        int ends[2];
        CHECK(pipe(ends) == 0);
        fflush(stdout);
        pid_t child = fork();
        if (child == 0) {
            struct tuff_checkpoint_params params = {.keep = 2};
            for (uint64_t next = step + 1;; next++) {
                params.best = next % 3 == 0;
                if (save(next, 'k', &params) != TUFF_OK ||
                    write(ends[1], &next, sizeof next) != sizeof next)
                    _exit(1);
            }
        }
        close(ends[1]);
        struct timespec pause = {0, 1000000 + (long) tuff_rng_below(&rng, 30000000)};
        nanosleep(&pause, NULL);
        kill(child, SIGKILL);
        int result = 0;
        CHECK(waitpid(child, &result, 0) == child && WIFSIGNALED(result));
        uint64_t saved = step, reported;
        while (read(ends[0], &reported, sizeof reported) == sizeof reported)
            saved = reported;
        close(ends[0]);
        step = newest(NULL);
        CHECK_MSG(step == saved || step == saved + 1, "%llu of %llu", (unsigned long long) step,
                  (unsigned long long) saved);
    }
    CHECK(step > 0);
}

static void test_full_disk(void)
{
    start_over();
    CHECK_OK(ctx, save(1, 'a', NULL));
    struct tuff_checkpoint *checkpoint;
    char *path, data[100000] = {0};
    CHECK_OK(ctx, tuff_checkpoint_begin(ctx, RUN, 2, &checkpoint));
    path = tuff_os_path_join(tuff_checkpoint_folder(checkpoint), "model.bin");
    if (symlink("/dev/full", path) == 0) {
        CHECK(write_in(tuff_checkpoint_folder(checkpoint), "model.bin", data, sizeof data) ==
              TUFF_E_IO);
        CHECK(strstr(tuff_error_text(ctx), "model.bin"));
        /* And when the caller goes on regardless: what is no plain file is refused. */
        CHECK(tuff_checkpoint_commit(&checkpoint, NULL) == TUFF_E_IO && !checkpoint);
    } else {
        printf("skipped: full disk (no symbolic links here)\n");
        tuff_checkpoint_abort(&checkpoint);
    }
    free(path);
    CHECK(newest(NULL) == 1);
    CHECK_MSG(!strcmp(listing(), "last step-00000001"), "%s", listing());
}

int main(void)
{
    struct tuff_ctx_params params = {.log = count_warnings};
    ctx = tuff_ctx_create(&params);
    test_life();
    test_damage();
    test_stop_at_each_stage(30);
    test_stop_at_each_stage(20);
    test_kill_anywhere();
    test_full_disk();
    tuff_ctx_destroy(ctx);
    return test_end();
}
