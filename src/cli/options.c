/* cli: table-driven options and their help. */
#include "cli/cli.h"

#include <errno.h>

int cli_error(const struct cli_command *command, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "tuff %s: ", command->name);
    vfprintf(stderr, format, args);
    fprintf(stderr, "\n");
    va_end(args);
    return code;
}

int cli_fail(struct cli *cli, const struct cli_command *command)
{
    return cli_error(command, CLI_FAILED, "%s", tuff_error_text(cli->ctx));
}

int cli_dtype(const struct cli_command *command, const char *name, enum tuff_dtype *dtype)
{
    static const struct {
        const char *name;
        enum tuff_dtype dtype;
    } types[] = {{"f32", TUFF_F32}, {"f16", TUFF_F16}, {"bf16", TUFF_BF16}};
    for (size_t i = 0; i < TUFF_COUNT(types) && name; i++)
        if (!strcmp(name, types[i].name)) {
            *dtype = types[i].dtype;
            return -1;
        }
    return name ? cli_error(command, CLI_USAGE, "--dtype: \"%s\" is not f32, f16 or bf16", name) : -1;
}

static void print_option(const struct cli_option *o)
{
    char left[64];
    if (!o->help) /* taken, so that a better line than "unknown" says why not */
        return;
    snprintf(left, sizeof left, "--%s%s%s", o->name, o->arg ? " " : "", o->arg ? o->arg : "");
    printf("  %-27s %s", left, o->help);
    if (o->kind == CLI_INT && *(int64_t *) o->value != INT64_MIN)
        printf(" [%lld]", (long long) *(int64_t *) o->value);
    else if (o->kind == CLI_REAL && !(*(double *) o->value != *(double *) o->value))
        printf(" [%g]", *(double *) o->value);
    else if (o->kind == CLI_STRING && *(const char **) o->value)
        printf(" [%s]", *(const char **) o->value);
    printf("\n");
}

static int set_number(const struct cli_command *command, const struct cli_option *o,
                      const char *text)
{
    char *end;
    errno = 0;
    double value = o->kind == CLI_INT ? (double) strtoll(text, &end, 10) : strtod(text, &end);
    if (end == text || *end || errno || value != value)
        return cli_error(command, CLI_USAGE, "--%s: \"%s\" is not a%s number", o->name, text,
                         o->kind == CLI_INT ? " whole" : "");
    if ((o->min != 0 || o->max != 0) && (value < o->min || value > o->max))
        return cli_error(command, CLI_USAGE, "--%s: %s is not between %g and %g", o->name, text,
                         o->min, o->max);
    if (o->kind == CLI_INT)
        *(int64_t *) o->value = strtoll(text, NULL, 10);
    else
        *(double *) o->value = value;
    return -1;
}

