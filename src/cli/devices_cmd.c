/* tuff devices: every Vulkan device and what Tuff makes of it. */
#include "cli/cli.h"
#include "tuff/device.h"

#include <jansson.h>

static void hex(const uint8_t *bytes, char *text)
{
    for (int i = 0; i < 16; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}

static const char *class_name(enum tuff_device_class c)
{
    return c == TUFF_CLASS_CPU ? "cpu" : "generic";
}

static json_t *describe(const struct tuff_device_info *d)
{
    char uuid[33];
    hex(d->uuid, uuid);
    json_t *heaps = json_array();
    for (uint32_t i = 0; i < d->heap_count; i++)
        json_array_append_new(heaps, json_integer((json_int_t) d->heap_size[i]));
    json_t *root = json_pack(
        "{s:i, s:s, s:s, s:s, s:i, s:i, s:s, s:s, s:s, s:b, s:s, s:b, s:o}", "index", d->index,
        "name", d->name, "type", d->type, "driver", d->driver, "vendor_id", (int) d->vendor_id,
        "device_id", (int) d->device_id, "uuid", uuid, "pci", d->pci, "class",
        class_name(d->device_class), "usable", (int) d->usable, "unusable_reason",
        d->unusable_reason, "unified_memory", (int) d->unified_memory, "heaps", heaps);
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {{"memory_total", d->memory_total},
                   {"memory_available", d->memory_available},
                   {"subgroup_size", d->subgroup_size},
                   {"subgroup_min", d->subgroup_min},
                   {"subgroup_max", d->subgroup_max},
                   {"max_allocation", d->max_allocation},
                   {"max_texel_elements", d->max_texel_elements},
                   {"max_shared_bytes", d->max_shared_bytes},
                   {"max_invocations", d->max_invocations},
                   {"max_push_bytes", d->max_push_bytes},
                   {"api_version", d->api_version},
                   {"driver_version", d->driver_version}};
    for (size_t i = 0; i < TUFF_COUNT(numbers); i++)
        json_object_set_new(root, numbers[i].name, json_integer((json_int_t) numbers[i].value));
    const struct {
        const char *name;
        bool value;
    } flags[] = {{"f16", d->f16},
                 {"bf16", d->bf16},
                 {"int8", d->int8},
                 {"cooperative_matrix", d->cooperative_matrix},
                 {"subgroup_shuffle", d->subgroup_shuffle},
                 {"memory_budget", d->memory_budget}};
    for (size_t i = 0; i < TUFF_COUNT(flags); i++)
        json_object_set_new(root, flags[i].name, json_boolean(flags[i].value));
    return root;
}

static void print(const struct tuff_device_info *d)
{
    char uuid[33];
    hex(d->uuid, uuid);
    printf("%d  %s\n", d->index, d->name);
    printf("   %s, class %s, driver %s, Vulkan %u.%u.%u%s%s\n", d->type,
           class_name(d->device_class), d->driver, d->api_version >> 22,
           d->api_version >> 12 & 0x3ff, d->api_version & 0xfff, d->usable ? "" : ", not usable: ",
           d->unusable_reason);
    printf("   uuid %s%s%s\n", uuid, d->pci[0] ? ", pci " : "", d->pci);
    printf("   memory %.1f GiB, %.1f free%s; heaps", (double) d->memory_total / 1073741824,
           (double) d->memory_available / 1073741824, d->unified_memory ? ", unified" : "");
    for (uint32_t i = 0; i < d->heap_count; i++)
        printf(" %.1f", (double) d->heap_size[i] / 1073741824);
    printf(" GiB; one allocation at most %.1f GiB\n", (double) d->max_allocation / 1073741824);
    printf("   subgroups of %u (%u to %u)%s; f16 %s, bf16 %s, int8 %s, cooperative matrices %s\n",
           d->subgroup_size, d->subgroup_min, d->subgroup_max,
           d->subgroup_shuffle ? " with shuffles" : "", d->f16 ? "yes" : "no",
           d->bf16 ? "yes" : "no", d->int8 ? "yes" : "no", d->cooperative_matrix ? "yes" : "no");
    printf("   %u KiB shared, %u invocations a group, %u texels a view, %u bytes of push constants\n",
           d->max_shared_bytes / 1024, d->max_invocations, d->max_texel_elements,
           d->max_push_bytes);
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
    json_t *all = json_array();
    for (size_t i = 0; i < n; i++) {
        if (json)
            json_array_append_new(all, describe(&list[i]));
        else
            print(&list[i]);
    }
    if (json) {
        char *text = json_dumps(all, JSON_INDENT(2));
        printf("%s\n", text ? text : "[]");
        free(text);
    }
    json_decref(all);
    free(list);
    return CLI_OK;
}

const struct cli_command cli_devices = {
    .name = "devices",
    .summary = "list the Vulkan devices",
    .usage = "[--json]",
    .example = "tuff devices",
    .run = run,
};
