/* generate/stop: texts that end a sequence. */
#include "base/base.h"
#include "tuff/generate.h"
#include "tuff/tokenizer.h"

struct tuff_stop {
    struct tuff_ctx *ctx;
    const struct tuff_tokenizer *tok;
    char **strings;
    size_t n;
    size_t tail; /* as many last tokens can hold the longest of them: each but the odd byte of a
                    character adds text */
};

enum tuff_status tuff_stop_create(struct tuff_ctx *ctx, const struct tuff_tokenizer *tok,
                                  const char *const *strings, size_t n, struct tuff_stop **out)
{
    struct tuff_stop *stop = tuff_calloc(1, sizeof *stop);
    *out = NULL;
    if (!stop || !(stop->strings = tuff_calloc(TUFF_MAX(n, 1), sizeof *stop->strings))) {
        free(stop);
        return tuff_fail(ctx, TUFF_E_NOMEM, "stop strings: out of host memory");
    }
    stop->ctx = ctx;
    stop->tok = tok;
    for (; stop->n < n; stop->n++) {
        size_t size = strlen(strings[stop->n]);
        if (!size || !(stop->strings[stop->n] = strdup(strings[stop->n]))) {
            tuff_stop_destroy(stop);
            return tuff_fail(ctx, size ? TUFF_E_NOMEM : TUFF_E_ARG, "stop strings: %s",
                             size ? "out of host memory" : "an empty one");
        }
        stop->tail = TUFF_MAX(stop->tail, size + 8);
    }
    *out = stop;
    return TUFF_OK;
}

void tuff_stop_destroy(struct tuff_stop *stop)
{
    for (size_t i = 0; stop && i < stop->n; i++)
        free(stop->strings[i]);
    if (stop)
        free(stop->strings);
    free(stop);
}

static bool ends_behind(const char *text, size_t before, const char *what)
{
    size_t n = strlen(what);
    for (const char *at = strstr(text, what); at; at = strstr(at + 1, what))
        if ((size_t) (at - text) + n > before)
            return true;
    return false;
}

bool tuff_stop_here(void *user, const uint32_t *ids, size_t n)
{
    const struct tuff_stop *stop = user;
    const unsigned flags = TUFF_DECODE_KEEP_SPECIAL | TUFF_DECODE_SKIP_UNKNOWN;
    size_t tail = TUFF_MIN(stop->tail, n), before = 0, size = 0;
    char *with = NULL, *without = NULL;
    bool here = false;
    if (stop->n && n &&
        tuff_tokenizer_decode(stop->ctx, stop->tok, ids + n - tail, tail, flags, &with, &size) ==
            TUFF_OK &&
        tuff_tokenizer_decode(stop->ctx, stop->tok, ids + n - tail, tail - 1, flags, &without,
                              &before) == TUFF_OK)
        for (size_t i = 0; i < stop->n && !here; i++)
            here = ends_behind(with, TUFF_MIN(before, size ? size - 1 : 0), stop->strings[i]);
    free(with);
    free(without);
    return here;
}
