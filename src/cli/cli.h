/* cli: what the commands share. A command is one file src/cli/<name>_cmd.c defining
 * `const struct cli_command cli_<name>`, and one line in commands.def. */
#ifndef TUFF_CLI_H
#define TUFF_CLI_H

#include "base/base.h"
#include "tuff/dtype.h"
#include "tuff/error.h"

/* Exit codes of the command. */
enum {
    CLI_OK = 0,
    CLI_FAILED = 1,  /* the reason is one line on stderr */
    CLI_USAGE = 2,   /* wrong options */
    CLI_STOPPED = 3, /* stopped by a signal after saving */
};

struct tuff_profile;
struct cli {
    struct tuff_ctx *ctx;
    const char *device;  /* --device; NULL: choose */
    bool validate;       /* --validate */
    bool quiet;          /* --quiet */
    bool background;     /* --background of commands that train */
    struct tuff_profile *profile; /* of the device that is opened; NULL: none is wanted */
    const char *kernels; /* a command's --variant: tuff_device_params.force_kernels */
};

struct cli_command {
    const char *name, *summary;
    const char *usage;   /* after "tuff <name> " */
    const char *example; /* a line that works when pasted */
    int (*run)(struct cli *cli, const struct cli_command *command, int argc, char **argv);
};

enum cli_kind { CLI_FLAG, CLI_STRING, CLI_STRINGS, CLI_INT, CLI_REAL };

/* One option. `value` points at bool, const char *, struct cli_strings, int64_t or double, which
 * holds the default. Numbers outside [min, max] are refused (both 0: any). */
struct cli_option {
    const char *name; /* without the dashes */
    enum cli_kind kind;
    void *value;
    const char *arg;  /* what to show for the value: "N", "FILE" */
    const char *help;
    double min, max;
};
struct cli_strings {
    const char **items;
    size_t n, cap;
};

/* Parses argv against the table (and the options common to all commands: --device, --validate,
 * --quiet, --help). Words that are no option go to `words` (NULL: none allowed). Returns -1 to go
 * on, else the exit code to return: help was shown, or an error line was. */
int cli_parse(struct cli *cli, const struct cli_command *command, const struct cli_option *options,
              size_t n_options, struct cli_strings *words, int argc, char **argv);

/* --checkpoint none, block or a number, and --memory: a number of bytes with KiB, MiB, GiB, kB, MB or GB;
 * NULL leaves 0. Returns -1, or the exit code after an error line. */
int cli_memory_words(const struct cli_command *command, const char *checkpoint, const char *memory,
                     int *blocks, uint64_t *bytes);

/* --amp O0 to O3 and --amp-dtype f16 or bf16 (NULL: bf16); level NULL leaves both as they are. */
int cli_amp_words(const struct cli_command *command, const char *level, const char *dtype, int *amp,
                  enum tuff_dtype *amp_dtype);

/* By its name; NULL when there is none of that name. */
const struct cli_command *cli_find_command(const char *name);

/* --dtype's f32, f16 or bf16 into *dtype, which stays as it is where name is NULL. -1, or the exit
 * code after an error line. */
int cli_dtype(const struct cli_command *command, const char *name, enum tuff_dtype *dtype);
/* Prints "tuff <command>: <text>" to stderr and returns `code`. */
int cli_error(const struct cli_command *command, int code, const char *format, ...)
    TUFF_PRINTF(3, 4);
/* As cli_error with the context's error text: the way a failed library call ends a command. */
int cli_fail(struct cli *cli, const struct cli_command *command);

#endif
