/* Marian's folders as the hub has them: every case equals transformers' (tools/golden/
 * marian_tokenizer.py), special tokens shown and not; saved as tokenizer.json and read again it is
 * the same; a bad file is named. */
#include "golden.h"

#define MARIAN TEST_SOURCE_DIR "/golden/tokenizers/marian"

/* What decoding shows with special tokens. */
static void check_kept(struct tuff_ctx *ctx, const struct tuff_tokenizer *tok, const json_t *one)
{
    const json_t *list = json_object_get(one, "ids"), *want = json_object_get(one, "kept");
    struct tuff_ids ids = {0};
    char *text = NULL;
    for (size_t i = 0; i < json_array_size(list); i++) {
        uint32_t *slot = TUFF_PUSH(&ids);
        if (slot)
            *slot = (uint32_t) json_integer_value(json_array_get(list, i));
    }
    CHECK_OK(ctx, tuff_tokenizer_decode(ctx, tok, ids.items, ids.n, TUFF_DECODE_KEEP_SPECIAL, &text,
                                        NULL));
    CHECK_MSG(text && !strcmp(text, json_string_value(want)), "kept: \"%s\", not \"%s\"",
              text ? text : "", json_string_value(want));
    free(text);
    tuff_ids_fini(&ids);
}

static void cases(struct tuff_ctx *ctx)
{
    struct tuff_tokenizer *tok = NULL, *again = NULL;
    struct tuff_map map = {0};
    size_t n_cases = 0;
    CHECK(check_folder(ctx, MARIAN) == 112);
    CHECK_OK(ctx, tuff_tokenizer_load(ctx, MARIAN, &tok));
    CHECK_OK(ctx, tuff_tokenizer_save(ctx, tok, "marian-tokenizer.json"));
    CHECK_OK(ctx, tuff_tokenizer_load(ctx, "marian-tokenizer.json", &again));
    CHECK_OK(ctx, tuff_os_map(ctx, MARIAN "/cases.jsonl", &map));
    for (size_t i = 0; again && i < map.size; n_cases++) {
        const uint8_t *end = memchr(map.data + i, '\n', map.size - i);
        size_t n = end ? (size_t) (end - map.data) - i : map.size - i;
        json_t *one = NULL;
        CHECK_OK(ctx, tuff_json_parse(ctx, "cases.jsonl", map.data + i, n, &one));
        check_kept(ctx, tok, one);
        check_case(ctx, again, one, "saved");
        json_decref(one);
        i += n + 1;
    }
    CHECK(n_cases == 112);
    CHECK(tuff_tokenizer_save_vocab(ctx, tok, ".") == TUFF_E_UNSUPPORTED);
    tuff_os_unmap(&map);
    tuff_tokenizer_destroy(again);
    tuff_tokenizer_destroy(tok);
}

/* A folder with these files; NULL: the good one. */
static void refused(struct tuff_ctx *ctx, const char *spm, size_t n_spm, const char *vocab,
                    const char *config, enum tuff_status status, const char *file, const char *why)
{
    struct tuff_map map = {0};
    struct tuff_tokenizer *tok = NULL;
    CHECK_OK(ctx, tuff_os_mkdirs(ctx, "marian-bad"));
    CHECK_OK(ctx, tuff_os_map(ctx, MARIAN "/source.spm", &map));
    CHECK_OK(ctx, tuff_os_write_file(ctx, "marian-bad/source.spm", spm ? spm : (void *) map.data,
                                     spm ? n_spm : map.size));
    tuff_os_unmap(&map);
    if (!vocab)
        CHECK_OK(ctx, tuff_os_map(ctx, MARIAN "/vocab.json", &map));
    CHECK_OK(ctx, tuff_os_write_file(ctx, "marian-bad/vocab.json", vocab ? vocab : (void *) map.data,
                                     vocab ? strlen(vocab) : map.size));
    if (!vocab)
        tuff_os_unmap(&map);
    CHECK_OK(ctx, tuff_os_write_file(ctx, "marian-bad/tokenizer_config.json", config,
                                     strlen(config)));
    CHECK(tuff_tokenizer_load(ctx, "marian-bad", &tok) == status);
    const char *error = tuff_error_text(ctx);
    CHECK_MSG(strstr(error, file) && strstr(error, why) && !strchr(error, '\n'),
              "\"%s\" names not %s, %s", error, file, why);
    tuff_tokenizer_destroy(tok);
}

/* Pieces of a model file: <unk> of type 2 and one of a type, score 0; then the model's type. */
#define PIECE(type) "\x0a\x09\x0a\x05<unk>\x18\x02\x0a\x0a\x0a\x01" "a\x15\0\0\0\0\x18" type
#define MODEL(type) "\x12\x02\x18" type
#define SPM(...) (__VA_ARGS__), sizeof(__VA_ARGS__) - 1

static void bad_files(struct tuff_ctx *ctx)
{
    const char *good = "{\"</s>\": 0, \"<unk>\": 1, \"a\": 2}", *none = "{}";
    enum tuff_status format = TUFF_E_FORMAT, lacking = TUFF_E_UNSUPPORTED;
    refused(ctx, SPM("no"), good, none, format, "source.spm", "not a sentencepiece model");
    refused(ctx, SPM(PIECE("\1") MODEL("\2")), good, none, lacking, "source.spm", "BPE");
    refused(ctx, SPM(PIECE("\1") MODEL("\3")), good, none, lacking, "source.spm", "type 3");
    refused(ctx, SPM(PIECE("\4")), good, none, lacking, "source.spm", "\"a\" is defined by the user");
    refused(ctx, SPM(PIECE("\6")), good, none, lacking, "source.spm", "\"a\" is a byte");
    refused(ctx, SPM(PIECE("\1") PIECE("\1")), good, none, format, "marian-bad", "\"a\" is there twice");
    refused(ctx, NULL, 0, "[1]", none, format, "vocab.json", "not an object");
    refused(ctx, NULL, 0, "{\"<unk>\": 1}", none, format, "vocab.json", "lacks the token </s>");
    refused(ctx, NULL, 0, "{\"</s>\": 1}", none, format, "vocab.json", "lacks the token <unk>");
    refused(ctx, NULL, 0, "{\"</s>\": 0, \"<unk>\": 1.5}", none, format, "vocab.json",
            "\"<unk>\" must be an integer");
    refused(ctx, NULL, 0, "{\"</s>\": 0, \"<unk>\": 0}", none, format, "marian-bad", "there twice");
    refused(ctx, NULL, 0, "{\"</s>\": 0, \"<unk>\": -3}", none, format, "marian-bad", "far outside");
    refused(ctx, NULL, 0, "{", none, format, "vocab.json", "");
    refused(ctx, NULL, 0, good, "{\"separate_vocabs\": true}", lacking, "tokenizer_config.json",
            "separate_vocabs");
    struct tuff_tokenizer *tok = NULL;
    CHECK_OK(ctx, tuff_os_write_file(ctx, "marian-bad/source.spm", SPM(PIECE("\1"))));
    CHECK_OK(ctx, tuff_os_write_file(ctx, "marian-bad/vocab.json", good, strlen(good)));
    CHECK_OK(ctx, tuff_os_write_file(ctx, "marian-bad/tokenizer_config.json", none, 2));
    CHECK_OK(ctx, tuff_tokenizer_load(ctx, "marian-bad", &tok)); /* the parts above do well together */
    tuff_tokenizer_destroy(tok);
}

int main(void)
{
    struct tuff_ctx *ctx = tuff_ctx_create(NULL);
    cases(ctx);
    bad_files(ctx);
    tuff_ctx_destroy(ctx);
    return test_end();
}
