/* text/detokenizer: ids to text, at once or token by token. With ByteLevel alone tokens are bytes,
 * so a character may come in several, and only whole ones leave; other decoders are decoder.c's. */
#include "text/tokenizer_impl.h"
#include "text/unicode.h"

struct tuff_detokenizer {
    const struct tuff_tokenizer *tok;
    unsigned flags;
    struct tuff_text out;
    uint8_t *pending; /* the bytes of an unfinished character, then those of the token */
    size_t n_pending, cap;
    struct tuff_decoding steps; /* for decoders other than ByteLevel alone */
};

/* Whether the token takes part; TUFF_E_RANGE for an id without one. */
static enum tuff_status is_wanted(struct tuff_ctx *ctx, const struct tuff_tokenizer *tok,
                                  uint32_t id, unsigned flags, bool *wanted)
{
    *wanted = false;
    if (id >= tok->vocab.n || !tok->vocab.items[id].text) {
        if (flags & TUFF_DECODE_SKIP_UNKNOWN)
            return TUFF_OK;
        return tuff_fail(ctx, TUFF_E_RANGE,
                         "decoding: id %lu names no token (the vocabulary ends at %zu)",
                         (unsigned long) id, tok->vocab.n ? tok->vocab.n - 1 : 0);
    }
    *wanted = !tok->is_skipped[id] || flags & TUFF_DECODE_KEEP_SPECIAL;
    return TUFF_OK;
}

/* The bytes of one token; none for those that the flags leave out. */
static enum tuff_status token_bytes(struct tuff_ctx *ctx, const struct tuff_tokenizer *tok,
                                    uint32_t id, unsigned flags, const uint8_t **bytes, size_t *n)
{
    bool wanted;
    *bytes = tok->bytes;
    *n = 0;
    TUFF_TRY(is_wanted(ctx, tok, id, flags, &wanted));
    if (!wanted)
        return TUFF_OK;
    *bytes = tok->bytes + tok->bytes_start[id];
    *n = tok->bytes_start[id + 1] - tok->bytes_start[id];
    return TUFF_OK;
}

static enum tuff_status push_step(struct tuff_ctx *ctx, struct tuff_decoding *steps,
                                  const struct tuff_tokenizer *tok, uint32_t id, unsigned flags)
{
    bool wanted;
    size_t n;
    TUFF_TRY(is_wanted(ctx, tok, id, flags, &wanted));
    if (!wanted)
        return TUFF_OK;
    const char *text = tuff_tokenizer_shown(tok, id, &n);
    return tuff_decoding_push(steps, text, n);
}

static enum tuff_status decode_steps(struct tuff_ctx *ctx, const struct tuff_tokenizer *tok,
                                     const uint32_t *ids, size_t n, unsigned flags, char **text,
                                     size_t *n_bytes)
{
    struct tuff_text out = {0};
    struct tuff_decoding steps;
    enum tuff_status status = TUFF_OK;
    if (!tuff_decoding_init(&steps, ctx, &tok->decoder, &out))
        return tuff_fail(ctx, TUFF_E_NOMEM, "decoding: out of host memory");
    for (size_t i = 0; i < n && status == TUFF_OK; i++)
        status = push_step(ctx, &steps, tok, ids[i], flags);
    if (status == TUFF_OK)
        status = tuff_decoding_finish(&steps);
    tuff_text_add(&out, "", 0);
    if (status == TUFF_OK && out.failed)
        status = tuff_fail(ctx, TUFF_E_NOMEM, "decoding: out of host memory");
    tuff_decoding_fini(&steps);
    if (status != TUFF_OK) {
        tuff_text_fini(&out);
        return status;
    }
    *text = out.s;
    if (n_bytes)
        *n_bytes = out.n;
    return TUFF_OK;
}

