/* cli/train_task.h: what tuff train does with --task other than lm. */
#ifndef TUFF_CLI_TRAIN_TASK_H
#define TUFF_CLI_TRAIN_TASK_H

#include "cli/cli.h"

/* The words have --task, and it is not lm. */
bool cli_train_is_task(int argc, char **argv);
int cli_train_task(struct cli *cli, const struct cli_command *train, int argc, char **argv);

#endif
