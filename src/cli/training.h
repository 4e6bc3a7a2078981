/* cli/training.h: what commands that train have in common: options, progress, report. */
#ifndef TUFF_CLI_TRAINING_H
#define TUFF_CLI_TRAINING_H

#include "cli/cli.h"
#include "cli/progress.h"
#include "tuff/fit.h"

/* A command fills in the defaults (CLI_TRAINING), its own options and what it does besides; all the
 * functions may be NULL. */
struct cli_training {
    const struct cli_command *command;
    const struct cli_option *options;
    size_t n_options;
    const char *const *without; /* names of common options that it has no use for, NULL at the end; or NULL */
    int (*check)(const struct cli_training *t); /* the words; -1, or an exit code */
    int (*prepare)(struct cli_training *t);     /* params, before tuff_fit; `memory`: recalled */
    void (*on_event)(struct cli_training *t, const struct tuff_fit_event *event);
    enum tuff_status (*on_model)(struct cli_training *t, struct tuff_store *store,
                                 struct tuff_model *model);
    enum tuff_status (*on_save)(struct cli_training *t, const char *folder);
    void (*on_end)(struct cli_training *t);
    void *own; /* the command's */

    struct cli *cli;
    struct tuff_fit_params params;
    double adamw_beta2;         /* where none is said; 0.95 is what language models are trained with */
    /* What is text on the command line, and what needs more than its value. */
    const char *schedule, *optimizer, *log_format, *checkpoint, *budget, *amp,
        *amp_dtype, *on_nan;
    struct cli_strings data, eval_data;
    struct tuff_fit_memory *memory; /* a resumed run's settings; NULL: there are none */
    struct cli_progress progress;
    char scores[160];           /* of a task: the last evaluation's */
    bool json;
};
#define CLI_TRAINING                                                                               \
    .params = {.batch = 8, .context = 128, .accumulate = 1, .weight_decay = 0.1,                   \
               .schedule = {TUFF_SCHEDULE_COSINE, 1e-3, 0.1, -1, 1, 1, 0.1}, .dropout = -1,        \
               .eval_every = -1, .eval_batches = 64, .save_every = -1, .validation = 0.1,          \
               .keep = 2, .seed = 1},                                                              \
    .adamw_beta2 = 0.95, .schedule = "cosine", .optimizer = "adamw", .log_format = "text"
/* Everything from the command line to the exit code. */
int cli_training_run(struct cli *cli, struct cli_training *training, int argc, char **argv);

#endif
