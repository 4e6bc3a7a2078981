/* cli/convert_head.h: a checkpoint's base model with the head of another task. */
#ifndef TUFF_CLI_CONVERT_HEAD_H
#define TUFF_CLI_CONVERT_HEAD_H

#include "cli/cli.h"

struct cli_head {
    const char *architecture;  /* NULL: the head stays */
    struct cli_strings labels; /* none: those of the config */
    const char *problem;       /* NULL: by the number of labels */
    int64_t seed;
};
#define CLI_HEAD_OPTIONS(h)                                                                        \
    {"head", CLI_STRING, &(h)->architecture, "NAME",                                               \
     "another task's head, as BertForSequenceClassification, with new values where SRC has none", 0, \
     0},                                                                                           \
    {"label", CLI_STRINGS, &(h)->labels, "TEXT", "with --head: a label's name; repeatable", 0, 0}, \
    {"problem", CLI_STRING, &(h)->problem, "TYPE",                                                 \
     "with --head: multi_label_classification, regression", 0, 0},                                 \
    {"seed", CLI_INT, &(h)->seed, "N", "with --head: of the new values", 0, 9e15}
/* Writes config.json and model.safetensors into the folder `dst`. An exit code. */
int cli_convert_head(struct cli *cli, const struct cli_command *command, const struct cli_head *head,
                     const char *src, const char *dst);

#endif