int cli_parse(struct cli *cli, const struct cli_command *command, const struct cli_option *options,
              size_t n_options, struct cli_strings *words, int argc, char **argv)
{
    const struct cli_option common[] = {
        {"device", CLI_STRING, &cli->device, "NAME",
         "N, part of a name, uuid:..., pci:..., or cpu", 0, 0},
        {"validate", CLI_FLAG, &cli->validate, NULL, "run under the Vulkan validation layer", 0, 0},
        {"quiet", CLI_FLAG, &cli->quiet, NULL, "only warnings and results", 0, 0},
    };
    for (int i = 0; i < argc; i++) {
        const char *arg = argv[i];
        if (!strcmp(arg, "--help") || !strcmp(arg, "-h")) {
            printf("tuff %s: %s\n\nusage: tuff %s %s\n\n", command->name, command->summary,
                   command->name, command->usage);
            for (size_t k = 0; k < n_options; k++)
                print_option(&options[k]);
            for (size_t k = 0; k < TUFF_COUNT(common); k++)
                print_option(&common[k]);
            printf("\nexample: %s\n", command->example);
            return CLI_OK;
        }
        if (arg[0] != '-' || arg[1] != '-' || !arg[2]) {
            const char **slot = words && (arg[0] != '-' || !arg[1]) ? TUFF_PUSH(words) : NULL;
            if (!slot)
                return cli_error(command, CLI_USAGE, "unexpected \"%s\"; see tuff %s --help", arg,
                                 command->name);
            *slot = arg;
            continue;
        }
        const char *equals = strchr(arg, '=');
        size_t n = equals ? (size_t) (equals - arg - 2) : strlen(arg + 2);
        const struct cli_option *o = NULL;
        for (size_t k = 0; k < n_options + TUFF_COUNT(common) && !o; k++) {
            const struct cli_option *at = k < n_options ? &options[k] : &common[k - n_options];
            if (strlen(at->name) == n && !memcmp(at->name, arg + 2, n))
                o = at;
        }
        if (!o)
            return cli_error(command, CLI_USAGE, "unknown option \"%s\"; see tuff %s --help", arg,
                             command->name);
        if (o->kind == CLI_FLAG) {
            if (equals)
                return cli_error(command, CLI_USAGE, "--%s takes no value", o->name);
            *(bool *) o->value = true;
            continue;
        }
        const char *value = equals ? equals + 1 : i + 1 < argc ? argv[++i] : NULL;
        if (!value)
            return cli_error(command, CLI_USAGE, "--%s needs a value (%s)", o->name, o->arg);
        if (o->kind == CLI_STRING) {
            *(const char **) o->value = value;
        } else if (o->kind == CLI_STRINGS) {
            struct cli_strings *list = o->value;
            const char **slot = TUFF_PUSH(list);
            if (!slot)
                return cli_error(command, CLI_FAILED, "out of memory");
            *slot = value;
        } else {
            int code = set_number(command, o, value);
            if (code >= 0)
                return code;
        }
    }
    return -1;
}

int cli_memory_words(const struct cli_command *command, const char *checkpoint, const char *memory,
                     int *blocks, uint64_t *bytes)
{
    static const struct {
        const char *name;
        double bytes;
    } units[] = {{"", 1}, {"B", 1}, {"KiB", 1024.0}, {"MiB", 1048576.0}, {"GiB", 1073741824.0},
                 {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}};
    char *end;
    *blocks = 0;
    *bytes = 0;
    if (checkpoint && !strcmp(checkpoint, "block")) {
        *blocks = -1;
    } else if (checkpoint && strcmp(checkpoint, "none")) {
        long n = strtol(checkpoint, &end, 10);
        if (end == checkpoint || *end || n < 0 || n > 100000)
            return cli_error(command, CLI_USAGE, "--checkpoint \"%s\": none, block, or a number of "
                             "blocks", checkpoint);
        *blocks = (int) n;
    }
    if (!memory)
        return -1;
    double value = strtod(memory, &end);
    for (size_t i = 0; i < TUFF_COUNT(units); i++)
        if (end != memory && !strcmp(end, units[i].name) && value > 0 &&
            value * units[i].bytes < 1e18)
            *bytes = (uint64_t) (value * units[i].bytes);
    if (!*bytes)
        return cli_error(command, CLI_USAGE, "--memory \"%s\": bytes are meant, like 4GiB or 800MiB",
                         memory);
    return -1;
}

int cli_amp_words(const struct cli_command *command, const char *level, const char *dtype, int *amp,
                  enum tuff_dtype *amp_dtype)
{
    if (dtype && strcmp(dtype, "f16") && strcmp(dtype, "bf16"))
        return cli_error(command, CLI_USAGE, "--amp-dtype \"%s\": f16 or bf16", dtype);
    if (dtype && !level)
        return cli_error(command, CLI_USAGE, "--amp-dtype needs --amp");
    if (!level)
        return -1;
    if ((level[0] != 'O' && level[0] != 'o') || level[1] < '0' || level[1] > '3' || level[2])
        return cli_error(command, CLI_USAGE, "--amp \"%s\": O0, O1, O2 or O3", level);
    *amp = level[1] - '0';
    *amp_dtype = dtype && !strcmp(dtype, "f16") ? TUFF_F16 : TUFF_BF16;
    return -1;
}
