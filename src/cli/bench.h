/* cli/bench.h: what the parts of tuff bench share. */
#ifndef TUFF_CLI_BENCH_H
#define TUFF_CLI_BENCH_H

#include "cli/cli.h"
#include "tuff/device.h"
#include "tuff/models.h"

struct bench {
    struct cli *cli;
    const struct cli_command *command;
    struct tuff_device *device;
    int64_t m, n, k, batch, layers, heads, width, context, vocab, tokens, prompt, head_size, megabytes;
    int64_t parameters;
    int64_t channels, out_channels, height, kernel, stride, padding;
    double seconds;
    const char *layout, *dtype, *op, *checkpoint, *amp, *amp_dtype, *config, *lora;
    bool json, generic, backward, unfused;
};

struct bench_outcome {
    double median, least;     /* seconds a run */
    double gflops, gbps, roof, tokens_per_s, host_ms; /* roof: bytes a second, copied */
    uint64_t activations;     /* bytes of the plan */
    uint64_t planned, taken, resident; /* all of them; allocated of the device; what the process held at most */
    const char *variant;
};

/* Calls run() until `seconds` have passed, at least 5 times (3 where that takes four times
 * as long), and takes median and least. */
enum tuff_status bench_measure(const struct bench *b, enum tuff_status (*run)(void *), void *user,
                               struct bench_outcome *o);
int bench_report(const struct bench *b, const char *what, const struct bench_outcome *o);
/* The shape of GPT-2 that options say. */
void bench_model_config(const struct bench *b, struct tuff_model_config *config);
int bench_train(struct bench *b);

#endif
