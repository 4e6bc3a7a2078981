/* tuff perplexity: how well a causal language model predicts a text, by strided windows. */
#include "base/os.h"
#include "cli/task.h"

#include <math.h>

#define AT_ONCE 64 /* windows */

struct perplexity {
    struct cli_task task;
    int64_t context, stride;
    double loss;
    uint64_t counted;
};

static enum tuff_status add(void *user, size_t i, const float *values, size_t rows, size_t width)
{
    struct perplexity *p = user;
    (void) i;
    (void) width;
    for (size_t r = 0; r < rows; r++)
        p->loss += (double) values[r];
    return TUFF_OK;
}

/* Windows of `context` tokens begin `stride` apart; each predicts what the one before did not reach,
 * so that a token sees context - stride tokens or more. A window's first token is predicted by
 * nobody. */
static enum tuff_status measure(struct perplexity *p, const struct tuff_ids *ids)
{
    size_t context = (size_t) p->context, stride = (size_t) p->stride, reached = 0, n = 0;
    uint32_t *targets = tuff_calloc(AT_ONCE * context, sizeof *targets);
    struct tuff_encoder_input inputs[AT_ONCE];
    enum tuff_status status =
        targets ? TUFF_OK : tuff_fail(p->task.cli->ctx, TUFF_E_NOMEM, "out of host memory");
    for (size_t begin = 0; status == TUFF_OK && reached < ids->n; begin += stride) {
        size_t end = TUFF_MIN(begin + context, ids->n);
        uint32_t *to = targets + n * context;
        for (size_t i = begin; i < end; i++) {
            bool counts = i + 1 < end && i + 1 >= reached;
            to[i - begin] = counts ? ids->items[i + 1] : TUFF_IGNORE;
            p->counted += counts;
        }
        inputs[n++] =
            (struct tuff_encoder_input) {ids->items + begin, NULL, to, end - begin};
        reached = end;
        if (n == AT_ONCE || reached == ids->n) {
            status = tuff_encode(p->task.encoder, inputs, n, add, p);
            n = 0;
        }
    }
    free(targets);
    return status;
}

static int perplexity(struct perplexity *p, bool json)
{
    struct cli_task *t = &p->task;
    struct tuff_ctx *ctx = t->cli->ctx;
    struct tuff_map map = {0};
    struct tuff_ids ids = {0};
    enum tuff_status status = tuff_os_map(ctx, t->words.items[0], &map);
    size_t bytes = map.size;
    if (status == TUFF_OK)
        status = tuff_tokenizer_encode(ctx, t->tok, (const char *) map.data, map.size,
                                       TUFF_ENCODE_ADD_SPECIAL, &ids);
    tuff_os_unmap(&map);
    if (status == TUFF_OK && ids.n < 2)
        status = tuff_fail(ctx, TUFF_E_RANGE, "%s: fewer than two tokens", t->words.items[0]);
    if (status == TUFF_OK)
        status = measure(p, &ids);
    tuff_ids_fini(&ids);
    if (status != TUFF_OK)
        return cli_fail(t->cli, t->command);
    double mean = p->loss / (double) p->counted;
    if (json)
        return cli_print_json(t, json_pack("{s:f, s:f, s:I, s:f}", "perplexity", exp(mean), "loss",
                                           mean, "tokens", (json_int_t) p->counted, "bits_per_byte",
                                           p->loss / log(2) / (double) bytes)) == TUFF_OK
                   ? CLI_OK
                   : cli_fail(t->cli, t->command);
    printf("perplexity %.4f  (%.5f nats a token, %llu tokens, %.4f bits a byte)\n", exp(mean), mean,
           (unsigned long long) p->counted, p->loss / log(2) / (double) bytes);
    return CLI_OK;
}

static int run(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    struct perplexity p = {.task = {.cli = cli, .command = command}};
    struct cli_task *t = &p.task;
    bool json = false;
    const struct cli_option options[] = {
        CLI_TASK_OPTIONS(t),
        CLI_ADAPTED_OPTIONS(t),
        {"context", CLI_INT, &p.context, "N", "tokens a window; 0: the model's, at most 1024", 0,
         1 << 24},
        {"stride", CLI_INT, &p.stride, "N", "between windows; 0: half of the context", 0, 1 << 24},
        {"json", CLI_FLAG, &json, NULL, "one JSON object", 0, 0},
    };
    int code = cli_task_parse(t, options, TUFF_COUNT(options), argc, argv);
    if (code < 0 && t->words.n != 1)
        code = cli_error(command, CLI_USAGE, "one FILE is needed");
    if (code < 0) {
        code = cli_task_config(t) == TUFF_OK
                   ? CLI_OK
                   : cli_fail(cli, command);
        int64_t usual = t->config.max_position_embeddings, most = tuff_model_positions(&t->config);
        most = most ? most : 1 << 20; /* no table of positions */
        if (code == CLI_OK && !p.context)
            p.context = TUFF_MIN(usual ? usual : most, 1024);
        if (code == CLI_OK && !p.stride)
            p.stride = TUFF_MAX(p.context / 2, 1);
        if (code == CLI_OK && (p.context < 2 || p.stride > p.context ||
                               p.context > most))
            code = cli_error(command, CLI_USAGE, "a context of %lld with a stride of %lld: the model "
                             "has %lld positions, and the stride must not exceed the context",
                             (long long) p.context, (long long) p.stride,
                             (long long) most);
        if (code == CLI_OK)
            code = cli_task_load(t, TUFF_ENCODER_LOSSES);
        if (code == CLI_OK)
            code = perplexity(&p, json);
    }
    cli_task_close(t);
    return code;
}

const struct cli_command cli_perplexity = {
    .name = "perplexity",
    .summary = "how well a language model predicts a text",
    .usage = "--model DIR FILE [OPTIONS]\n\n"
             "exp of the mean of -ln p over the file's tokens. Windows of the context's length begin\n"
             "a stride apart, and each counts the tokens that the one before it did not reach: a small\n"
             "stride gives every token a long past, at the price of more windows.",
    .example = "tuff perplexity --model run text.txt --stride 256",
    .run = run,
};
