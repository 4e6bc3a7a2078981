/* tuff profile: any other command, with the device's time by kernel. */
#include "cli/cli.h"
#include "tuff/profile.h"

#include <jansson.h>

enum { EVENTS = 1 << 18 }; /* kept for a trace: about 20 MiB */

struct profiling {
    const char *by, *trace;
    int64_t top;
    bool json;
};

static const char *const ways[] = {"kernel", "op", "shape"};

/* ---- the table ---- */

static void label(const struct tuff_profile_row *row, char *text, size_t size)
{
    const char *way = row->backward ? " (backward)" : "";
    if (!*row->op)
        snprintf(text, size, "%s", row->kernel);
    else if (!*row->kernel)
        snprintf(text, size, "%s%s", row->op, way);
    else
        snprintf(text, size, "%s %s%s %s: %s", row->program, row->op, way, row->kernel, row->shape);
}

/* "12.3" where the rate is known, else "-". */
static const char *rate(char text[16], double amount, double seconds)
{
    if (amount > 0 && seconds > 0)
        snprintf(text, 16, "%.1f", amount / seconds * 1e-9);
    else
        snprintf(text, 16, "-");
    return text;
}

static void print_row(const struct tuff_profile_row *row, double total, int width)
{
    char name[384], flops[16], bytes[16], roof[16] = "-";
    label(row, name, sizeof name);
    if (row->bound > 0 && row->seconds > 0)
        snprintf(roof, sizeof roof, "%.0f %s", 100 * row->bound / row->seconds,
                 row->compute >= 0.5 ? "FMA" : "mem");
    printf("%-*s %7llu %10.2f %10.1f", width, name, (unsigned long long) row->calls,
           row->seconds * 1e3, row->seconds / (double) row->calls * 1e6);
    if (row->first)
        printf("  first");
    else
        printf(" %6.1f", total > 0 ? 100 * row->seconds / total : 0);
    printf(" %8s %8s %8s\n", rate(flops, row->flops, row->seconds),
           rate(bytes, row->bytes, row->seconds), roof);
}

static void print_table(const struct tuff_profile_report *r, int64_t top)
{
    char name[384];
    int width = 6;
    size_t shown = top && (size_t) top < r->n ? (size_t) top : r->n;
    for (size_t i = 0; i < shown; i++) {
        label(&r->rows[i], name, sizeof name);
        width = TUFF_MAX(width, (int) strlen(name));
    }
    printf("\n%-*s %7s %10s %10s %6s %8s %8s %8s\n", width, "", "calls", "ms", "us a call", "%",
           "GFLOP/s", "GB/s", "% roof");
    for (size_t i = 0; i < shown; i++)
        print_row(&r->rows[i], r->kernel_seconds, width);
    if (shown < r->n)
        printf("and %zu more\n", r->n - shown);
    printf("\nkernels %.1f ms of %.1f ms in %llu runs: the device was idle %.1f %%\n",
           r->kernel_seconds * 1e3, r->wall_seconds * 1e3, (unsigned long long) r->runs,
           r->wall_seconds > 0 ? 100 * (1 - r->kernel_seconds / r->wall_seconds) : 0);
    if (r->first_seconds > 0)
        printf("first runs, where drivers compile: %.1f ms, not counted%s\n",
               r->first_seconds * 1e3,
               r->rows[r->n - 1].first ? "; rows marked first had no other" : "");
    printf("roofs of %s, measured: %.1f GFLOP/s multiply-add; %.1f GB/s read, %.1f written, %.1f "
           "copied\n", r->device->name, r->roofs.fma * 1e-9, r->roofs.read * 1e-9,
           r->roofs.write * 1e-9, r->roofs.copy * 1e-9);
}

/* ---- JSON ---- */

static json_t *row_json(const struct tuff_profile_row *row)
{
    json_t *o = json_pack("{s:I, s:f, s:f, s:f, s:f, s:f, s:b}", "calls", (json_int_t) row->calls,
                          "seconds", row->seconds, "flops", row->flops, "bytes", row->bytes,
                          "roof_seconds", row->bound, "compute", row->compute, "first",
                          row->first);
    if (*row->program)
        json_object_set_new(o, "program", json_string(row->program));
    if (*row->op) {
        json_object_set_new(o, "op", json_string(row->op));
        json_object_set_new(o, "backward", json_boolean(row->backward));
    }
    if (*row->kernel)
        json_object_set_new(o, "kernel", json_string(row->kernel));
    if (*row->shape)
        json_object_set_new(o, "shape", json_string(row->shape));
    return o;
}

