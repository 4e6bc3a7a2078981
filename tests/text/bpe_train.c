/* Training equals Hugging Face's: the same vocabulary, ids and merges, so the same file. And what
 * it refuses, and how it stops. */
#include "golden.h"

#define GOLDEN TEST_SOURCE_DIR "/golden/tokenizers/"

static void retrain(struct tuff_ctx *ctx, const char *folder, const char *corpus)
{
    char path[1024], made[1024];
    json_t *settings = NULL, *want = NULL, *got = NULL;
    struct tuff_tokenizer *tok = NULL;
    snprintf(path, sizeof path, "%s%s/train.json", GOLDEN, folder);
    CHECK_OK(ctx, tuff_json_load(ctx, path, &settings));
    const char *special[8];
    const json_t *list = json_object_get(settings, "special_tokens");
    for (size_t i = 0; i < json_array_size(list); i++)
        special[i] = json_string_value(json_array_get(list, i));
    struct tuff_bpe_train_params params = {
        .vocab_size = (uint32_t) json_integer_value(json_object_get(settings, "vocab_size")),
        .min_frequency = (uint64_t) json_integer_value(json_object_get(settings, "min_frequency")),
        .special_tokens = special,
        .n_special_tokens = json_array_size(list),
        .split = json_string_value(json_object_get(settings, "split")),
        .add_prefix_space = json_is_true(json_object_get(settings, "add_prefix_space")),
        .seen_alphabet_only = json_is_true(json_object_get(settings, "seen_alphabet_only")),
        .max_token_length =
            (uint32_t) json_integer_value(json_object_get(settings, "max_token_length")),
    };
    snprintf(path, sizeof path, "%s%s", GOLDEN, corpus);
    CHECK_OK(ctx, tuff_bpe_train(ctx, &params, &(const char *){path}, 1, &tok));
    snprintf(made, sizeof made, "%s/text.bpe_train.json", TEST_BINARY_DIR);
    if (tok)
        CHECK_OK(ctx, tuff_tokenizer_save(ctx, tok, made));
    CHECK_OK(ctx, tuff_json_load(ctx, made, &got));
    snprintf(path, sizeof path, "%s%s/tokenizer.json", GOLDEN, folder);
    CHECK_OK(ctx, tuff_json_load(ctx, path, &want));
    CHECK_MSG(json_equal(got, want), "%s: not the reference's tokenizer.json", folder);
    json_decref(settings);
    json_decref(want);
    json_decref(got);
    tuff_tokenizer_destroy(tok);
}

/* What is trained is also ready to use: it encodes as the reference does. */
static void use_after_training(struct tuff_ctx *ctx)
{
    const char *corpus = GOLDEN "data/shakespeare-300k.txt", *text = "To be, or <|endoftext|>";
    struct tuff_bpe_train_params params = {.vocab_size = 600,
                                           .min_frequency = 2,
                                           .special_tokens = &(const char *){"<|endoftext|>"},
                                           .n_special_tokens = 1};
    struct tuff_tokenizer *made = NULL, *reference = NULL;
    struct tuff_ids a = {0}, b = {0};
    CHECK_OK(ctx, tuff_bpe_train(ctx, &params, &corpus, 1, &made));
    CHECK_OK(ctx, tuff_tokenizer_load(ctx, GOLDEN "bpe-trained", &reference));
    CHECK_OK(ctx, tuff_tokenizer_encode(ctx, made, text, strlen(text), 0, &a));
    CHECK_OK(ctx, tuff_tokenizer_encode(ctx, reference, text, strlen(text), 0, &b));
    CHECK(a.n == b.n && a.n > 3 && !memcmp(a.items, b.items, a.n * sizeof *a.items));
    CHECK(a.items[a.n - 1] == 0 && tuff_tokenizer_is_special(made, 0));
    tuff_ids_fini(&a);
    tuff_ids_fini(&b);
    tuff_tokenizer_destroy(made);
    tuff_tokenizer_destroy(reference);
}

struct seen {
    int reading, merging, stop_after;
    uint64_t done, total;
};

static bool watch(void *user, const char *stage, uint64_t done, uint64_t total)
{
    struct seen *seen = user;
    if (!strcmp(stage, "reading"))
        seen->reading++;
    else
        seen->merging++;
    seen->done = done;
    seen->total = total;
    return seen->reading + seen->merging != seen->stop_after;
}

