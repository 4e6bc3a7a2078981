/* cli/caps: one table of fields, used to write and to read. */
#include "cli/caps.h"

#include <stddef.h>

enum kind { TEXT, UUID, U32, U64, FLAG, REAL };
static const struct field {
    const char *name;
    enum kind kind;
    size_t offset, size;
} fields[] = {
#define FIELD(kind, name)                                                                          \
    {                                                                                              \
#name, kind, offsetof(struct tuff_device_info, name),                                      \
            sizeof((struct tuff_device_info *) 0)->name                                            \
    }
    FIELD(TEXT, name),
    FIELD(TEXT, type),
    FIELD(TEXT, driver),
    FIELD(U32, vendor_id),
    FIELD(U32, device_id),
    FIELD(U32, api_version),
    FIELD(U32, driver_version),
    FIELD(UUID, uuid),
    FIELD(UUID, pipeline_uuid),
    FIELD(TEXT, pci),
    FIELD(FLAG, usable),
    FIELD(TEXT, unusable_reason),
    FIELD(FLAG, unified_memory),
    FIELD(U64, memory_total),
    FIELD(U64, memory_available),
    FIELD(U32, subgroup_size),
    FIELD(U32, subgroup_min),
    FIELD(U32, subgroup_max),
    FIELD(FLAG, subgroup_shuffle),
    FIELD(FLAG, uniform_loads),
    FIELD(FLAG, uniform_loops),
    FIELD(FLAG, f16),
    FIELD(FLAG, bf16),
    FIELD(FLAG, int8),
    FIELD(FLAG, int16),
    FIELD(FLAG, int64),
    FIELD(FLAG, cooperative_matrix),
    FIELD(FLAG, matrix_units),
    FIELD(U32, matrix_subgroup),
    FIELD(FLAG, memory_budget),
    FIELD(U64, max_allocation),
    FIELD(U64, max_buffer),
    FIELD(U32, max_texel_elements),
    FIELD(U32, max_storage_range),
    FIELD(U32, max_shared_bytes),
    FIELD(U32, max_invocations),
    FIELD(U32, max_push_bytes),
    FIELD(U32, compute_units),
    FIELD(REAL, timestamp_ns),
#undef FIELD
};

static const char *const class_names[] = {[TUFF_CLASS_GENERIC] = "generic",
                                          [TUFF_CLASS_CPU] = "cpu",
                                          [TUFF_CLASS_TILED] = "tiled"};

const char *cli_class_name(enum tuff_device_class device_class)
{
    return class_names[device_class];
}

/* JSON integers are signed: what a driver calls unlimited is written as the largest of them. */
static json_t *integer(uint64_t value)
{
    return json_integer((json_int_t) TUFF_MIN(value, (uint64_t) INT64_MAX));
}

static json_t *write_field(const struct field *f, const void *at)
{
    char hex[33];
    switch (f->kind) {
    case TEXT:
        return json_string(at);
    case U32:
        return integer(*(const uint32_t *) at);
    case U64:
        return integer(*(const uint64_t *) at);
    case FLAG:
        return json_boolean(*(const bool *) at);
    case REAL:
        return json_real(*(const double *) at);
    case UUID:
        break;
    }
    for (int i = 0; i < 16; i++)
        snprintf(hex + 2 * i, 3, "%02x", ((const uint8_t *) at)[i]);
    return json_string(hex);
}

static json_t *write_shapes(const struct tuff_device_info *info)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < info->n_matrix_shapes; i++) {
        const struct tuff_matrix_shape *s = &info->matrix_shapes[i];
        json_array_append_new(list, json_pack("{s:I, s:I, s:I, s:s}", "m", (json_int_t) s->m, "n",
                                              (json_int_t) s->n, "k", (json_int_t) s->k, "dtype",
                                              s->bf16 ? "bf16" : "f16"));
    }
    return list;
}

json_t *cli_caps_json(const struct tuff_device_info *info)
{
    json_t *root =
        json_pack("{s:i, s:s}", "index", info->index, "class", cli_class_name(info->device_class));
    json_t *heaps = json_array(), *groups = json_array();
    bool ok = root && heaps && groups;
    for (size_t i = 0; i < TUFF_COUNT(fields) && ok; i++)
        ok = !json_object_set_new(root, fields[i].name,
                                  write_field(&fields[i], (const char *) info + fields[i].offset));
    for (uint32_t i = 0; i < info->heap_count && ok; i++)
        ok = !json_array_append_new(heaps, integer(info->heap_size[i]));
    for (int i = 0; i < 3 && ok; i++)
        ok = !json_array_append_new(groups, integer(info->max_groups[i]));
    if (ok) {
        json_object_set_new(root, "matrix_shapes", write_shapes(info));
        json_object_set(root, "heap_size", heaps);
        json_object_set(root, "max_groups", groups);
    } else {
        json_decref(root);
        root = NULL;
    }
    json_decref(heaps);
    json_decref(groups);
    return root;
}

static enum tuff_status read_number(struct tuff_ctx *ctx, const char *path, const json_t *object,
                                    const struct field *f, void *at)
{
    int64_t value = 0;
    TUFF_TRY(tuff_json_int(ctx, path, object, f->name, &value));
    if (value < 0 || (f->kind == U32 && value > UINT32_MAX))
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: %s: %lld is out of range", path, f->name,
                         (long long) value);
    if (f->kind == U32)
        *(uint32_t *) at = (uint32_t) value;
    else
        *(uint64_t *) at = (uint64_t) value;
    return TUFF_OK;
}

