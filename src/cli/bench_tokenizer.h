/* cli/bench_tokenizer: the part of tuff bench that needs no device. */
#ifndef TUFF_CLI_BENCH_TOKENIZER_H
#define TUFF_CLI_BENCH_TOKENIZER_H

#include "cli/cli.h"

/* threads 0: one a core. */
int bench_tokenizer(struct cli *cli, const struct cli_command *command, const char *tokenizer,
                    const char *file, int threads, double seconds, bool json);

#endif
