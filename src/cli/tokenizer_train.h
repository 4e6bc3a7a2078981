/* cli/tokenizer_train: tuff tokenizer train. */
#ifndef TUFF_CLI_TOKENIZER_TRAIN_H
#define TUFF_CLI_TOKENIZER_TRAIN_H

#include "cli/cli.h"

extern const struct cli_command cli_tokenizer_train_command;
int cli_tokenizer_train(struct cli *cli, int argc, char **argv);

#endif
