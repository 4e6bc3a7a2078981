/* cli/bench.h: what the benches of tuff bench share: one file a kind (bench_op.c, bench_train.c,
 * bench_decode.c; bench_memory.h, bench_tokenizer.h), the options in bench_cmd.c. */
#ifndef TUFF_CLI_BENCH_H
#define TUFF_CLI_BENCH_H

#include "cli/cli.h"
#include "tuff/graph.h"
#include "tuff/models.h"

/* The command line. */
struct bench {
    struct cli *cli;
    const struct cli_command *command;
    struct tuff_device *device;
    int64_t m, n, k, batch, layers, heads, width, context, vocab, tokens, prompt, head_size, megabytes;
    int64_t parameters;
    int64_t channels, out_channels, height, kernel, stride, padding;
    double seconds;
    const char *layout, *dtype, *op, *checkpoint, *amp, *amp_dtype, *config, *lora;
    enum tuff_dtype half; /* of --dtype: F32 too */
    struct tuff_tensor *ids, *buckets; /* of op embedding, which are `words` */
    uint32_t *words;
    bool json, generic, backward, unfused;
};

struct bench_outcome {
    double median, least;     /* seconds a run */
    double gflops, gbps, roof, tokens_per_s, host_ms; /* roof: bytes a second, copied */
    uint64_t activations;     /* bytes of the plan */
    uint64_t planned, taken, resident; /* all of them; allocated of the device; what the process held at most */
    const char *counted; /* what gbps counts, where that is not plain */
    const char *variant;
};

/* ---- bench_measure.c ---- */

enum { BENCH_RUNS = 10000, BENCH_WARM_UP = 2 }; /* at most; from the second run on caches are warm */

/* Calls run() until `seconds` have passed, at least 5 times (3 where that takes four times
 * as long), and takes median and least. With a program, run() begins and submits it and does not wait:
 * short runs are timed several at once, as to be told that one has ended takes a while. */
enum tuff_status bench_measure(const struct bench *b, enum tuff_status (*run)(void *), void *user,
                               struct tuff_program *program, struct bench_outcome *o);
/* Sorts the values. */
double bench_median(double *values, size_t n);
/* Prints the outcome; CLI_OK. */
int bench_report(const struct bench *b, const char *what, const struct bench_outcome *o);

/* ---- bench_op.c: exit codes of the command ---- */

int bench_matmul(struct bench *b);
int bench_attention(struct bench *b);
int bench_conv(struct bench *b);
int bench_copy(struct bench *b);
/* --op, one of bench_memory.h's. */
int bench_memory(struct bench *b);
int bench_adamw(struct bench *b);

/* ---- bench_train.c, bench_decode.c ---- */

/* The shape of GPT-2 that options say. */
void bench_model_config(const struct bench *b, struct tuff_model_config *config);
int bench_train(struct bench *b);
int bench_decode(struct bench *b);

#endif
