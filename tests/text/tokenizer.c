/* The tokenizer as an object: flags, invalid text, streaming, saving, threads, long inputs. */
#include "golden.h"

#define BPE TEST_SOURCE_DIR "/golden/tokenizers/bpe-trained"

static void special_tokens(struct tuff_ctx *ctx, const struct tuff_tokenizer *tok)
{
    const char *text = "a<|endoftext|>b";
    struct tuff_ids ids = {0};
    char *back = NULL;
    size_t n = 99;
    CHECK_OK(ctx, tuff_tokenizer_encode(ctx, tok, text, strlen(text), 0, &ids));
    CHECK(ids.n == 3 && ids.items[1] == 0);
    CHECK_OK(ctx, tuff_tokenizer_decode(ctx, tok, ids.items, 3, 0, &back, &n));
    CHECK(back && !strcmp(back, "ab") && n == 2);
    free(back);
    CHECK_OK(ctx,
             tuff_tokenizer_decode(ctx, tok, ids.items, 3, TUFF_DECODE_KEEP_SPECIAL, &back, NULL));
    CHECK(back && !strcmp(back, text));
    free(back);
    /* Appends; and as text the name is many tokens, none special. */
    CHECK_OK(ctx, tuff_tokenizer_encode(ctx, tok, text, strlen(text), TUFF_ENCODE_SPECIAL_AS_TEXT,
                                        &ids));
    CHECK(ids.n > 8 && ids.items[1] == 0);
    for (size_t i = 3; i < ids.n; i++)
        CHECK(ids.items[i] != 0);
    CHECK_OK(ctx, tuff_tokenizer_decode(ctx, tok, ids.items + 3, ids.n - 3, 0, &back, NULL));
    CHECK(back && !strcmp(back, text));
    free(back);
    tuff_ids_fini(&ids);
    CHECK_OK(ctx, tuff_tokenizer_decode(ctx, tok, NULL, 0, 0, &back, &n));
    CHECK(back && !back[0] && n == 0);
    free(back);
}

static void questions(const struct tuff_tokenizer *tok)
{
    uint32_t id = 0;
    CHECK(tuff_tokenizer_vocab_size(tok) == 600);
    CHECK(!strcmp(tuff_tokenizer_token_text(tok, 594), "Ġwhen"));
    CHECK(tuff_tokenizer_id_of(tok, "Ġwhen", &id) && id == 594);
    CHECK(!tuff_tokenizer_id_of(tok, " when", &id) && id == 594);
    CHECK(!tuff_tokenizer_token_text(tok, 600) && !tuff_tokenizer_token_text(tok, UINT32_MAX));
    CHECK(tuff_tokenizer_is_special(tok, 0) && !tuff_tokenizer_is_special(tok, 1));
    CHECK(!tuff_tokenizer_is_special(tok, 600));
}

static void unknown_ids(struct tuff_ctx *ctx, const struct tuff_tokenizer *tok)
{
    const uint32_t ids[] = {594, 600, UINT32_MAX, 594};
    char *text = NULL;
    CHECK(tuff_tokenizer_decode(ctx, tok, ids, 4, 0, &text, NULL) == TUFF_E_RANGE && !text);
    CHECK(strstr(tuff_error_text(ctx), "600"));
    CHECK_OK(ctx, tuff_tokenizer_decode(ctx, tok, ids, 4, TUFF_DECODE_SKIP_UNKNOWN, &text, NULL));
    CHECK(text && !strcmp(text, " when when"));
    free(text);
    struct tuff_detokenizer *det = NULL;
    const char *part;
    size_t n;
    CHECK_OK(ctx, tuff_detokenizer_create(ctx, tok, 0, &det));
    CHECK(tuff_detokenizer_push(ctx, det, 600, &part, &n) == TUFF_E_RANGE && n == 0);
    CHECK_OK(ctx, tuff_detokenizer_push(ctx, det, 594, &part, &n));
    CHECK(!strcmp(part, " when"));
    tuff_detokenizer_destroy(det);
}

