/* cli/model.h: which model a command means, by three options. */
#ifndef TUFF_CLI_MODEL_H
#define TUFF_CLI_MODEL_H

#include "cli/cli.h"
#include "tuff/models.h"

struct cli_model {
    const char *model, *preset, *config; /* one at most, or a family with a preset */
    int64_t vocab;                       /* instead of the model's; 0: the model's */
};
/* Rows of an option table. */
#define CLI_MODEL_OPTIONS(m)                                                                       \
    {"preset", CLI_STRING, &(m)->preset, "NAME", "size: tiny, mini, small, gpt2, ...", 0, 0},      \
    {"config", CLI_STRING, &(m)->config, "FILE", "size from a config.json", 0, 0},                 \
    {"model", CLI_STRING, &(m)->model, "NAME|DIR", "a preset, a family, or a checkpoint's folder", \
     0, 0},                                                                                        \
    {"vocab", CLI_INT, &(m)->vocab, "N", "another vocabulary size; 0: the model's", 0, 1 << 24}

/* The configuration meant, `fallback` when nothing is said; -1, or the exit code after an error
 * line. */
int cli_model_config(struct cli *cli, const struct cli_command *command, const struct cli_model *m,
                     const char *fallback, struct tuff_model_config *config);
/* What to call it in a line or a picture. */
const char *cli_model_name(const struct cli_model *m, const char *fallback);

#endif
