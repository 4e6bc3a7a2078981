/* The `tuff` command: finds the command named by the first word and runs it. */
#include "cli/cli.h"

#include <unistd.h>

#define COMMAND(name) extern const struct cli_command cli_##name;
#include "cli/commands.def"
#undef COMMAND

static const struct cli_command *const commands[] = {
#define COMMAND(name) &cli_##name,
#include "cli/commands.def"
#undef COMMAND
    NULL,
};

const struct cli_command *cli_find_command(const char *name)
{
    for (size_t i = 0; commands[i]; i++)
        if (!strcmp(name, commands[i]->name))
            return commands[i];
    return NULL;
}

static void help(FILE *out)
{
    fprintf(out, "tuff %s: train and run transformers on any Vulkan device\n\n"
                 "usage: tuff COMMAND [OPTIONS]        tuff COMMAND --help for one command\n\n",
            tuff_version());
    for (size_t i = 0; commands[i]; i++)
        fprintf(out, "  %-12s%s\n", commands[i]->name, commands[i]->summary);
    fprintf(out, "\nexit codes: 0 done, 1 failed (one line says why), 2 wrong options,\n"
                 "            3 stopped by a signal after saving\n");
}

static void log_line(void *user, enum tuff_log_level level, const char *line)
{
    const struct cli *cli = user;
    if (level >= TUFF_LOG_WARN || (level == TUFF_LOG_INFO && !cli->quiet))
        fprintf(stderr, "%s%s\n", level >= TUFF_LOG_WARN ? "warning: " : "", line);
}

int main(int argc, char **argv)
{
    if (argc < 2 || !strcmp(argv[1], "--help") || !strcmp(argv[1], "help")) {
        help(argc < 2 ? stderr : stdout);
        return argc < 2 ? CLI_USAGE : CLI_OK;
    }
    if (!strcmp(argv[1], "--version")) {
        printf("tuff %s\n", tuff_version());
        return CLI_OK;
    }
    const struct cli_command *command = cli_find_command(argv[1]);
    if (!command) {
        fprintf(stderr, "tuff: unknown command \"%s\"; `tuff --help` lists them\n", argv[1]);
        return CLI_USAGE;
    }
    struct cli cli = {0};
    cli.ctx = tuff_ctx_create(&(struct tuff_ctx_params) {
        .log = log_line, .log_user = &cli, .log_level = TUFF_LOG_INFO});
    if (!cli.ctx)
        return cli_error(command, CLI_FAILED, "out of memory");
    int code = command->run(&cli, command, argc - 2, argv + 2);
    tuff_ctx_destroy(cli.ctx);
    if (fflush(stdout) != 0 || ferror(stdout))
        return cli_error(command, CLI_FAILED, "cannot write the output");
    return code;
}
