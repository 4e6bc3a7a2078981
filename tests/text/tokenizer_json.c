/* tokenizer.json files that are broken or ask for what is not built: each is refused with one line
 * that names the file and the trouble, and nothing is read beyond its end. */
#include "base/os.h"
#include "base/rng.h"
#include "test.h"
#include "tuff/tokenizer.h"

#define LEVEL "\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true"
/* A small good file in five parts, to be replaced one at a time. */
#define ADDED                                                                                      \
    "[{\"id\":0,\"content\":\"<s>\",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,"      \
    "\"normalized\":false,\"special\":true}]"
#define PRE "{" LEVEL "}"
#define DECODER "{" LEVEL "}"
#define VOCAB "{\"<s>\":0,\"a\":1,\"b\":2,\"ab\":3,\"Ġ\":4}"
#define MERGES "[[\"a\",\"b\"]]"

struct parts {
    const char *more, *added, *pre, *decoder, *model, *vocab, *merges;
};

static char *file_of(struct parts p)
{
    struct tuff_text text = {0};
    tuff_text_printf(&text,
                     "{%s\"added_tokens\":%s,\"pre_tokenizer\":%s,\"decoder\":%s,\"model\":{",
                     p.more ? p.more : "", p.added ? p.added : ADDED, p.pre ? p.pre : PRE,
                     p.decoder ? p.decoder : DECODER);
    tuff_text_printf(&text, "%s\"vocab\":%s,\"merges\":%s}}", p.model ? p.model : "",
                     p.vocab ? p.vocab : VOCAB, p.merges ? p.merges : MERGES);
    return text.s;
}

static enum tuff_status load(struct tuff_ctx *ctx, const char *json, size_t n,
                             struct tuff_tokenizer **tok)
{
    /* A copy of exactly n bytes, so that a sanitizer sees a read past the end. */
    char *copy = malloc(n ? n : 1);
    memcpy(copy, json, n);
    enum tuff_status status = tuff_tokenizer_load_text(ctx, "bad.json", copy, n, tok);
    free(copy);
    return status;
}

static void good(struct tuff_ctx *ctx, struct parts parts, const char *text, const char *want)
{
    char *json = file_of(parts), got[256] = "";
    struct tuff_tokenizer *tok = NULL;
    struct tuff_ids ids = {0};
    CHECK_OK(ctx, load(ctx, json, strlen(json), &tok));
    if (tok) {
        CHECK_OK(ctx, tuff_tokenizer_encode(ctx, tok, text, strlen(text), 0, &ids));
        for (size_t i = 0; i < ids.n; i++)
            snprintf(got + strlen(got), sizeof got - strlen(got), "%s%lu", i ? " " : "",
                     (unsigned long) ids.items[i]);
        CHECK_MSG(!strcmp(got, want), "\"%s\" gave %s, not %s", text, got, want);
    }
    tuff_ids_fini(&ids);
    tuff_tokenizer_destroy(tok);
    free(json);
}

static void accepted(struct tuff_ctx *ctx)
{
    good(ctx, (struct parts){0}, "ab<s>ba ab", "3 0 2 1 4 3");
    good(ctx, (struct parts){.merges = "[\"#version: 0.2\",\"a b\"]"}, "ab", "3");
    good(ctx, (struct parts){.model = "\"type\":\"BPE\",\"dropout\":null,"}, "ab", "3");
    good(ctx, (struct parts){.added = "null"}, "a<s>b", "1 2"); /* bytes without token vanish */
    good(ctx, (struct parts){.model = "\"unk_token\":\"<s>\","}, "axxb", "1 0 0 2");
    good(ctx, (struct parts){.model = "\"unk_token\":\"<s>\",\"fuse_unk\":true,"}, "axxbx",
         "1 0 2 0");
    /* A token beyond the model's, with a hole before it; the last rank of a repeated merge. */
    good(ctx, (struct parts){.added = "[{\"id\":100,\"content\":\"[X]\"}]"}, "a[X]b", "1 100 2");
    good(ctx,
         (struct parts){.vocab = "{\"a\":1,\"b\":2,\"ab\":3,\"ba\":4}",
                        .added = "[]",
                        .merges = "[\"a b\",\"b a\",\"a b\"]"},
         "aba", "1 4");
}

