/* tuff baseline: what counting pairs of tokens predicts of a token file's held-out part: the bar a
 * model has to clear. */
#include "cli/cli.h"
#include "tuff/data.h"

#include <jansson.h>
#include <math.h>

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;
    return x < y ? -1 : x > y;
}

/* How many of the sorted pairs equal `pair`. */
static uint64_t occurrences(const uint64_t *pairs, size_t n, uint64_t pair)
{
    size_t low[2];
    for (int side = 0; side < 2; side++) { /* first not below pair, first not below pair + 1 */
        size_t begin = 0, end = n;
        while (begin < end) {
            size_t middle = begin + (end - begin) / 2;
            if (pairs[middle] < pair + (uint64_t) side)
                begin = middle + 1;
            else
                end = middle;
        }
        low[side] = begin;
    }
    return low[1] - low[0];
}

struct counts {
    uint64_t *pair, *first; /* of each held-out token: occurrences of (before, it), of before */
    size_t n;
};

static enum tuff_status count(struct tuff_ctx *ctx, const struct tuff_token_file *file,
                              struct counts *counts)
{
    const struct tuff_token_info *info = tuff_token_file_info(file);
    size_t n = (size_t) info->count, train = (size_t) info->train;
    if (train < 2 || n == train)
        return tuff_fail(ctx, TUFF_E_ARG, "the token file has no held-out part");
    uint32_t *tokens = tuff_calloc(n, sizeof *tokens);
    uint64_t *pairs = tuff_calloc(train, sizeof *pairs);
    uint64_t *firsts = tuff_calloc((size_t) info->vocab, sizeof *firsts);
    counts->n = n - train;
    counts->pair = tuff_calloc(counts->n, sizeof *counts->pair);
    counts->first = tuff_calloc(counts->n, sizeof *counts->first);
    enum tuff_status status = tokens && pairs && firsts && counts->pair && counts->first
                                  ? tuff_token_file_read(ctx, file, 0, n, tokens)
                                  : tuff_fail(ctx, TUFF_E_NOMEM, "baseline: out of memory");
    if (status == TUFF_OK) {
        for (size_t i = 1; i < train; i++) {
            pairs[i - 1] = (uint64_t) tokens[i - 1] << 32 | tokens[i];
            firsts[tokens[i - 1]]++;
        }
        qsort(pairs, train - 1, sizeof *pairs, by_value);
        for (size_t i = train; i < n; i++) {
            uint64_t pair = (uint64_t) tokens[i - 1] << 32 | tokens[i];
            counts->pair[i - train] = occurrences(pairs, train - 1, pair);
            counts->first[i - train] = firsts[tokens[i - 1]];
        }
    }
    free(tokens);
    free(pairs);
    free(firsts);
    return status;
}

/* Bits of the held-out part under p(b | a) = (n(a, b) + k) / (n(a) + k V). */
static double bits(const struct counts *c, double k, double vocab)
{
    double sum = 0;
    for (size_t i = 0; i < c->n; i++)
        sum -= log2(((double) c->pair[i] + k) / ((double) c->first[i] + k * vocab));
    return sum;
}

static int run(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    bool json = false;
    const char *path = NULL;
    const struct cli_option options[] = {
        {"data", CLI_STRING, &path, "FILE", "token file of a run (RUN/data.tok)", 0, 0},
        {"json", CLI_FLAG, &json, NULL, "one JSON object", 0, 0},
    };
    int code = cli_parse(cli, command, options, TUFF_COUNT(options), NULL, argc, argv);
    if (code >= 0)
        return code;
    if (!path)
        return cli_error(command, CLI_USAGE, "--data FILE is needed");
    struct tuff_token_file *file = NULL;
    struct counts counts = {0};
    enum tuff_status status = tuff_token_file_open(cli->ctx, path, true, &file);
    if (status == TUFF_OK)
        status = count(cli->ctx, file, &counts);
    if (status == TUFF_OK) {
        static const double ks[] = {1, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001};
        const struct tuff_token_info *info = tuff_token_file_info(file);
        double best = INFINITY, best_k = 0;
        for (size_t i = 0; i < TUFF_COUNT(ks); i++) {
            double per_byte =
                bits(&counts, ks[i], (double) info->vocab) / (double) info->validation_bytes;
            if (per_byte < best) {
                best = per_byte;
                best_k = ks[i];
            }
        }
        if (json)
            printf("{\"bigram_bits_per_byte\":%.6f,\"k\":%g,\"validation_bytes\":%llu}\n", best,
                   best_k, (unsigned long long) info->validation_bytes);
        else
            printf("bigram, k = %g (the best of %zu on the held-out part): %.4f bits per byte of "
                   "%llu\n", best_k, TUFF_COUNT(ks), best,
                   (unsigned long long) info->validation_bytes);
    }
    tuff_token_file_close(file);
    free(counts.pair);
    free(counts.first);
    return status == TUFF_OK ? CLI_OK : cli_fail(cli, command);
}

const struct cli_command cli_baseline = {
    .name = "baseline",
    .summary = "bits per byte of a bigram on a run's held-out text",
    .usage = "--data RUN/data.tok [--json]",
    .example = "tuff baseline --data run/data.tok",
    .run = run,
};