static void print_json(const struct tuff_profile_report *r, const struct profiling *p)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < r->n && (!p->top || i < (size_t) p->top); i++)
        json_array_append_new(rows, row_json(&r->rows[i]));
    json_t *root = json_pack(
        "{s:s, s:s, s:s, s:{s:f, s:f, s:f, s:f}, s:I, s:f, s:f, s:f, s:o}", "device",
        r->device->name, "driver", r->device->driver, "by", p->by, "roofs", "fma", r->roofs.fma,
        "read", r->roofs.read, "write", r->roofs.write, "copy", r->roofs.copy, "runs",
        (json_int_t) r->runs, "kernel_seconds", r->kernel_seconds, "wall_seconds", r->wall_seconds,
        "first_seconds", r->first_seconds, "rows", rows);
    char *text = json_dumps(root, JSON_COMPACT);
    printf("%s\n", text ? text : "{}");
    free(text);
    json_decref(root);
}

/* ---- the command ---- */

static int report(struct cli *cli, const struct cli_command *command, const struct profiling *p)
{
    struct tuff_profile_report r;
    enum tuff_profile_by by = TUFF_PROFILE_KERNEL;
    uint64_t dropped = 0;
    for (size_t i = 0; i < TUFF_COUNT(ways); i++)
        if (!strcmp(p->by, ways[i]))
            by = (enum tuff_profile_by) i;
    if (tuff_profile_report(cli->profile, by, &r) != TUFF_OK)
        return cli_fail(cli, command);
    int code = CLI_OK;
    if (!r.n)
        code = cli_error(command, CLI_FAILED, "nothing ran on a device");
    else if (p->json)
        print_json(&r, p);
    else
        print_table(&r, p->top);
    tuff_profile_report_fini(&r);
    if (code == CLI_OK && p->trace) {
        if (tuff_profile_trace(cli->profile, p->trace, &dropped) != TUFF_OK)
            return cli_fail(cli, command);
        if (dropped)
            fprintf(stderr, "note: %s holds the first %d launches; %llu events were left out\n",
                    p->trace, EVENTS, (unsigned long long) dropped);
    }
    return code;
}

/* Index of the first word that is neither an option of ours nor the value of one. */
static int first_word(const struct cli_option *options, size_t n, int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "--", 2) != 0)
            return i;
        bool valued = !strcmp(argv[i], "--device");
        for (size_t k = 0; k < n; k++)
            valued |= !strcmp(argv[i] + 2, options[k].name) && options[k].kind != CLI_FLAG;
        i += valued;
    }
    return argc;
}

static int run(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    struct profiling p = {.by = "kernel"};
    const struct cli_option options[] = {
        {"by", CLI_STRING, &p.by, "WHAT", "a row for each kernel, op or shape", 0, 0},
        {"top", CLI_INT, &p.top, "N", "only the N largest rows; 0: all", 0, 1 << 20},
        {"trace", CLI_STRING, &p.trace, "FILE", "also write a trace for Chrome or Perfetto", 0, 0},
        {"json", CLI_FLAG, &p.json, NULL, "one JSON object as the last line", 0, 0},
    };
    int first = first_word(options, TUFF_COUNT(options), argc, argv), known = 0;
    int code = cli_parse(cli, command, options, TUFF_COUNT(options), NULL, first, argv);
    if (code >= 0)
        return code;
    for (size_t i = 0; i < TUFF_COUNT(ways); i++)
        known |= !strcmp(p.by, ways[i]);
    if (!known)
        return cli_error(command, CLI_USAGE, "--by \"%s\": kernel, op or shape", p.by);
    if (first == argc)
        return cli_error(command, CLI_USAGE, "say which command to profile, with its options");
    const struct cli_command *inner = cli_find_command(argv[first]);
    if (!inner || inner == command)
        return cli_error(command, CLI_USAGE, "\"%s\" is no command to profile; `tuff --help` lists "
                         "them", argv[first]);
    if (tuff_profile_create(cli->ctx, p.trace ? EVENTS : 0, &cli->profile) != TUFF_OK)
        return cli_fail(cli, command);
    code = inner->run(cli, inner, argc - first - 1, argv + first + 1);
    if (code == CLI_OK || code == CLI_STOPPED) {
        int reported = report(cli, command, &p);
        code = reported != CLI_OK ? reported : code;
    }
    tuff_profile_destroy(cli->profile);
    cli->profile = NULL;
    return code;
}

const struct cli_command cli_profile = {
    .name = "profile",
    .summary = "where a command's time on the device goes",
    .usage = "[OPTIONS] COMMAND [ITS OPTIONS]",
    .example = "tuff profile --by op bench train --layers 2 --width 128 --context 64",
    .run = run,
};