static void bad(struct tuff_ctx *ctx, struct parts parts, enum tuff_status want, const char *says)
{
    char *json = file_of(parts);
    struct tuff_tokenizer *tok = NULL;
    enum tuff_status status = load(ctx, json, strlen(json), &tok);
    const char *text = tuff_error_text(ctx);
    CHECK_MSG(status == want && !tok && !strncmp(text, "bad.json: ", 10) && strstr(text, says),
              "%s, \"%s\", for %s", tuff_status_name(status), text, json);
    tuff_tokenizer_destroy(tok);
    free(json);
}

static void malformed(struct tuff_ctx *ctx)
{
    const enum tuff_status format = TUFF_E_FORMAT;
    bad(ctx, (struct parts){.vocab = "[]"}, format, "model.vocab");
    bad(ctx, (struct parts){.vocab = "{\"a\":1.5}"}, format, "\"a\"");
    bad(ctx, (struct parts){.vocab = "{\"a\":-1}"}, format, "\"a\" has id -1");
    bad(ctx, (struct parts){.vocab = "{\"a\":4294967296}"}, format, "4294967296");
    bad(ctx, (struct parts){.vocab = "{\"a\":4294967295}"}, format, "4294967295");
    bad(ctx, (struct parts){.vocab = "{\"a\":70000}"}, format, "far outside");
    bad(ctx, (struct parts){.vocab = "{\"a\":1,\"b\":1}"}, format, "twice");
    bad(ctx, (struct parts){.vocab = "{\"a\":1,\"a\":2}"}, format, "duplicate");
    bad(ctx, (struct parts){.merges = "{}"}, format, "model.merges");
    bad(ctx, (struct parts){.merges = "[[\"a\"]]"}, format, "model.merges[0]");
    bad(ctx, (struct parts){.merges = "[[\"a\",\"b\",\"b\"]]"}, format, "model.merges[0]");
    bad(ctx, (struct parts){.merges = "[[\"a\",\"b\"],[\"a\",7]]"}, format, "model.merges[1]");
    bad(ctx, (struct parts){.merges = "[\"ab\"]"}, format, "model.merges[0]");
    bad(ctx, (struct parts){.merges = "[\"a b b\"]"}, format, "model.merges[0]");
    bad(ctx, (struct parts){.merges = "[\"a c\"]"}, format, "\"c\"");
    bad(ctx, (struct parts){.merges = "[\"c a\"]"}, format, "\"c\"");
    bad(ctx, (struct parts){.merges = "[\"b a\"]"}, format, "\"ba\"");
    bad(ctx, (struct parts){.model = "\"unk_token\":\"?\","}, format, "unk_token");
    bad(ctx, (struct parts){.model = "\"unk_token\":7,"}, format, "unk_token");
    bad(ctx, (struct parts){.model = "\"fuse_unk\":7,"}, format, "fuse_unk");
    bad(ctx, (struct parts){.added = "7"}, format, "added_tokens");
    bad(ctx, (struct parts){.added = "[7]"}, format, "content");
    bad(ctx, (struct parts){.added = "[{\"id\":9,\"content\":\"a\\u0000\"}]"}, format, "content");
    bad(ctx, (struct parts){.added = "[{\"id\":2,\"content\":\"a\"}]"}, format, "\"a\"");
    bad(ctx, (struct parts){.added = "[{\"id\":2,\"content\":\"[X]\"}]"}, format, "twice");
    bad(ctx, (struct parts){.added = "[{\"content\":\"[X]\"}]"}, format, "id -1");
    bad(ctx, (struct parts){.added = "[{\"id\":99999999,\"content\":\"[X]\"}]"}, format,
        "99999999");
    bad(ctx,
        (struct parts){.added = "[{\"id\":9,\"content\":\"[X]\"},{\"id\":9,\"content\":\"[X]\"}]"},
        format, "twice");
    bad(ctx, (struct parts){.added = "[{\"id\":0,\"content\":\"<s>\",\"lstrip\":1}]"}, format,
        "lstrip");
    bad(ctx, (struct parts){.pre = "7"}, format, "pre_tokenizer");
    bad(ctx, (struct parts){.decoder = "{}"}, format, "decoder");
    bad(ctx, (struct parts){.pre = "{\"type\":\"ByteLevel\",\"use_regex\":0}"}, format,
        "use_regex");
}

#define SEQUENCE(steps) "{\"type\":\"Sequence\",\"pretokenizers\":[" steps "]}"
#define SPLIT(pattern, behavior)                                                                   \
    "{\"type\":\"Split\",\"pattern\":" pattern ",\"behavior\":\"" behavior "\",\"invert\":false}"

