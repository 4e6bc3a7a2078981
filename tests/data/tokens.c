/* Corpora and token files: round trips, damage of every kind, a full disk. */
#include "base/base.h"
#include "base/hash.h"
#include "base/os.h"
#include "test.h"
#include "tuff/data.h"

#include <unistd.h>

#define FOLDER TEST_BINARY_DIR "/tokens"

static struct tuff_ctx *ctx;

static void write_text(const char *path, const char *text)
{
    CHECK_OK(ctx, tuff_os_write_file(ctx, path, text, strlen(text)));
}

static void test_corpus(void)
{
    CHECK_OK(ctx, tuff_os_mkdirs(ctx, FOLDER "/texts/deep/er"));
    CHECK_OK(ctx, tuff_os_mkdirs(ctx, FOLDER "/none"));
    write_text(FOLDER "/texts/b.txt", "bb");
    write_text(FOLDER "/texts/a.txt", "a");
    write_text(FOLDER "/texts/deep/er/c.txt", "ccc");
    write_text(FOLDER "/texts/ignored.md", "dddd");
    write_text(FOLDER "/empty", "");
    static const char *const want[] = {"/texts/ignored.md", "/texts/a.txt", "/texts/b.txt",
                                       "/texts/deep/er/c.txt"};
    const char *given[] = {FOLDER "/texts/ignored.md", FOLDER "/texts"};
    struct tuff_corpus corpus;
    CHECK_OK(ctx, tuff_corpus_init(ctx, given, 2, &corpus));
    CHECK(corpus.n == 4 && corpus.bytes == 10);
    for (size_t i = 0; i < 4 && i < corpus.n; i++)
        CHECK(!strcmp(corpus.paths[i] + strlen(FOLDER), want[i]));
    tuff_corpus_fini(&corpus);
    static const struct {
        const char *path;
        enum tuff_status status;
        const char *text;
    } bad[] = {{FOLDER "/absent", TUFF_E_IO, "/absent: cannot open"},
               {FOLDER "/none", TUFF_E_ARG, "no *.txt"},
               {FOLDER "/empty", TUFF_E_ARG, "/empty: the text is empty"}};
    for (size_t i = 0; i < TUFF_COUNT(bad); i++) {
        CHECK(tuff_corpus_init(ctx, &bad[i].path, 1, &corpus) == bad[i].status && !corpus.n);
        CHECK_MSG(strstr(tuff_error_text(ctx), bad[i].text), "%s", tuff_error_text(ctx));
    }
    CHECK(tuff_corpus_init(ctx, NULL, 0, &corpus) == TUFF_E_ARG);
    if (symlink(".", FOLDER "/texts/loop") == 0)
        CHECK(tuff_corpus_init(ctx, given, 2, &corpus) == TUFF_E_IO);
}

static uint32_t token_at(uint64_t i, uint64_t vocab)
{
    return (uint32_t) (tuff_hash(&i, sizeof i, 0) % vocab);
}

static void write_tokens(const char *path, uint64_t vocab, size_t train, size_t validation)
{
    size_t n = train + validation;
    uint32_t *tokens = malloc((n + 1) * sizeof *tokens);
    for (size_t i = 0; i < n; i++)
        tokens[i] = token_at(i, vocab);
    struct tuff_token_writer *writer = NULL;
    CHECK_OK(ctx, tuff_token_writer_create(ctx, path, vocab, 77, &writer));
    CHECK_OK(ctx, tuff_token_writer_append(writer, tokens, train / 2, 10));
    CHECK_OK(ctx, tuff_token_writer_append(writer, tokens + train / 2, train - train / 2, 20));
    CHECK_OK(ctx, tuff_token_writer_validation(writer));
    CHECK_OK(ctx, tuff_token_writer_append(writer, tokens + train, validation, 7));
    CHECK(tuff_os_path_kind(path) == TUFF_PATH_NONE);
    CHECK_OK(ctx, tuff_token_writer_finish(&writer));
    free(tokens);
}

static void test_round_trip(uint64_t vocab, size_t token_size)
{
    const char *path = FOLDER "/round.tok";
    CHECK_OK(ctx, tuff_os_remove_tree(ctx, path));
    write_tokens(path, vocab, 10001, 502);
    struct tuff_map map;
    CHECK_OK(ctx, tuff_os_map(ctx, path, &map));
    CHECK(map.size == 128 + 10503 * token_size && !memcmp(map.data, "TUFFTOK1", 8));
    tuff_os_unmap(&map);
    struct tuff_token_file *file = NULL;
    CHECK_OK(ctx, tuff_token_file_open(ctx, path, true, &file));
    if (!file)
        return;
    const struct tuff_token_info *info = tuff_token_file_info(file);
    CHECK(info->vocab == vocab && info->count == 10503 && info->train == 10001);
    CHECK(info->train_bytes == 30 && info->validation_bytes == 7 && info->tokenizer_hash == 77);
    uint32_t *tokens = malloc(10503 * sizeof *tokens);
    CHECK_OK(ctx, tuff_token_file_read(ctx, file, 0, 10503, tokens));
    bool same = true;
    for (size_t i = 0; i < 10503; i++)
        same = same && tokens[i] == token_at(i, vocab);
    CHECK(same);
    CHECK_OK(ctx, tuff_token_file_read(ctx, file, 10502, 1, tokens));
    CHECK(tokens[0] == token_at(10502, vocab));
    CHECK(tuff_token_file_read(ctx, file, 10503, 1, tokens) == TUFF_E_RANGE);
    CHECK(tuff_token_file_read(ctx, file, 2, UINT64_MAX, tokens) == TUFF_E_RANGE);
    free(tokens);
    tuff_token_file_close(file);
}