enum tuff_status tuff_tokenizer_decode(struct tuff_ctx *ctx, const struct tuff_tokenizer *tok,
                                       const uint32_t *ids, size_t n, unsigned flags, char **text,
                                       size_t *n_bytes)
{
    *text = NULL;
    if (n_bytes)
        *n_bytes = 0;
    if (!tok->decoder.byte_level)
        return decode_steps(ctx, tok, ids, n, flags, text, n_bytes);
    struct tuff_text raw = {0}, out = {0};
    enum tuff_status status = TUFF_OK;
    for (size_t i = 0; i < n && status == TUFF_OK; i++) {
        const uint8_t *bytes;
        size_t length;
        status = token_bytes(ctx, tok, ids[i], flags, &bytes, &length);
        if (status == TUFF_OK)
            tuff_text_add(&raw, (const char *) bytes, length);
    }
    tuff_text_add(&raw, "", 0);
    if (status == TUFF_OK && !raw.failed) {
        /* Valid text, the usual case, is given out without a copy. */
        if (tuff_utf8_is_valid((const uint8_t *) raw.s, raw.n)) {
            out = raw;
            raw = (struct tuff_text){0};
        } else {
            tuff_utf8_add_lossy(&out, (const uint8_t *) raw.s, raw.n, NULL);
        }
    }
    if (status == TUFF_OK && (raw.failed || out.failed))
        status = tuff_fail(ctx, TUFF_E_NOMEM, "decoding: out of host memory");
    tuff_text_fini(&raw);
    if (status != TUFF_OK) {
        tuff_text_fini(&out);
        return status;
    }
    *text = out.s;
    if (n_bytes)
        *n_bytes = out.n;
    return TUFF_OK;
}

enum tuff_status tuff_detokenizer_create(struct tuff_ctx *ctx, const struct tuff_tokenizer *tok,
                                         unsigned flags, struct tuff_detokenizer **det)
{
    *det = tuff_calloc(1, sizeof **det);
    if (!*det)
        return tuff_fail(ctx, TUFF_E_NOMEM, "decoding: out of host memory");
    (*det)->tok = tok;
    (*det)->flags = flags;
    if (!tuff_decoding_init(&(*det)->steps, ctx, &tok->decoder, &(*det)->out)) {
        free(*det);
        *det = NULL;
        return tuff_fail(ctx, TUFF_E_NOMEM, "decoding: out of host memory");
    }
    return TUFF_OK;
}

void tuff_detokenizer_destroy(struct tuff_detokenizer *det)
{
    if (!det)
        return;
    tuff_decoding_fini(&det->steps);
    tuff_text_fini(&det->out);
    free(det->pending);
    free(det);
}

static enum tuff_status give(struct tuff_ctx *ctx, struct tuff_detokenizer *det, const char **text,
                             size_t *n_bytes)
{
    tuff_text_add(&det->out, "", 0);
    if (det->out.failed) {
        tuff_text_fini(&det->out);
        return tuff_fail(ctx, TUFF_E_NOMEM, "decoding: out of host memory");
    }
    *text = det->out.s;
    *n_bytes = det->out.n;
    return TUFF_OK;
}

enum tuff_status tuff_detokenizer_push(struct tuff_ctx *ctx, struct tuff_detokenizer *det,
                                       uint32_t id, const char **text, size_t *n_bytes)
{
    const uint8_t *bytes;
    size_t n, rest;
    *text = "";
    *n_bytes = 0;
    det->out.n = 0;
    if (!det->tok->decoder.byte_level) {
        det->steps.ctx = ctx;
        TUFF_TRY(push_step(ctx, &det->steps, det->tok, id, det->flags));
        return give(ctx, det, text, n_bytes);
    }
    TUFF_TRY(token_bytes(ctx, det->tok, id, det->flags, &bytes, &n));
    if (!tuff_grow((void **) &det->pending, &det->cap, det->n_pending + n + 1, 1))
        return tuff_fail(ctx, TUFF_E_NOMEM, "decoding: out of host memory");
    memcpy(det->pending + det->n_pending, bytes, n);
    n += det->n_pending;
    tuff_utf8_add_lossy(&det->out, det->pending, n, &rest);
    memmove(det->pending, det->pending + n - rest, rest);
    det->n_pending = rest;
    return give(ctx, det, text, n_bytes);
}

enum tuff_status tuff_detokenizer_flush(struct tuff_ctx *ctx, struct tuff_detokenizer *det,
                                        const char **text, size_t *n_bytes)
{
    *text = "";
    *n_bytes = 0;
    det->out.n = 0;
    if (!det->tok->decoder.byte_level) {
        det->steps.ctx = ctx;
        TUFF_TRY(tuff_decoding_finish(&det->steps));
    }
    if (det->n_pending)
        tuff_text_add(&det->out, "\xef\xbf\xbd", 3);
    det->n_pending = 0;
    return give(ctx, det, text, n_bytes);
}