static void unsupported(struct tuff_ctx *ctx)
{
    const enum tuff_status no = TUFF_E_UNSUPPORTED, format = TUFF_E_FORMAT;
    bad(ctx, (struct parts){.more = "\"normalizer\":{\"type\":\"NFX\"},"}, no, "normalizer NFX");
    bad(ctx, (struct parts){.more = "\"normalizer\":{\"type\":\"Prepend\"},"}, format, "prepend");
    bad(ctx, (struct parts){.more = "\"normalizer\":{\"type\":\"Replace\",\"content\":\"\"},"},
        format, "Replace");
    bad(ctx,
        (struct parts){.more = "\"normalizer\":{\"type\":\"Precompiled\","
                               "\"precompiled_charsmap\":\"!\"},"},
        format, "base64");
    bad(ctx,
        (struct parts){.more = "\"normalizer\":{\"type\":\"Precompiled\","
                               "\"precompiled_charsmap\":\"/////w==\"},"},
        format, "precompiled_charsmap");
    bad(ctx, (struct parts){.more = "\"truncation\":{\"max_length\":-9},"}, format, "max_length");
    bad(ctx, (struct parts){.more = "\"truncation\":{\"strategy\":\"x\"},"}, no, "strategy");
    bad(ctx, (struct parts){.more = "\"padding\":{\"direction\":\"Up\"},"}, format, "direction");
    bad(ctx, (struct parts){.more = "\"post_processor\":{\"type\":\"Morse\"},"}, no, "Morse");
    bad(ctx,
        (struct parts){.more = "\"post_processor\":{\"type\":\"BertProcessing\","
                               "\"sep\":[\"x\",50],\"cls\":[\"x\",1]},"},
        format, "50");
    bad(ctx, (struct parts){.more = "\"post_processor\":{\"type\":\"BertProcessing\"},"}, format,
        "sep");
    bad(ctx, (struct parts){.pre = "{\"type\":\"UnicodeScripts\"}"}, no, "UnicodeScripts");
    bad(ctx, (struct parts){.pre = "{\"type\":\"Metaspace\"}"}, format, "replacement");
    bad(ctx, (struct parts){.pre = "{\"type\":\"Metaspace\",\"replacement\":\"ab\"}"}, format,
        "replacement");
    bad(ctx, (struct parts){.decoder = "{\"type\":\"Morse\"}"}, no, "decoder Morse");
    bad(ctx, (struct parts){.decoder = "{\"type\":\"Strip\",\"content\":\"a\",\"start\":-1}"},
        format, "Strip");
    bad(ctx, (struct parts){.model = "\"type\":\"Syllables\","}, no, "Syllables");
    bad(ctx, (struct parts){.model = "\"type\":\"WordPiece\","}, format, "unk_token");
    bad(ctx, (struct parts){.model = "\"type\":\"Unigram\","}, format, "model.vocab");
    bad(ctx, (struct parts){.model = "\"type\":\"Unigram\",\"unk_id\":2,", .vocab = "[[\"a\",0]]"},
        format, "unk_id");
    bad(ctx, (struct parts){.model = "\"type\":\"Unigram\",", .vocab = "[[\"a\",\"b\"]]"}, format,
        "model.vocab[0]");
    bad(ctx, (struct parts){.model = "\"dropout\":1.5,"}, format, "model.dropout");
    bad(ctx, (struct parts){.pre = SEQUENCE(SPLIT("{\"String\":\"a\"}", "Sideways") "," PRE)}, no,
        "Sideways");
    bad(ctx, (struct parts){.pre = SEQUENCE(SPLIT("{\"Regex\":\"[a&&b]\"}", "Isolated") "," PRE)},
        no, "&&");
    bad(ctx, (struct parts){.pre = SEQUENCE(SPLIT("{\"Regex\":\"(a\"}", "Isolated") "," PRE)},
        TUFF_E_FORMAT, "pattern");
    bad(ctx, (struct parts){.pre = SEQUENCE(SPLIT("7", "Isolated") "," PRE)}, TUFF_E_FORMAT,
        "pattern");
    char deep[4096] = "{\"type\":\"Sequence\",\"pretokenizers\":[";
    for (int i = 0; i < 17; i++)
        strcat(deep, SPLIT("{\"String\":\"a\"}", "Isolated") ",");
    strcat(deep, PRE "]}");
    bad(ctx, (struct parts){.pre = deep}, no, "16 pre-tokenizers");
}

