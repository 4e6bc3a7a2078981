/* tuff devices: every Vulkan device and what Tuff makes of it. */
#include "cli/caps.h"
#include "cli/cli.h"

static const char *yes(bool is)
{
    return is ? "yes" : "no";
}

static void print_matrices(const struct tuff_device_info *d)
{
    printf("   cooperative matrices %s", d->cooperative_matrix ? "" : "no");
    for (uint32_t i = 0; i < d->n_matrix_shapes; i++)
        printf("%s%u x %u x %u %s", i ? ", " : "", d->matrix_shapes[i].m, d->matrix_shapes[i].n,
               d->matrix_shapes[i].k, d->matrix_shapes[i].bf16 ? "bf16" : "f16");
    if (d->cooperative_matrix)
        printf(" by subgroups of %u, %s", d->matrix_subgroup,
               d->matrix_units ? "used" : "not known to pay here");
    printf("\n");
}

static void print(const struct tuff_device_info *d)
{
    const double gib = 1073741824;
    printf("%d  %s\n", d->index, d->name);
    printf("   %s, class %s, driver %s (%u), Vulkan %u.%u.%u\n", d->type,
           cli_class_name(d->device_class), d->driver, d->driver_version, d->api_version >> 22,
           d->api_version >> 12 & 0x3ff, d->api_version & 0xfff);
    if (!d->usable)
        printf("   not usable: %s\n", d->unusable_reason);
    printf("   vendor %04x, device %04x, uuid ", d->vendor_id, d->device_id);
    for (int i = 0; i < 16; i++)
        printf("%02x", d->uuid[i]);
    printf("%s%s\n", d->pci[0] ? ", pci " : "", d->pci);
    printf("   memory %.1f GiB, %.1f free (%s)%s; heaps", (double) d->memory_total / gib,
           (double) d->memory_available / gib,
           !strcmp(d->type, "cpu") ? "the host's"
           : d->memory_budget      ? "the driver's budget"
                                   : "its heap",
           d->unified_memory ? ", unified" : "");
    for (uint32_t i = 0; i < d->heap_count; i++)
        printf(" %.1f", (double) d->heap_size[i] / gib);
    printf(" GiB\n");
    printf("   one allocation at most %.1f GiB, one buffer %.1f GiB\n",
           (double) d->max_allocation / gib, (double) d->max_buffer / gib);
    printf("   subgroups of %u (%u to %u)%s%s\n", d->subgroup_size, d->subgroup_min,
           d->subgroup_max, d->subgroup_shuffle ? ", with shuffles" : "",
           d->uniform_loads ? ", uniform loads" : "");
    printf("   f16 %s, bf16 %s, int8 %s, int16 %s, int64 %s\n", yes(d->f16), yes(d->bf16),
           yes(d->int8), yes(d->int16), yes(d->int64));
    print_matrices(d);
    printf("   %u KiB shared, %u invocations a group, %u x %u x %u groups, %u bytes pushed\n",
           d->max_shared_bytes / 1024, d->max_invocations, d->max_groups[0], d->max_groups[1],
           d->max_groups[2], d->max_push_bytes);
    if (d->compute_units)
        printf("   %u compute units\n", d->compute_units);
    printf("   views of %u texels, %u MiB; ", d->max_texel_elements, d->max_storage_range >> 20);
    if (d->timestamp_ns > 0)
        printf("timestamps of %g ns\n", d->timestamp_ns);
    else
        printf("no timestamps\n");
}

static int print_json(struct cli *cli, const struct cli_command *command,
                      const struct tuff_device_info *list, size_t n)
{
    json_t *all = json_array();
    bool ok = all != NULL;
    for (size_t i = 0; i < n && ok; i++)
        ok = !json_array_append_new(all, cli_caps_json(&list[i]));
    char *text = ok ? json_dumps(all, JSON_INDENT(2)) : NULL;
    json_decref(all);
    if (!text) {
        tuff_fail(cli->ctx, TUFF_E_NOMEM, "out of memory");
        return cli_fail(cli, command);
    }
    printf("%s\n", text);
    free(text);
    return CLI_OK;
}

static int run(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    bool json = false;
    const struct cli_option options[] = {
        {"json", CLI_FLAG, &json, NULL, "a JSON array", 0, 0},
    };
    int code = cli_parse(cli, command, options, TUFF_COUNT(options), NULL, argc, argv);
    if (code >= 0)
        return code;
    struct tuff_device_info *list;
    size_t n;
    char note[256];
    enum tuff_status status = tuff_device_list(cli->ctx, &list, &n);
    tuff_device_access_note(note, sizeof note);
    if (*note)
        fprintf(stderr, "note: %s\n", note);
    if (status != TUFF_OK)
        return cli_fail(cli, command);
    for (size_t i = 0; i < n && !json; i++)
        print(&list[i]);
    code = json ? print_json(cli, command, list, n) : CLI_OK;
    free(list);
    return code;
}

const struct cli_command cli_devices = {
    .name = "devices",
    .summary = "list the Vulkan devices",
    .usage = "[--json]",
    .example = "tuff devices",
    .run = run,
};
