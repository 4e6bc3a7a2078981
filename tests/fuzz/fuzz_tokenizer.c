/* tokenizer.json from a stranger, then text through whatever tokenizer that gives. The input's
 * last line is the text; the rest is the file. Where it starts with "SPM" it is a sentencepiece model
 * behind its length (2 bytes), and Marian's vocab.json. */
#include "text/spm.h"

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

static void load_marian(struct tuff_ctx *ctx, const uint8_t *data, size_t size,
                        struct tuff_tokenizer **tok)
{
    size_t n = (size_t) data[3] | (size_t) data[4] << 8;
    struct tuff_spm spm = {0};
    json_t *vocab = NULL, *root = NULL;
    n = TUFF_MIN(n, size - 5);
    if (tuff_spm_parse(ctx, "spm", data + 5, n, &spm) == TUFF_OK &&
        tuff_json_parse(ctx, "vocab", data + 5 + n, size - 5 - n, &vocab) == TUFF_OK &&
        tuff_marian_root(ctx, "spm", &spm, "vocab", vocab, &root) == TUFF_OK)
        tuff_tokenizer_from_root(ctx, "root", root, tok);
    tuff_spm_fini(&spm);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tuff_ctx *ctx = tuff_ctx_create(NULL);
    struct tuff_tokenizer *tok = NULL;
    const uint8_t *at = data + size;
    while (at > data && at[-1] != '\n')
        at--;
    if (at - data > 5 && !memcmp(data, "SPM", 3))
        load_marian(ctx, data, (size_t) (at - data), &tok);
    else
        tuff_tokenizer_load_text(ctx, "fuzz", data, (size_t) (at - data), &tok);
    if (tok)
        use(ctx, tok, (const char *) at, (size_t) (data + size - at));
    if (tok)
        use_full(ctx, tok, (const char *) at, (size_t) (data + size - at));
    tuff_tokenizer_destroy(tok);
    tuff_ctx_destroy(ctx);
    return 0;
}
