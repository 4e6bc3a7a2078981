/* tuff bench tokenizer: speed of encoding and decoding a text file, in one call, line by line and
 * as a batch over threads. */
#include "cli/bench_tokenizer.h"
#include "base/os.h"
#include "tuff/tokenizer.h"

#include <jansson.h>

struct speeds {
    double whole, lines, batch, full, decode; /* MB of text a second */
    double load;                              /* seconds */
    size_t tokens;
};
struct work {
    struct tuff_ctx *ctx;
    const struct tuff_tokenizer *tok;
    const char *text;
    size_t n_bytes, n_lines;
    struct tuff_input *lines;
    int threads;
    struct tuff_ids ids;
};

static enum tuff_status whole(struct work *w)
{
    w->ids.n = 0;
    return tuff_tokenizer_encode(w->ctx, w->tok, w->text, w->n_bytes, 0, &w->ids);
}

static enum tuff_status by_line(struct work *w)
{
    w->ids.n = 0;
    for (size_t i = 0; i < w->n_lines; i++)
        TUFF_TRY(tuff_tokenizer_encode(w->ctx, w->tok, w->lines[i].text, w->lines[i].n_bytes, 0,
                                       &w->ids));
    return TUFF_OK;
}

static enum tuff_status batch(struct work *w)
{
    struct tuff_ids *out = tuff_calloc(w->n_lines, sizeof *out);
    if (!out)
        return tuff_fail(w->ctx, TUFF_E_NOMEM, "bench: out of memory");
    enum tuff_status status =
        tuff_tokenizer_encode_many(w->ctx, w->tok, w->lines, w->n_lines, 0, w->threads, out);
    for (size_t i = 0; i < w->n_lines; i++)
        tuff_ids_fini(&out[i]);
    free(out);
    return status;
}

static enum tuff_status full_batch(struct work *w)
{
    struct tuff_encoding *out = tuff_calloc(w->n_lines, sizeof *out);
    if (!out)
        return tuff_fail(w->ctx, TUFF_E_NOMEM, "bench: out of memory");
    enum tuff_status status =
        tuff_tokenizer_encode_batch(w->ctx, w->tok, NULL, w->lines, w->n_lines, w->threads, out);
    for (size_t i = 0; i < w->n_lines; i++)
        tuff_encoding_fini(&out[i]);
    free(out);
    return status;
}

static enum tuff_status decode(struct work *w)
{
    char *text;
    TUFF_TRY(tuff_tokenizer_decode(w->ctx, w->tok, w->ids.items, w->ids.n,
                                   TUFF_DECODE_KEEP_SPECIAL, &text, NULL));
    free(text);
    return TUFF_OK;
}

/* MB/s of the quickest of several runs: on a machine that others use the others are slower. */
static enum tuff_status measure(struct work *w, enum tuff_status (*run)(struct work *),
                                double seconds, double *speed)
{
    double start = tuff_os_now(), least = 1e30;
    for (int i = 0; i < 3 || tuff_os_now() - start < seconds; i++) {
        double begin = tuff_os_now();
        TUFF_TRY(run(w));
        least = TUFF_MIN(least, tuff_os_now() - begin);
    }
    *speed = (double) w->n_bytes * 1e-6 / least;
    return TUFF_OK;
}

static bool cut_lines(struct work *w)
{
    size_t cap = 0;
    for (size_t i = 0; i < w->n_bytes;) {
        const char *newline = memchr(w->text + i, '\n', w->n_bytes - i);
        size_t end = newline ? (size_t) (newline - w->text) + 1 : w->n_bytes;
        if (!tuff_grow((void **) &w->lines, &cap, w->n_lines + 1, sizeof *w->lines))
            return false;
        w->lines[w->n_lines++] = (struct tuff_input){.text = w->text + i, .n_bytes = end - i};
        i = end;
    }
    return true;
}

static enum tuff_status run_all(struct work *w, double seconds, struct speeds *s)
{
    if (!cut_lines(w))
        return tuff_fail(w->ctx, TUFF_E_NOMEM, "bench: out of memory");
    TUFF_TRY(measure(w, by_line, seconds, &s->lines));
    TUFF_TRY(measure(w, batch, seconds, &s->batch));
    TUFF_TRY(measure(w, full_batch, seconds, &s->full));
    TUFF_TRY(measure(w, whole, seconds, &s->whole));
    s->tokens = w->ids.n;
    return measure(w, decode, seconds, &s->decode);
}

int bench_tokenizer(struct cli *cli, const struct cli_command *command, const char *tokenizer,
                    const char *file, int threads, double seconds, bool json)
{
    struct tuff_tokenizer *tok = NULL;
    struct tuff_map map = {0};
    struct speeds s = {0};
    if (!tokenizer || !file)
        return cli_error(command, CLI_USAGE, "bench tokenizer needs --tokenizer DIR and --text FILE");
    double start = tuff_os_now();
    enum tuff_status status = tuff_tokenizer_load(cli->ctx, tokenizer, &tok);
    s.load = tuff_os_now() - start;
    struct work w = {.ctx = cli->ctx, .tok = tok,
                     .threads = threads > 0 ? threads : tuff_os_cpu_count()};
    if (status == TUFF_OK)
        status = tuff_os_map(cli->ctx, file, &map);
    w.text = (const char *) map.data;
    w.n_bytes = map.size;
    if (status == TUFF_OK)
        status = run_all(&w, seconds / 5, &s);
    if (status == TUFF_OK && json)
        printf("{\"bench\": \"tokenizer\", \"encode_mbps\": %.2f, \"lines_mbps\": %.2f, "
               "\"batch_mbps\": %.2f, \"full_mbps\": %.2f, \"decode_mbps\": %.2f, \"threads\": %d, "
               "\"tokens\": %zu, \"load_s\": %.4f}\n",
               s.whole, s.lines, s.batch, s.full, s.decode, w.threads, s.tokens, s.load);
    else if (status == TUFF_OK)
        printf("encode: %.1f MB/s in one call, %.1f line by line, %.1f as a batch on %d threads, "
               "%.1f so with offsets\ndecode: %.1f MB/s\n%zu tokens, %.2f bytes each; loading took "
               "%.1f ms\n",
               s.whole, s.lines, s.batch, w.threads, s.full, s.decode, s.tokens,
               s.tokens ? (double) w.n_bytes / (double) s.tokens : 0, s.load * 1e3);
    free(w.lines);
    tuff_ids_fini(&w.ids);
    if (map.data)
        tuff_os_unmap(&map);
    tuff_tokenizer_destroy(tok);
    return status == TUFF_OK ? CLI_OK : cli_fail(cli, command);
}
