/* tokenizer.json from a stranger, then text through whatever tokenizer that gives. The input's
 * last line is the text; the rest is the file. */
#include "base/base.h"
#include "tuff/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(struct tuff_ctx *ctx, const struct tuff_tokenizer *tok, const char *text, size_t n)
{
    struct tuff_ids ids = {0};
    struct tuff_detokenizer *det = NULL;
    struct tuff_text streamed = {0};
    char *whole = NULL;
    const char *part;
    size_t n_part;
    if (tuff_tokenizer_encode(ctx, tok, text, n, n % 2 ? TUFF_ENCODE_SPECIAL_AS_TEXT : 0, &ids) ||
        tuff_tokenizer_decode(ctx, tok, ids.items, ids.n, 0, &whole, NULL) ||
        tuff_detokenizer_create(ctx, tok, 0, &det)) {
        tuff_ids_fini(&ids);
        free(whole);
        return;
    }
    for (size_t i = 0; i < ids.n; i++) {
        if (tuff_detokenizer_push(ctx, det, ids.items[i], &part, &n_part))
            abort(); /* ids that encoding gave must decode, since they did at once */
        tuff_text_add(&streamed, part, n_part);
    }
    if (tuff_detokenizer_flush(ctx, det, &part, &n_part))
        abort();
    tuff_text_add(&streamed, part, n_part);
    if (strcmp(streamed.s, whole)) /* as one: the same text */
        abort();
    tuff_text_fini(&streamed);
    tuff_detokenizer_destroy(det);
    tuff_ids_fini(&ids);
    free(whole);
}

/* Everything an encoding holds: ranges inside the text, and the same ids. */
static void use_full(struct tuff_ctx *ctx, const struct tuff_tokenizer *tok, const char *text,
                     size_t n)
{
    struct tuff_encode_params params = {.flags = TUFF_ENCODE_ADD_SPECIAL};
    struct tuff_input input = {text, n % 3 ? NULL : text, n, n};
    struct tuff_encoding e = {0};
    params.dropout = n % 5 ? 0 : 0.5;
    params.alpha = n % 7 ? 0 : 0.5;
    params.nbest = n % 4;
    if (tuff_tokenizer_encode_batch(ctx, tok, &params, &input, 1, 1, &e) == TUFF_OK)
        for (size_t i = 0; i < e.n; i++)
            if (e.offsets[i].begin > e.offsets[i].end || e.offsets[i].end > n)
                abort();
    tuff_encoding_fini(&e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tuff_ctx *ctx = tuff_ctx_create(NULL);
    struct tuff_tokenizer *tok = NULL;
    const uint8_t *at = data + size;
    while (at > data && at[-1] != '\n')
        at--;
    if (tuff_tokenizer_load_text(ctx, "fuzz", data, (size_t) (at - data), &tok) == TUFF_OK)
        use(ctx, tok, (const char *) at, (size_t) (data + size - at));
    if (tok)
        use_full(ctx, tok, (const char *) at, (size_t) (data + size - at));
    tuff_tokenizer_destroy(tok);
    tuff_ctx_destroy(ctx);
    return 0;
}
