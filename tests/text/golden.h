/* Reference cases: a folder with tokenizer.json and cases.jsonl (text, ids, tokens, decoded a
 * line), compared in every way the library has. */
#ifndef TUFF_TEST_TEXT_GOLDEN_H
#define TUFF_TEST_TEXT_GOLDEN_H

#include "base/json.h"
#include "base/os.h"
#include "test.h"
#include "tuff/tokenizer.h"

static inline bool same_ids(const struct tuff_ids *ids, const json_t *want)
{
    bool same = ids->n == json_array_size(want);
    for (size_t i = 0; same && i < ids->n; i++)
        same = ids->items[i] == (uint64_t) json_integer_value(json_array_get(want, i));
    return same;
}

/* The texts that a detokenizer gives token by token, joined; each must be whole characters. */
static inline char *stream_decode(struct tuff_ctx *ctx, const struct tuff_tokenizer *tok,
                                  const struct tuff_ids *ids)
{
    struct tuff_detokenizer *det = NULL;
    struct tuff_text all = {0};
    const char *text;
    size_t n;
    CHECK_OK(ctx, tuff_detokenizer_create(ctx, tok, 0, &det));
    for (size_t i = 0; i <= ids->n; i++) {
        if (i < ids->n)
            CHECK_OK(ctx, tuff_detokenizer_push(ctx, det, ids->items[i], &text, &n));
        else
            CHECK_OK(ctx, tuff_detokenizer_flush(ctx, det, &text, &n));
        json_t *whole = json_stringn(text, n); /* NULL when it is not UTF-8 */
        CHECK_MSG(whole, "the stream gave out a part of a character");
        json_decref(whole);
        tuff_text_add(&all, text, n);
    }
    tuff_text_add(&all, "", 0);
    tuff_detokenizer_destroy(det);
    return all.s;
}

static inline void check_case(struct tuff_ctx *ctx, const struct tuff_tokenizer *tok,
                              const json_t *one, const char *where)
{
    const json_t *text = json_object_get(one, "text"), *tokens = json_object_get(one, "tokens");
    struct tuff_ids ids = {0};
    CHECK_OK(ctx, tuff_tokenizer_encode(ctx, tok, json_string_value(text), json_string_length(text),
                                        TUFF_ENCODE_ADD_SPECIAL, &ids));
    bool same = same_ids(&ids, json_object_get(one, "ids"));
    CHECK_MSG(same, "%s: ids of \"%s\"", where, json_string_value(text));
    /* Where a token is unknown some references show the text instead. */
    for (size_t i = 0; same && i < ids.n; i++)
        CHECK(!strcmp(tuff_tokenizer_token_text(tok, ids.items[i]),
                      json_string_value(json_array_get(tokens, i))) ||
              !strcmp(tuff_tokenizer_token_text(tok, ids.items[i]), "<unk>"));
    char *decoded = NULL;
    size_t n = 0;
    const json_t *want = json_object_get(one, "decoded");
    CHECK_OK(ctx, tuff_tokenizer_decode(ctx, tok, ids.items, ids.n, 0, &decoded, &n));
    CHECK_MSG(decoded && n == json_string_length(want) &&
                  !memcmp(decoded, json_string_value(want), n),
              "%s: decoded \"%s\"", where, decoded ? decoded : "");
    char *streamed = stream_decode(ctx, tok, &ids);
    CHECK(streamed && decoded && !strcmp(streamed, decoded));
    free(streamed);
    free(decoded);
    tuff_ids_fini(&ids);
}

/* Returns the number of cases. */
static inline size_t check_folder(struct tuff_ctx *ctx, const char *folder)
{
    struct tuff_tokenizer *tok = NULL;
    struct tuff_map map = {0};
    char *path = tuff_os_path_join(folder, "cases.jsonl");
    size_t n_cases = 0;
    CHECK_OK(ctx, tuff_tokenizer_load(ctx, folder, &tok));
    CHECK_OK(ctx, tuff_os_map(ctx, path, &map));
    for (size_t i = 0; tok && i < map.size;) {
        const uint8_t *end = memchr(map.data + i, '\n', map.size - i);
        size_t n = end ? (size_t) (end - map.data) - i : map.size - i;
        char where[512];
        json_t *one = NULL;
        snprintf(where, sizeof where, "%s:%zu", path, n_cases + 1);
        CHECK_OK(ctx, tuff_json_parse(ctx, where, map.data + i, n, &one));
        if (one)
            check_case(ctx, tok, one, where);
        json_decref(one);
        n_cases++;
        i += n + 1;
    }
    tuff_os_unmap(&map);
    free(path);
    tuff_tokenizer_destroy(tok);
    return n_cases;
}

#endif
