/* fit's data.tok: no byte of the text is lost or doubled wherever it is cut, the held-out part is
 * the end of it and begins with a line, and stopping leaves nothing. Needs no device. */
#include "base/os.h"
#include "device.h"
#include "train/run.h"

#define FOLDER TEST_BINARY_DIR "/train.encode.scratch"
#define TOKENIZER TEST_SOURCE_DIR "/golden/tokenizers/bpe-trained"
#define TOKENS FOLDER "/data.tok"

static struct tuff_tokenizer *tokenizer;

/* `pattern` again and again, whole, for at most n bytes. */
static char *write_text(struct tuff_ctx *ctx, const char *path, const char *pattern, size_t n)
{
    size_t k = strlen(pattern);
    char *text = tuff_calloc(n + 1, 1);
    n -= n % k;
    for (size_t i = 0; i < n; i++)
        text[i] = pattern[i % k];
    CHECK_OK(ctx, tuff_os_write_file(ctx, path, text, n));
    return text;
}

/* Tokens [first, first + n) as text. */
static char *decoded(struct tuff_ctx *ctx, const struct tuff_token_file *file, uint64_t first,
                     uint64_t n, size_t *size)
{
    char *text = NULL;
    uint32_t *ids = tuff_calloc((size_t) n, sizeof *ids);
    *size = 0;
    CHECK_OK(ctx, tuff_token_file_read(ctx, file, first, n, ids));
    CHECK_OK(ctx, tuff_tokenizer_decode(ctx, tokenizer, ids, (size_t) n, TUFF_DECODE_KEEP_SPECIAL,
                                        &text, size));
    free(ids);
    return text;
}

/* Encodes the files and compares with their bytes. Returns where the held-out part begins. */
static uint64_t check(struct tuff_ctx *ctx, const char *const *paths, size_t n, double share,
                      const char *expected)
{
    struct tuff_fit_params params = {.data = paths, .n_data = n, .validation = share};
    struct tuff_token_file *file = NULL;
    CHECK_OK(ctx, tuff_run_encode(ctx, &params, tokenizer, TOKENS));
    CHECK_OK(ctx, tuff_token_file_open(ctx, TOKENS, true, &file));
    if (!file)
        return 0;
    const struct tuff_token_info info = *tuff_token_file_info(file);
    size_t sizes[2], all = strlen(expected);
    char *train = decoded(ctx, file, 0, info.train, &sizes[0]);
    char *rest = decoded(ctx, file, info.train, info.count - info.train, &sizes[1]);
    CHECK_MSG(sizes[0] == info.train_bytes && sizes[1] == info.validation_bytes,
              "%zu and %zu bytes of tokens, %llu and %llu of text", sizes[0], sizes[1],
              (unsigned long long) info.train_bytes, (unsigned long long) info.validation_bytes);
    CHECK(sizes[0] + sizes[1] == all && !memcmp(train, expected, sizes[0]) &&
          !memcmp(rest, expected + sizes[0], sizes[1]));
    CHECK(info.tokenizer_hash == tuff_run_vocabulary(tokenizer));
    free(train);
    free(rest);
    tuff_token_file_close(file);
    return info.train_bytes;
}

static void test_cuts(struct tuff_ctx *ctx)
{
    static const char *const a[] = {FOLDER "/a.txt"}, *const ab[] = {FOLDER "/a.txt",
                                                                    FOLDER "/b.txt"};
    /* lines of 12 bytes */
    char *text = write_text(ctx, a[0], "eleven byte\n", 1200);
    CHECK(check(ctx, a, 1, 0, text) == 1200);
    CHECK(check(ctx, a, 1, 0.1, text) == 1080);
    CHECK(check(ctx, a, 1, 0.105, text) == 1080); /* 1074 is inside a line */
    free(text);
    /* no line at all: between two characters of three bytes each */
    text = write_text(ctx, a[0], "\xe6\xb0\xb4", 1200);
    uint64_t at = check(ctx, a, 1, 0.1005, text);
    CHECK_MSG(at % 3 == 0 && at >= 1079 && at < 1083, "cut at %llu", (unsigned long long) at);
    free(text);
    /* the cut is in the first file's only line, so behind it, and another file follows */
    text = write_text(ctx, a[0], "abc ", 1000);
    char *more = write_text(ctx, ab[1], "second file\n", 240);
    char *both = tuff_calloc(1, 1241);
    memcpy(both, text, 1000);
    memcpy(both + 1000, more, 240);
    at = check(ctx, ab, 2, 0.25, both);
    CHECK_MSG(at == 930, "cut at %llu", (unsigned long long) at);
    CHECK(check(ctx, ab, 2, 0.1935, both) == 1000);
    CHECK(check(ctx, ab, 2, 0.1, both) > 1000);
    free(text);
    free(more);
    free(both);
}

/* Longer than what is encoded at a time, with and without ends of lines. */
static void test_pieces(struct tuff_ctx *ctx)
{
    static const char *const a[] = {FOLDER "/a.txt"};
    char *text = write_text(ctx, a[0], "a line of a text, and\nanother ", 17 << 20);
    check(ctx, a, 1, 0.5, text);
    free(text);
    text = write_text(ctx, a[0], "words \xc3\xa4\xc3\xb6 ", 9 << 20);
    check(ctx, a, 1, 0.01, text);
    free(text);
}

static enum tuff_fit_wish stop(void *user)
{
    return --*(int *) user > 0 ? TUFF_FIT_GO_ON : TUFF_FIT_SAVE_AND_STOP;
}

static void test_stop(struct tuff_ctx *ctx)
{
    static const char *const a[] = {FOLDER "/a.txt"}, *const none[] = {FOLDER "/none.txt"};
    int pieces = 2;
    struct tuff_fit_params params = {.data = a, .n_data = 1, .wish = stop, .user = &pieces};
    tuff_os_remove_tree(ctx, TOKENS);
    CHECK(tuff_run_encode(ctx, &params, tokenizer, TOKENS) == TUFF_E_STOPPED);
    CHECK(tuff_os_path_kind(TOKENS) == TUFF_PATH_NONE);
    CHECK(tuff_os_path_kind(TOKENS ".tmp") == TUFF_PATH_NONE);
    params = (struct tuff_fit_params) {.data = none, .n_data = 1};
    CHECK_OK(ctx, tuff_os_write_file(ctx, none[0], "", 0));
    CHECK(tuff_run_encode(ctx, &params, tokenizer, TOKENS) == TUFF_E_ARG);
    CHECK(strstr(tuff_error_text(ctx), "none.txt"));
}

int main(void)
{
    struct tuff_ctx *ctx = test_ctx();
    tuff_os_remove_tree(ctx, FOLDER);
    CHECK_OK(ctx, tuff_os_mkdirs(ctx, FOLDER));
    CHECK_OK(ctx, tuff_tokenizer_load(ctx, TOKENIZER, &tokenizer));
    if (tokenizer) {
        test_cuts(ctx);
        test_pieces(ctx);
        test_stop(ctx);
    }
    tuff_tokenizer_destroy(tokenizer);
    tuff_ctx_destroy(ctx);
    return test_end();
}
