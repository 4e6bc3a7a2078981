/* Training of WordPiece, Unigram and character BPE against the reference folders: the same set of
 * tokens (1 % may differ where the reference breaks ties by hash order), the same number of tokens
 * on the corpus (0.1 %, Unigram 0.5 %), for Unigram the same likelihood (1 %). */
#include "golden.h"

#define GOLDEN TEST_SOURCE_DIR "/golden/tokenizers/"
#define BOOK GOLDEN "data/shakespeare-300k.txt"
#define MANUAL GOLDEN "data/chinese-manpages.txt"

/* Number of the corpus's tokens, line by line; *sum adds up their scores in a Unigram file. */
static size_t count_tokens(struct tuff_ctx *ctx, const struct tuff_tokenizer *tok,
                           const char *corpus, const json_t *scores, double *sum)
{
    struct tuff_map map = {0};
    struct tuff_ids ids = {0};
    CHECK_OK(ctx, tuff_os_map(ctx, corpus, &map));
    for (size_t i = 0; i < map.size;) {
        const uint8_t *end = memchr(map.data + i, '\n', map.size - i);
        size_t n = end ? (size_t) (end - map.data) + 1 - i : map.size - i;
        CHECK_OK(ctx,
                 tuff_tokenizer_encode(ctx, tok, (const char *) map.data + i, n, 0, &ids));
        i += n;
    }
    *sum = 0;
    for (size_t i = 0; scores && i < ids.n; i++)
        *sum += json_number_value(json_array_get(json_array_get(scores, ids.items[i]), 1));
    size_t n_ids = ids.n;
    tuff_ids_fini(&ids);
    tuff_os_unmap(&map);
    return n_ids;
}

static void compare(struct tuff_ctx *ctx, const struct tuff_tokenizer *made, const char *folder,
                    const char *corpus, double tokens_within)
{
    struct tuff_tokenizer *reference = NULL;
    char path[1024];
    json_t *want = NULL, *got = NULL;
    size_t missing = 0, n = 0;
    snprintf(path, sizeof path, "%s/tokenizer.json", folder);
    CHECK_OK(ctx, tuff_tokenizer_load(ctx, folder, &reference));
    CHECK_OK(ctx, tuff_json_load(ctx, path, &want));
    CHECK_OK(ctx, tuff_tokenizer_save(ctx, made, TEST_BINARY_DIR "/text.train_types.json"));
    CHECK_OK(ctx, tuff_json_load(ctx, TEST_BINARY_DIR "/text.train_types.json", &got));
    if (!reference || !made)
        return;
    for (uint32_t id = 0; id < tuff_tokenizer_vocab_size(reference); id++, n++) {
        uint32_t other;
        missing += !tuff_tokenizer_id_of(made, tuff_tokenizer_token_text(reference, id), &other);
    }
    CHECK_MSG(missing * 100 <= n, "%s: %zu of %zu tokens are missing", folder, missing, n);
    double sum, want_sum;
    const json_t *scores = json_object_get(json_object_get(got, "model"), "vocab");
    const json_t *want_scores = json_object_get(json_object_get(want, "model"), "vocab");
    bool unigram = json_is_array(scores);
    double tokens = (double) count_tokens(ctx, made, corpus, unigram ? scores : NULL, &sum);
    double want_tokens =
        (double) count_tokens(ctx, reference, corpus, unigram ? want_scores : NULL, &want_sum);
    CHECK_MSG(fabs(tokens / want_tokens - 1) <= tokens_within, "%s: %.0f tokens, not %.0f", folder,
              tokens, want_tokens);
    if (unigram)
        CHECK_MSG(fabs(sum / want_sum - 1) <= 0.01, "%s: log-likelihood %f, not %f", folder, sum,
                  want_sum);
    CHECK(json_equal(json_object_get(got, "normalizer"), json_object_get(want, "normalizer")));
    CHECK(json_equal(json_object_get(got, "decoder"), json_object_get(want, "decoder")));
    json_decref(want);
    json_decref(got);
    tuff_tokenizer_destroy(reference);
}

static void wordpiece(struct tuff_ctx *ctx, const char *folder, const char *corpus, uint32_t size)
{
    struct tuff_wordpiece_train_params params = {.vocab_size = size, .min_frequency = 2};
    struct tuff_tokenizer *tok = NULL;
    CHECK_OK(ctx, tuff_wordpiece_train(ctx, &params, &corpus, 1, &tok));
    compare(ctx, tok, folder, corpus, 0.001);
    tuff_tokenizer_destroy(tok);
}