static enum tuff_status read_field(struct tuff_ctx *ctx, const char *path, const json_t *object,
                                   const struct field *f, void *at)
{
    const char *text = "";
    switch (f->kind) {
    case TEXT:
        TUFF_TRY(tuff_json_string(ctx, path, object, f->name, &text));
        if (strlen(text) >= f->size)
            return tuff_fail(ctx, TUFF_E_FORMAT, "%s: %s is longer than %zu bytes", path, f->name,
                             f->size - 1);
        memcpy(at, text, strlen(text) + 1);
        return TUFF_OK;
    case FLAG:
        return tuff_json_bool(ctx, path, object, f->name, at);
    case REAL:
        return tuff_json_real(ctx, path, object, f->name, at);
    case UUID:
        return TUFF_OK; /* names a device that is here; planning needs none */
    case U32:
    case U64:
        break;
    }
    return read_number(ctx, path, object, f, at);
}

/* A device with shapes has cooperative matrices, one without has none. */
static enum tuff_status read_shapes(struct tuff_ctx *ctx, const char *path, const json_t *object,
                                    struct tuff_device_info *info)
{
    const json_t *list = json_object_get(object, "matrix_shapes");
    size_t n = json_array_size(list);
    if (n > TUFF_MATRIX_SHAPES || (list && !json_is_array(list)))
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: matrix_shapes must be a list of at most %d", path,
                         TUFF_MATRIX_SHAPES);
    for (size_t i = 0; i < n; i++) {
        const json_t *entry = json_array_get(list, i);
        const char *dtype = "";
        int64_t sides[3] = {0};
        for (int k = 0; k < 3; k++)
            TUFF_TRY(tuff_json_int(ctx, path, entry, (const char *[]) {"m", "n", "k"}[k], &sides[k]));
        TUFF_TRY(tuff_json_string(ctx, path, entry, "dtype", &dtype));
        bool bf16 = !strcmp(dtype, "bf16"), known = bf16 || !strcmp(dtype, "f16");
        for (int k = 0; k < 3; k++)
            known &= sides[k] >= 1 && sides[k] <= 1024;
        if (!known)
            return tuff_fail(ctx, TUFF_E_FORMAT, "%s: matrix_shapes[%zu] needs m, n and k from 1 to "
                             "1024 and dtype f16 or bf16", path, i);
        info->matrix_shapes[i] = (struct tuff_matrix_shape) {
            (uint32_t) sides[0], (uint32_t) sides[1], (uint32_t) sides[2], bf16};
    }
    info->n_matrix_shapes = (uint32_t) n;
    info->cooperative_matrix = n > 0;
    info->matrix_units &= info->cooperative_matrix;
    if (n && !info->matrix_subgroup)
        info->matrix_subgroup = info->subgroup_size ? info->subgroup_size : 32;
    return TUFF_OK;
}

static enum tuff_status read_caps(struct tuff_ctx *ctx, const char *path, const json_t *object,
                                  struct tuff_device_info *info)
{
    const char *device_class = "generic";
    *info = (struct tuff_device_info){.usable = true};
    for (size_t i = 0; i < TUFF_COUNT(fields); i++)
        TUFF_TRY(read_field(ctx, path, object, &fields[i], (char *) info + fields[i].offset));
    TUFF_TRY(tuff_json_string(ctx, path, object, "class", &device_class));
    size_t named = 0;
    while (named < TUFF_COUNT(class_names) && strcmp(device_class, class_names[named]))
        named++;
    if (named == TUFF_COUNT(class_names))
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: class \"%s\" is none of generic, cpu and tiled",
                         path, device_class);
    info->device_class = (enum tuff_device_class) named;
    TUFF_TRY(read_shapes(ctx, path, object, info));
    const struct {
        const char *name;
        uint64_t value;
    } needed[] = {{"memory_available", info->memory_available},
                  {"max_allocation", info->max_allocation}};
    for (size_t i = 0; i < TUFF_COUNT(needed); i++)
        if (!needed[i].value)
            return tuff_fail(ctx, TUFF_E_FORMAT,
                             "%s: %s is missing or 0; `tuff devices --json` "
                             "writes such a file",
                             path, needed[i].name);
    if (!info->max_buffer)
        info->max_buffer = info->max_allocation;
    if (!info->name[0])
        snprintf(info->name, sizeof info->name, "%s", "the described device");
    return TUFF_OK;
}

static bool picked(const json_t *object, size_t at, const char *which)
{
    char *end;
    const char *name = json_string_value(json_object_get(object, "name"));
    unsigned long index = which ? strtoul(which, &end, 10) : 0;
    if (!which || (*which && !*end))
        return at == index;
    return name && strstr(name, which);
}

enum tuff_status cli_caps_load(struct tuff_ctx *ctx, const char *path, const char *which,
                               struct tuff_device_info *info)
{
    json_t *root;
    TUFF_TRY(tuff_json_load(ctx, path, &root));
    const json_t *object = json_is_object(root) ? root : NULL;
    for (size_t i = 0; i < json_array_size(root) && !object; i++)
        if (picked(json_array_get(root, i), i, which))
            object = json_array_get(root, i);
    enum tuff_status status =
        json_is_object(object) ? read_caps(ctx, path, object, info)
        : which ? tuff_fail(ctx, TUFF_E_FORMAT, "%s: describes no device \"%s\"", path, which)
                : tuff_fail(ctx, TUFF_E_FORMAT,
                            "%s: describes no device; `tuff devices --json` "
                            "writes such a file",
                            path);
    json_decref(root);
    return status;
}
