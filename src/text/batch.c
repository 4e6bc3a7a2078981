/* text/batch: many texts on all cores. A text is encoded by one thread, so results do not depend
 * on how many there are. */
#include "base/os.h"
#include "text/encode.h"
#include "text/tokenizer_impl.h"

struct batch {
    struct tuff_ctx *ctx;
    const struct tuff_tokenizer *tok;
    const struct tuff_encode_params *params;
    const struct tuff_input *inputs;
    size_t n, next;
    struct tuff_encoding *encodings; /* or */
    struct tuff_ids *ids;
    struct tuff_mutex *mutex;
    enum tuff_status status; /* the first failure */
    struct tuff_text error;
};

static enum tuff_status encode_full(struct tuff_encoder *e, const struct tuff_encode_params *params,
                                    const struct tuff_input *in, uint64_t stream,
                                    struct tuff_encoding *out)
{
    struct tuff_rows rows[2] = {{0}, {0}};
    e->scratch.samples = params->alpha > 0;
    e->scratch.alpha = params->alpha;
    e->scratch.nbest = params->nbest;
    if (params->dropout > 0)
        e->scratch.dropout = params->dropout;
    tuff_rng_init(&e->scratch.rng, params->seed, stream);
    enum tuff_status status = tuff_encoder_rows(e, in->text, in->n_bytes, &rows[0]);
    if (status == TUFF_OK && in->pair)
        status = tuff_encoder_rows(e, in->pair, in->n_pair_bytes, &rows[1]);
    if (status == TUFF_OK)
        status = tuff_post_run(e->ctx, &e->tok->post, params, rows, in->pair != NULL, out);
    free(rows[0].items);
    free(rows[1].items);
    return status;
}

/* One thread: takes text after text, a few at a time so that they rarely meet. */
static void work(void *user)
{
    struct batch *b = user;
    struct tuff_ctx *ctx = tuff_ctx_create(NULL); /* texts of failures are a thread's own */
    struct tuff_encoder e;
    tuff_encoder_init(&e, ctx, b->tok, b->params->flags);
    size_t share = TUFF_MAX(TUFF_MIN(b->n / 64, (size_t) 64), (size_t) 1);
    for (;;) {
        tuff_mutex_lock(b->mutex);
        size_t from = b->next, to = TUFF_MIN(from + share, b->n);
        bool stop = b->status != TUFF_OK;
        b->next = to;
        tuff_mutex_unlock(b->mutex);
        if (from >= b->n || stop)
            break;
        enum tuff_status status = TUFF_OK;
        for (size_t i = from; i < to && status == TUFF_OK; i++) {
            const struct tuff_input *in = &b->inputs[i];
            status = b->ids ? tuff_encoder_ids(&e, in->text, in->n_bytes, &b->ids[i])
                            : encode_full(&e, b->params, in, i, &b->encodings[i]);
        }
        if (status == TUFF_OK)
            continue;
        tuff_mutex_lock(b->mutex);
        if (b->status == TUFF_OK) {
            b->status = status;
            tuff_text_printf(&b->error, "%s", ctx ? tuff_error_text(ctx) : "out of host memory");
        }
        tuff_mutex_unlock(b->mutex);
    }
    tuff_encoder_fini(&e);
    tuff_ctx_destroy(ctx);
}

static enum tuff_status run_batch(struct batch *b, int threads)
{
    enum { MOST = 256 };
    struct tuff_thread *others[MOST];
    int n = threads > 0 ? threads : tuff_os_cpu_count(), started = 0;
    n = (int) TUFF_MIN((size_t) TUFF_MIN(n, MOST), TUFF_MAX(b->n, (size_t) 1));
    b->mutex = tuff_mutex_create();
    if (!b->mutex)
        return tuff_fail(b->ctx, TUFF_E_NOMEM, "encoding: out of host memory");
    /* Fewer threads than asked do as well. */
    while (started < n - 1 &&
           tuff_thread_create(b->ctx, work, b, &others[started]) == TUFF_OK)
        started++;
    work(b);
    while (started > 0)
        tuff_thread_join(&others[--started]);
    tuff_mutex_destroy(b->mutex);
    if (b->status != TUFF_OK)
        tuff_fail(b->ctx, b->status, "%s", b->error.s ? b->error.s : "encoding failed");
    tuff_text_fini(&b->error);
    return b->status;
}

enum tuff_status tuff_tokenizer_encode_batch(struct tuff_ctx *ctx, const struct tuff_tokenizer *tok,
                                             const struct tuff_encode_params *params,
                                             const struct tuff_input *inputs, size_t n, int threads,
                                             struct tuff_encoding *out)
{
    static const struct tuff_encode_params none;
    struct batch b = {.ctx = ctx, .tok = tok, .params = params ? params : &none, .inputs = inputs,
                      .n = n, .encodings = out};
    const struct tuff_padding *padding = b.params->padding;
    if (!padding && tok->post.pads && !(b.params->flags & TUFF_ENCODE_NO_PADDING))
        padding = &tok->post.padding;
    if (!(b.params->dropout >= 0 && b.params->dropout <= 1) || !(b.params->alpha >= 0))
        return tuff_fail(ctx, TUFF_E_ARG, "encoding: dropout must be from 0 to 1, alpha not below "
                                          "0");
    enum tuff_status status = run_batch(&b, threads);
    if (status == TUFF_OK && padding)
        status = tuff_post_pad(ctx, padding, out, n);
    for (size_t i = 0; i < n && status != TUFF_OK; i++)
        tuff_encoding_fini(&out[i]);
    return status;
}

enum tuff_status tuff_tokenizer_encode_many(struct tuff_ctx *ctx, const struct tuff_tokenizer *tok,
                                            const struct tuff_input *inputs, size_t n,
                                            unsigned flags, int threads, struct tuff_ids *out)
{
    struct tuff_encode_params params = {.flags = flags};
    struct batch b = {.ctx = ctx, .tok = tok, .params = &params, .inputs = inputs, .n = n,
                      .ids = out};
    enum tuff_status status = run_batch(&b, threads);
    for (size_t i = 0; i < n && status != TUFF_OK; i++)
        tuff_ids_fini(&out[i]);
    return status;
}