/* Encodes text that is not UTF-8: as if U+FFFD stood there. */
static void invalid_text(struct tuff_ctx *ctx, const struct tuff_tokenizer *tok)
{
    const char *bad = "caf\xe9 \xf0\x9f\x91", *good = "caf\xef\xbf\xbd \xef\xbf\xbd";
    struct tuff_ids a = {0}, b = {0};
    CHECK_OK(ctx, tuff_tokenizer_encode(ctx, tok, bad, strlen(bad), 0, &a));
    CHECK_OK(ctx, tuff_tokenizer_encode(ctx, tok, good, strlen(good), 0, &b));
    CHECK(a.n == b.n && !memcmp(a.items, b.items, a.n * sizeof *a.items));
    tuff_ids_fini(&a);
    tuff_ids_fini(&b);
}

static uint32_t byte_id(const struct tuff_tokenizer *tok, const char *spelled)
{
    uint32_t id = UINT32_MAX;
    CHECK(tuff_tokenizer_id_of(tok, spelled, &id));
    return id;
}

/* A character in four tokens comes when its last byte does; broken ones as U+FFFD at once. */
static void streaming(struct tuff_ctx *ctx, const struct tuff_tokenizer *tok)
{
    uint32_t f0 = byte_id(tok, "ð"), b9f = byte_id(tok, "Ł"), b91 = byte_id(tok, "ĳ");
    uint32_t b8d = byte_id(tok, "į"), a = byte_id(tok, "a");
    const struct {
        uint32_t id;
        const char *text;
    } steps[] = {{a, "a"},
                 {f0, ""},
                 {b9f, ""},
                 {b91, ""},
                 {b8d, "👍"},
                 {b8d, "\xef\xbf\xbd"},
                 {f0, ""},
                 {b9f, ""},
                 {a, "\xef\xbf\xbd"
                     "a"},
                 {f0, ""},
                 {f0, "\xef\xbf\xbd"}};
    struct tuff_detokenizer *det = NULL;
    const char *text;
    size_t n;
    CHECK_OK(ctx, tuff_detokenizer_create(ctx, tok, 0, &det));
    for (size_t i = 0; i < TUFF_COUNT(steps); i++) {
        CHECK_OK(ctx, tuff_detokenizer_push(ctx, det, steps[i].id, &text, &n));
        CHECK_MSG(!strcmp(text, steps[i].text) && n == strlen(text), "step %zu: \"%s\"", i, text);
    }
    CHECK_OK(ctx, tuff_detokenizer_flush(ctx, det, &text, &n));
    CHECK(!strcmp(text, "\xef\xbf\xbd") && n == 3);
    CHECK_OK(ctx, tuff_detokenizer_flush(ctx, det, &text, &n));
    CHECK(!strcmp(text, "") && n == 0);
    tuff_detokenizer_destroy(det);
    tuff_detokenizer_destroy(NULL);
}

/* Saved and loaded: the same JSON, whatever its components. */
static void round_trip(struct tuff_ctx *ctx, const char *folder)
{
    char path[1024], out[1024];
    struct tuff_tokenizer *tok = NULL;
    json_t *was = NULL, *is = NULL;
    snprintf(path, sizeof path, TEST_SOURCE_DIR "/golden/tokenizers/%s/tokenizer.json", folder);
    snprintf(out, sizeof out, TEST_BINARY_DIR "/text.tokenizer");
    CHECK_OK(ctx, tuff_tokenizer_load(ctx, path, &tok));
    CHECK_OK(ctx, tuff_os_mkdirs(ctx, out));
    if (tok)
        CHECK_OK(ctx, tuff_tokenizer_save(ctx, tok, out));
    strcat(out, "/tokenizer.json");
    CHECK_OK(ctx, tuff_json_load(ctx, path, &was));
    CHECK_OK(ctx, tuff_json_load(ctx, out, &is));
    CHECK_MSG(json_equal(was, is), "%s", folder);
    json_decref(was);
    json_decref(is);
    tuff_tokenizer_destroy(tok);
}

struct worker {
    struct tuff_ctx *ctx;
    const struct tuff_tokenizer *tok;
    const struct tuff_map *text;
    struct tuff_ids ids;
    enum tuff_status status;
};