static void unigram(struct tuff_ctx *ctx, const char *folder, const char *corpus, uint32_t size)
{
    struct tuff_unigram_train_params params = {.vocab_size = size, .threads = 2};
    struct tuff_tokenizer *tok = NULL;
    CHECK_OK(ctx, tuff_unigram_train(ctx, &params, &corpus, 1, &tok));
    compare(ctx, tok, folder, corpus, 0.005);
    tuff_tokenizer_destroy(tok);
}

/* Word for word the reference's. */
static void wordlevel(struct tuff_ctx *ctx)
{
    static const char *const special[] = {"<unk>", "<pad>"};
    const char *corpus = BOOK;
    struct tuff_wordlevel_train_params params = {.vocab_size = 900, .min_frequency = 3,
                                                 .special_tokens = special, .n_special_tokens = 2};
    struct tuff_tokenizer *tok = NULL, *reference = NULL;
    size_t wrong = 0;
    CHECK_OK(ctx, tuff_wordlevel_train(ctx, &params, &corpus, 1, &tok));
    CHECK_OK(ctx, tuff_tokenizer_load(ctx, GOLDEN "wordlevel-trained", &reference));
    if (tok && reference) {
        uint32_t n = tuff_tokenizer_vocab_size(reference);
        CHECK(n == 900 && tuff_tokenizer_vocab_size(tok) == n);
        for (uint32_t id = 0; id < n && id < tuff_tokenizer_vocab_size(tok); id++)
            wrong += strcmp(tuff_tokenizer_token_text(tok, id),
                            tuff_tokenizer_token_text(reference, id)) != 0;
        CHECK_MSG(!wrong, "%zu words of %u differ", wrong, n);
    }
    compare(ctx, tok, GOLDEN "wordlevel-trained", corpus, 0);
    tuff_tokenizer_destroy(tok);
    tuff_tokenizer_destroy(reference);
    params.unk_token = "[UNK]";
    CHECK(tuff_wordlevel_train(ctx, &params, &corpus, 1, &tok) == TUFF_E_ARG && !tok);
    params.unk_token = NULL;
    params.vocab_size = 1;
    CHECK(tuff_wordlevel_train(ctx, &params, &corpus, 1, &tok) == TUFF_E_ARG && !tok);
}

static void characters(struct tuff_ctx *ctx)
{
    const char *corpus = BOOK;
    struct tuff_bpe_train_params params = {.vocab_size = 600,
                                           .min_frequency = 2,
                                           .special_tokens = &(const char *){"<unk>"},
                                           .n_special_tokens = 1,
                                           .end_of_word_suffix = "</w>",
                                           .unk_token = "<unk>"};
    struct tuff_tokenizer *tok = NULL;
    CHECK_OK(ctx, tuff_bpe_train(ctx, &params, &corpus, 1, &tok));
    compare(ctx, tok, GOLDEN "gpt1-trained", corpus, 0.001);
    tuff_tokenizer_destroy(tok);
    params.unk_token = "<other>";
    CHECK(tuff_bpe_train(ctx, &params, &corpus, 1, &tok) == TUFF_E_ARG && !tok);
}

/* ab ×10, ac ×10, qz ×3: by count a and ##b (or ##c) join first, 10 times; by likelihood q and ##z,
 * 3 / (3 × 3) against 10 / (20 × 10). */
static void likelihood(struct tuff_ctx *ctx)
{
    const char *path = TEST_BINARY_DIR "/text.likelihood";
    const char *text = "ab ab ab ab ab ac ac ac ac ac qz\nab ab ab ab ab ac ac ac ac ac qz qz\n";
    uint32_t id = 0;
    CHECK_OK(ctx, tuff_os_write_file(ctx, path, text, strlen(text)));
    for (int likely = 0; likely < 2; likely++) {
        struct tuff_wordpiece_train_params params = {
            .vocab_size = 5 + 8 + 1, .min_frequency = 2, .likelihood = likely};
        struct tuff_tokenizer *tok = NULL;
        CHECK_OK(ctx, tuff_wordpiece_train(ctx, &params, &path, 1, &tok));
        CHECK(tok && tuff_tokenizer_vocab_size(tok) == 14);
        CHECK(tok && tuff_tokenizer_id_of(tok, likely ? "qz" : "ab", &id) && id == 13);
        tuff_tokenizer_destroy(tok);
    }
}