/* A pattern that backtracks without end fails; it does not hang. */
static void runaway_pattern(struct tuff_ctx *ctx)
{
    char *json = file_of(
        (struct parts){.pre = SEQUENCE(SPLIT("{\"Regex\":\"(?:a+)+[bc]\"}", "Isolated") "," PRE)});
    char text[65];
    struct tuff_tokenizer *tok = NULL;
    struct tuff_ids ids = {0};
    memset(text, 'a', sizeof text);
    CHECK_OK(ctx, load(ctx, json, strlen(json), &tok));
    double start = tuff_os_now();
    if (tok)
        CHECK(tuff_tokenizer_encode(ctx, tok, text, sizeof text, 0, &ids) == TUFF_E_UNSUPPORTED);
    CHECK(ids.n == 0 && tuff_os_now() - start < 20);
    CHECK(strstr(tuff_error_text(ctx), "backtracks"));
    tuff_ids_fini(&ids);
    tuff_tokenizer_destroy(tok);
    free(json);
}

/* Cut anywhere: refused. With bytes changed: refused or a tokenizer that works. */
static void damaged(struct tuff_ctx *ctx)
{
    char *json = file_of((struct parts){.more = "\"version\":\"1.0\","});
    size_t n = strlen(json);
    struct tuff_tokenizer *tok = NULL;
    struct tuff_rng rng;
    int loaded = 0;
    for (size_t cut = 0; cut < n; cut++)
        CHECK(load(ctx, json, cut, &tok) == TUFF_E_FORMAT && !tok);
    tuff_rng_init(&rng, 3, 0);
    for (int round = 0; round < 20000; round++) {
        char *copy = malloc(n);
        memcpy(copy, json, n);
        for (uint64_t k = 1 + tuff_rng_below(&rng, 3); k > 0; k--)
            copy[tuff_rng_below(&rng, n)] = (char) (32 + tuff_rng_below(&rng, 95));
        if (load(ctx, copy, n, &tok) == TUFF_OK) {
            struct tuff_ids ids = {0};
            char *back = NULL;
            CHECK_OK(ctx, tuff_tokenizer_encode(ctx, tok, "ab <s>ba", 8, 0, &ids));
            CHECK_OK(ctx, tuff_tokenizer_decode(ctx, tok, ids.items, ids.n, 0, &back, NULL));
            free(back);
            tuff_ids_fini(&ids);
            tuff_tokenizer_destroy(tok);
            loaded++;
        }
        free(copy);
    }
    CHECK(loaded > 100 && loaded < 19900);
    free(json);
}

static void other_files(struct tuff_ctx *ctx)
{
    static const char *const texts[] = {
        "", "null", "7", "[]", "{}", "\"x\"", "{\"model\":7}", "{\"model\":{}}"};
    struct tuff_tokenizer *tok = NULL;
    for (size_t i = 0; i < TUFF_COUNT(texts); i++) {
        enum tuff_status status = load(ctx, texts[i], strlen(texts[i]), &tok);
        CHECK_MSG((status == TUFF_E_FORMAT || status == TUFF_E_UNSUPPORTED) && !tok, "%s",
                  texts[i]);
    }
    CHECK(tuff_tokenizer_load(ctx, TEST_BINARY_DIR "/no-such-folder", &tok) == TUFF_E_IO && !tok);
    CHECK(strstr(tuff_error_text(ctx), "no-such-folder"));
    CHECK(tuff_tokenizer_load(ctx, TEST_BINARY_DIR, &tok) == TUFF_E_IO && !tok);
    CHECK(strstr(tuff_error_text(ctx), "tokenizer.json"));
    struct parts empty = {.vocab = "{}", .merges = "[]", .added = "[]"};
    good(ctx, empty, "abc", "");
    char *json = file_of((struct parts){0});
    CHECK_OK(ctx, load(ctx, json, strlen(json), &tok));
    CHECK(tuff_tokenizer_save(ctx, tok, "/dev/null/tokenizer.json") == TUFF_E_IO);
    tuff_tokenizer_destroy(tok);
    free(json);
}

int main(void)
{
    struct tuff_ctx *ctx = tuff_ctx_create(NULL);
    accepted(ctx);
    malformed(ctx);
    unsupported(ctx);
    runaway_pattern(ctx);
    damaged(ctx);
    other_files(ctx);
    tuff_ctx_destroy(ctx);
    return test_end();
}