static void encode_all(void *user)
{
    struct worker *w = user;
    w->status = tuff_tokenizer_encode(w->ctx, w->tok, (const char *) w->text->data, w->text->size,
                                      0, &w->ids);
}

static void threads(struct tuff_ctx *ctx)
{
    /* The vocabulary with a regular expression: PCRE2's state must not be shared either. */
    struct tuff_tokenizer *tok = NULL;
    struct tuff_map text;
    struct worker workers[3];
    struct tuff_thread *running[3];
    CHECK_OK(ctx,
             tuff_tokenizer_load(ctx, TEST_SOURCE_DIR "/golden/tokenizers/bloom-trained", &tok));
    CHECK_OK(ctx,
             tuff_os_map(ctx, TEST_SOURCE_DIR "/golden/tokenizers/train/short/corpus.txt", &text));
    for (int i = 0; i < 3; i++) {
        workers[i] = (struct worker){.ctx = ctx, .tok = tok, .text = &text};
        CHECK_OK(ctx, tuff_thread_create(ctx, encode_all, &workers[i], &running[i]));
    }
    for (int i = 0; i < 3; i++) {
        tuff_thread_join(&running[i]);
        CHECK(workers[i].status == TUFF_OK && workers[i].ids.n == workers[0].ids.n &&
              workers[i].ids.n > 5000 &&
              !memcmp(workers[i].ids.items, workers[0].ids.items, workers[0].ids.n * 4));
    }
    for (int i = 0; i < 3; i++)
        tuff_ids_fini(&workers[i].ids);
    tuff_os_unmap(&text);
    tuff_tokenizer_destroy(tok);
}

/* 2 MB without a place to cut: nothing may be quadratic. One that is would take hours. */
static void long_words(struct tuff_ctx *ctx, const struct tuff_tokenizer *tok)
{
    static const char *const units[] = {
        "a", " ", "the", "\n ", "ab'", "<|endoftext|>", "<|", "\xe5\x8c\x97", "\xff"};
    for (size_t i = 0; i < TUFF_COUNT(units); i++) {
        struct tuff_text text = {0};
        struct tuff_ids ids = {0};
        char *back = NULL;
        size_t n = 0, unit = strlen(units[i]);
        while (text.n < 2000000)
            tuff_text_add(&text, units[i], unit);
        double start = tuff_os_now();
        CHECK_OK(ctx, tuff_tokenizer_encode(ctx, tok, text.s, text.n, 0, &ids));
        CHECK_OK(ctx, tuff_tokenizer_decode(ctx, tok, ids.items, ids.n, TUFF_DECODE_KEEP_SPECIAL,
                                            &back, &n));
        CHECK_MSG(tuff_os_now() - start < 30, "unit \"%s\": %.1f s", units[i],
                  tuff_os_now() - start);
        if (units[i][0] != '\xff')
            CHECK(back && n == text.n && !memcmp(back, text.s, n));
        else
            CHECK(back && n == 3 * text.n);
        free(back);
        tuff_ids_fini(&ids);
        tuff_text_fini(&text);
    }
    struct tuff_ids none = {0};
    CHECK(tuff_tokenizer_encode(ctx, tok, "", (size_t) 1 << 31, 0, &none) == TUFF_E_RANGE);
}

int main(void)
{
    struct tuff_ctx *ctx = tuff_ctx_create(NULL);
    struct tuff_tokenizer *tok = NULL;
    CHECK_OK(ctx, tuff_tokenizer_load(ctx, BPE, &tok));
    if (tok) {
        special_tokens(ctx, tok);
        questions(tok);
        unknown_ids(ctx, tok);
        invalid_text(ctx, tok);
        streaming(ctx, tok);
        long_words(ctx, tok);
    }
    round_trip(ctx, "bpe-zh-trained");
    round_trip(ctx, "bloom-trained");
    round_trip(ctx, "options/strip");
    round_trip(ctx, "options/words");
    round_trip(ctx, "options/removed");
    threads(ctx);
    tuff_tokenizer_destroy(tok);
    tuff_tokenizer_destroy(NULL);
    tuff_ctx_destroy(ctx);
    return test_end();
}