static enum tuff_status open_bytes(const void *bytes, size_t size, bool verify)
{
    const char *path = FOLDER "/damaged.tok";
    FILE *stream = fopen(path, "wb");
    CHECK(stream && fwrite(bytes, 1, size, stream) == size);
    if (stream)
        fclose(stream);
    struct tuff_token_file *file;
    enum tuff_status status = tuff_token_file_open(ctx, path, verify, &file);
    CHECK((status == TUFF_OK) == (file != NULL));
    tuff_token_file_close(file);
    return status;
}

/* Puts a right checksum on a wrong header. */
static enum tuff_status open_lie(const uint8_t *bytes, size_t size, size_t at, uint64_t value)
{
    uint8_t copy[256];
    memcpy(copy, bytes, size);
    memcpy(copy + at, &value, at == 12 ? 4 : 8);
    uint64_t checksum = tuff_hash(copy, 120, 0);
    memcpy(copy + 120, &checksum, 8);
    return open_bytes(copy, size, false);
}

static void test_damage(void)
{
    const char *path = FOLDER "/small.tok";
    CHECK_OK(ctx, tuff_os_remove_tree(ctx, path));
    write_tokens(path, 50, 20, 5);
    struct tuff_map map;
    CHECK_OK(ctx, tuff_os_map(ctx, path, &map));
    uint8_t bytes[256];
    CHECK(map.size == 178);
    memcpy(bytes, map.data, map.size);
    CHECK(open_bytes(bytes, 178, true) == TUFF_OK);
    for (size_t size = 0; size < 178; size++)
        CHECK(open_bytes(bytes, size, false) == TUFF_E_FORMAT);
    CHECK(open_bytes(bytes, 180, false) == TUFF_E_FORMAT);
    for (size_t at = 0; at < 178; at++) {
        bytes[at] ^= 0x10;
        CHECK(open_bytes(bytes, 178, true) != TUFF_OK);
        bytes[at] ^= 0x10;
    }
    static const struct {
        size_t at;
        uint64_t value;
    } lies[] = {{12, 1},
                {12, 4},
                {16, 0},
                {16, 70000},
                {16, UINT64_MAX},
                {24, 26},
                {24, UINT64_MAX / 2 + 13},
                {24, 0},
                {32, 26}};
    CHECK(open_lie(bytes, 178, 16, 51) == TUFF_OK);
    for (size_t i = 0; i < TUFF_COUNT(lies); i++)
        CHECK(open_lie(bytes, 178, lies[i].at, lies[i].value) == TUFF_E_FORMAT);
    /* Unverified tokens beyond the vocabulary are caught when read. */
    CHECK(open_lie(bytes, 178, 16, 3) == TUFF_OK);
    struct tuff_token_file *file = NULL;
    uint32_t tokens[25];
    CHECK_OK(ctx, tuff_token_file_open(ctx, FOLDER "/damaged.tok", false, &file));
    if (file)
        CHECK(tuff_token_file_read(ctx, file, 0, 25, tokens) == TUFF_E_FORMAT);
    tuff_token_file_close(file);
    tuff_os_unmap(&map);
}

static void test_writer_refuses(void)
{
    const char *path = FOLDER "/refused.tok";
    struct tuff_token_writer *writer = NULL;
    static const uint32_t tokens[3] = {1, 9, 10};
    CHECK(tuff_token_writer_create(ctx, path, 0, 0, &writer) == TUFF_E_ARG && !writer);
    CHECK_OK(ctx, tuff_token_writer_create(ctx, path, 10, 0, &writer));
    CHECK_OK(ctx, tuff_token_writer_append(writer, tokens, 2, 2));
    CHECK(tuff_token_writer_append(writer, tokens, 3, 3) == TUFF_E_RANGE);
    CHECK(tuff_token_writer_finish(&writer) == TUFF_E_RANGE && !writer);
    CHECK_OK(ctx, tuff_token_writer_create(ctx, path, 10, 0, &writer));
    CHECK(tuff_token_writer_finish(&writer) == TUFF_E_ARG && !writer);
    CHECK_OK(ctx, tuff_token_writer_create(ctx, path, 10, 0, &writer));
    CHECK_OK(ctx, tuff_token_writer_validation(writer));
    CHECK(tuff_token_writer_validation(writer) == TUFF_E_STATE);
    tuff_token_writer_abort(&writer);

    /* A full disk: the file that is being written leads to a device that has no room. */
    if (symlink("/dev/full", FOLDER "/refused.tok.tmp") == 0) {
        static uint32_t many[200000];
        CHECK_OK(ctx, tuff_token_writer_create(ctx, path, 10, 0, &writer));
        tuff_token_writer_append(writer, many, TUFF_COUNT(many), 1);
        CHECK(tuff_token_writer_finish(&writer) == TUFF_E_IO);
        CHECK_MSG(strstr(tuff_error_text(ctx), "refused.tok.tmp"), "%s", tuff_error_text(ctx));
    } else {
        printf("skipped: full disk (no symbolic links here)\n");
    }
    CHECK(tuff_os_path_kind(path) == TUFF_PATH_NONE);
    CHECK(tuff_os_path_kind(FOLDER "/refused.tok.tmp") == TUFF_PATH_NONE);
}

int main(void)
{
    ctx = tuff_ctx_create(NULL);
    CHECK_OK(ctx, tuff_os_remove_tree(ctx, FOLDER));
    CHECK_OK(ctx, tuff_os_mkdirs(ctx, FOLDER));
    test_corpus();
    test_round_trip(50257, 2);
    test_round_trip(65536, 2);
    test_round_trip(65537, 4);
    test_damage();
    test_writer_refuses();
    tuff_ctx_destroy(ctx);
    return test_end();
}