static void progress_and_stop(struct tuff_ctx *ctx)
{
    const char *corpus = GOLDEN "data/shakespeare-300k.txt";
    for (int stop_after = 0; stop_after < 6; stop_after++) {
        struct seen seen = {.stop_after = stop_after};
        struct tuff_bpe_train_params params = {
            .vocab_size = 1000, .progress = watch, .progress_user = &seen};
        struct tuff_tokenizer *tok = NULL;
        enum tuff_status status = tuff_bpe_train(ctx, &params, &corpus, 1, &tok);
        if (stop_after) {
            CHECK(status == TUFF_E_STOPPED && !tok);
        } else {
            CHECK(status == TUFF_OK && seen.reading == 1 && seen.merging > 10);
            CHECK(seen.done == seen.total && seen.done == 1000);
        }
        tuff_tokenizer_destroy(tok);
    }
}

static void refused(struct tuff_ctx *ctx, const struct tuff_bpe_train_params *params,
                    const char *path, enum tuff_status want, const char *says)
{
    struct tuff_tokenizer *tok = NULL;
    enum tuff_status status = tuff_bpe_train(ctx, params, &path, 1, &tok);
    CHECK_MSG(status == want && !tok && strstr(tuff_error_text(ctx), says), "%s: \"%s\"",
              tuff_status_name(status), tuff_error_text(ctx));
    tuff_tokenizer_destroy(tok);
}

static void bad_arguments(struct tuff_ctx *ctx)
{
    const char *corpus = GOLDEN "train/mixed/corpus.txt", *empty = TEST_BINARY_DIR "/text.empty";
    struct tuff_bpe_train_params few = {.vocab_size = 255};
    struct tuff_bpe_train_params nameless = {.special_tokens = &(const char *){""},
                                             .n_special_tokens = 1};
    struct tuff_bpe_train_params not_utf8 = {.special_tokens = &(const char *){"\xff"},
                                             .n_special_tokens = 1};
    struct tuff_bpe_train_params pattern = {.split = "(a"};
    struct tuff_bpe_train_params binary = {.split = "\xff"};
    CHECK_OK(ctx, tuff_os_write_file(ctx, empty, "", 0));
    refused(ctx, NULL, empty, TUFF_E_ARG, "no text");
    refused(ctx, NULL, TEST_BINARY_DIR "/text.missing", TUFF_E_IO, "text.missing");
    refused(ctx, &few, corpus, TUFF_E_ARG, "255");
    refused(ctx, &nameless, corpus, TUFF_E_ARG, "special token");
    refused(ctx, &not_utf8, corpus, TUFF_E_ARG, "special token");
    refused(ctx, &pattern, corpus, TUFF_E_FORMAT, "pattern");
    refused(ctx, &binary, corpus, TUFF_E_ARG, "UTF-8");
    struct tuff_tokenizer *tok = NULL;
    CHECK(tuff_bpe_train(ctx, NULL, NULL, 0, &tok) == TUFF_E_ARG && !tok);
}

/* Bytes that are not UTF-8 count as U+FFFD, here as in encoding; two files are one corpus. */
static void odd_files(struct tuff_ctx *ctx)
{
    const char *paths[] = {TEST_BINARY_DIR "/text.odd1", TEST_BINARY_DIR "/text.odd2"};
    struct tuff_bpe_train_params params = {.vocab_size = 258, .min_frequency = 2};
    struct tuff_tokenizer *tok = NULL;
    uint32_t id = 0;
    CHECK_OK(ctx, tuff_os_write_file(ctx, paths[0], "\xff", 1));
    CHECK_OK(ctx, tuff_os_write_file(ctx, paths[1], "x\xc3", 2));
    CHECK_OK(ctx, tuff_bpe_train(ctx, &params, paths, 2, &tok));
    CHECK(tok && tuff_tokenizer_vocab_size(tok) == 258);
    CHECK(tok && tuff_tokenizer_id_of(tok, "ï¿½", &id) && id == 257); /* EF BF BD */
    tuff_tokenizer_destroy(tok);
}

int main(void)
{
    struct tuff_ctx *ctx = tuff_ctx_create(NULL);
    retrain(ctx, "bpe-trained", "data/shakespeare-300k.txt");
    retrain(ctx, "bpe-zh-trained", "data/chinese-manpages.txt");
    retrain(ctx, "bloom-trained", "data/shakespeare-300k.txt");
    retrain(ctx, "train/runs", "train/runs/corpus.txt");
    retrain(ctx, "train/noise", "train/noise/corpus.txt");
    retrain(ctx, "train/short", "train/short/corpus.txt");
    retrain(ctx, "train/mixed", "train/mixed/corpus.txt");
    use_after_training(ctx);
    progress_and_stop(ctx);
    bad_arguments(ctx);
    odd_files(ctx);
    tuff_ctx_destroy(ctx);
    return test_end();
}