static void refused(struct tuff_ctx *ctx)
{
    const char *corpus = BOOK, *empty = TEST_BINARY_DIR "/text.empty";
    struct tuff_unigram_train_params few = {.vocab_size = 20}, shrink = {.shrinking_factor = 2};
    struct tuff_unigram_train_params bad = {.components = "{\"normalizer\":{\"type\":\"No\"}}"};
    struct tuff_wordpiece_train_params small = {.vocab_size = 20};
    struct tuff_wordpiece_train_params nameless = {.special_tokens = &(const char *){"[PAD]"},
                                                   .n_special_tokens = 1};
    struct tuff_tokenizer *tok = NULL;
    CHECK_OK(ctx, tuff_os_write_file(ctx, empty, "", 0));
    CHECK(tuff_unigram_train(ctx, &few, &corpus, 1, &tok) == TUFF_E_ARG && !tok);
    CHECK(strstr(tuff_error_text(ctx), "vocabulary size 20"));
    CHECK(tuff_unigram_train(ctx, &shrink, &corpus, 1, &tok) == TUFF_E_ARG && !tok);
    CHECK(tuff_unigram_train(ctx, &bad, &corpus, 1, &tok) == TUFF_E_UNSUPPORTED && !tok);
    CHECK(tuff_unigram_train(ctx, NULL, &empty, 1, &tok) == TUFF_E_ARG && !tok);
    CHECK(tuff_wordpiece_train(ctx, &small, &corpus, 1, &tok) == TUFF_E_ARG && !tok);
    CHECK(tuff_wordpiece_train(ctx, &nameless, &corpus, 1, &tok) == TUFF_E_ARG && !tok);
    CHECK(strstr(tuff_error_text(ctx), "[UNK]"));
}

/* Vocabularies in their older formats, written and read: the same ids. */
static void older_formats(struct tuff_ctx *ctx, const char *name, const char *text)
{
    char path[1024];
    struct tuff_tokenizer *tok = NULL, *again = NULL;
    struct tuff_ids a = {0}, b = {0};
    snprintf(path, sizeof path, GOLDEN "%s", name);
    CHECK_OK(ctx, tuff_tokenizer_load(ctx, path, &tok));
    snprintf(path, sizeof path, TEST_BINARY_DIR "/text.older.%s", name);
    CHECK_OK(ctx, tuff_os_mkdirs(ctx, path));
    CHECK_OK(ctx, tuff_tokenizer_save_vocab(ctx, tok, path));
    CHECK_OK(ctx, tuff_tokenizer_load(ctx, path, &again));
    if (tok && again) {
        CHECK_OK(ctx, tuff_tokenizer_encode(ctx, tok, text, strlen(text), 0, &a));
        CHECK_OK(ctx, tuff_tokenizer_encode(ctx, again, text, strlen(text), 0, &b));
        CHECK_MSG(a.n == b.n && a.n > 5 && !memcmp(a.items, b.items, a.n * sizeof *a.items), "%s",
                  name);
    }
    tuff_ids_fini(&a);
    tuff_ids_fini(&b);
    tuff_tokenizer_destroy(tok);
    tuff_tokenizer_destroy(again);
}

static void broken_model(struct tuff_ctx *ctx)
{
    static const char *const texts[] = {"", "\x0a", "\x0a\x7f", "\x0a\x02\x0a\x05",
                                        "\x0a\x03\x0a\x01\xff", "\x0f\xff"};
    const char *path = TEST_BINARY_DIR "/text.broken.model";
    struct tuff_tokenizer *tok = NULL;
    for (size_t i = 0; i < TUFF_COUNT(texts); i++) {
        CHECK_OK(ctx, tuff_os_write_file(ctx, path, texts[i], strlen(texts[i])));
        CHECK(tuff_tokenizer_load(ctx, path, &tok) == TUFF_E_FORMAT && !tok);
        CHECK(strstr(tuff_error_text(ctx), "text.broken.model"));
    }
}

int main(void)
{
    struct tuff_ctx *ctx = tuff_ctx_create(NULL);
    wordpiece(ctx, GOLDEN "wordpiece-trained", BOOK, 600);
    unigram(ctx, GOLDEN "unigram-trained", BOOK, 600);
    characters(ctx);
    wordlevel(ctx);
    const char *shared = getenv("TUFF_SHARED");
    if (shared) {
        char folder[1024];
        snprintf(folder, sizeof folder, "%s/golden/tokenizers/wordpiece-zh-trained", shared);
        wordpiece(ctx, folder, MANUAL, 2400);
        snprintf(folder, sizeof folder, "%s/golden/tokenizers/unigram-zh-trained", shared);
        unigram(ctx, folder, MANUAL, 2400);
    } else {
        printf("skipped: training of wordpiece-zh-trained and unigram-zh-trained; TUFF_SHARED does "
               "not name the folder that holds golden/tokenizers\n");
    }
    likelihood(ctx);
    refused(ctx);
    older_formats(ctx, "bpe-trained", "What is the matter, king? caf\xc3\xa9");
    older_formats(ctx, "gpt1-trained", "What is the matter, king?");
    older_formats(ctx, "wordpiece-trained", "What is the matter, king?");
    older_formats(ctx, "unigram-trained", "What is the matter, king?");
    broken_model(ctx);
    tuff_ctx_destroy(ctx);
    return test_end();
}
