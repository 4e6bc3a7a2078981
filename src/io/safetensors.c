/* io/safetensors: reading. The whole of a header is checked before any tensor is handed out. */
#include "io/weights_file.h"

#define HEADER_MAX 100000000u

static enum tuff_status read_shape(struct tuff_ctx *ctx, const char *path, const json_t *shape,
                                   struct tuff_file_tensor *tensor)
{
    char name[80];
    if (!json_is_array(shape))
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: tensor \"%s\": \"shape\" must be a list", path,
                         tuff_shown(tensor->name, name));
    if (json_array_size(shape) > TUFF_FILE_RANK_MAX)
        return tuff_fail(ctx, TUFF_E_UNSUPPORTED,
                         "%s: tensor \"%s\" has %zu dimensions, at most "
                         "%d are supported",
                         path, tuff_shown(tensor->name, name), json_array_size(shape),
                         TUFF_FILE_RANK_MAX);
    int rank = (int) json_array_size(shape);
    int64_t dims[TUFF_FILE_RANK_MAX];
    for (int i = 0; i < rank; i++) {
        const json_t *dim = json_array_get(shape, (size_t) i);
        dims[i] = json_is_integer(dim) ? json_integer_value(dim) : -1;
        if (dims[i] < 0)
            return tuff_fail(ctx, TUFF_E_FORMAT, "%s: tensor \"%s\": dimension %d is not a count",
                             path, tuff_shown(tensor->name, name), i);
    }
    if (!tuff_weights_shape(tensor, rank, dims))
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: tensor \"%s\": its shape overflows", path,
                         tuff_shown(tensor->name, name));
    return TUFF_OK;
}

static enum tuff_status read_offsets(struct tuff_ctx *ctx, const char *path, const json_t *offsets,
                                     uint64_t data_size, struct tuff_weights_entry *entry)
{
    char name[80];
    const json_t *begin = json_array_get(offsets, 0), *end = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(begin) || !json_is_integer(end) ||
        json_integer_value(begin) < 0 || json_integer_value(end) < json_integer_value(begin))
        return tuff_fail(ctx, TUFF_E_FORMAT,
                         "%s: tensor \"%s\": \"data_offsets\" must be "
                         "[begin, end]",
                         path, tuff_shown(entry->tensor.name, name));
    entry->begin = (uint64_t) json_integer_value(begin);
    entry->end = (uint64_t) json_integer_value(end);
    if (entry->end > data_size)
        return tuff_fail(ctx, TUFF_E_FORMAT,
                         "%s: tensor \"%s\" ends at byte %llu of the data, but "
                         "there are only %llu: the file is cut short",
                         path, tuff_shown(entry->tensor.name, name),
                         (unsigned long long) entry->end, (unsigned long long) data_size);
    if (entry->end - entry->begin != entry->tensor.size)
        return tuff_fail(
            ctx, TUFF_E_FORMAT,
            "%s: tensor \"%s\" has %llu bytes, its shape and "
            "dtype %s need %llu",
            path, tuff_shown(entry->tensor.name, name),
            (unsigned long long) (entry->end - entry->begin),
            tuff_dtype_name(entry->tensor.dtype), (unsigned long long) entry->tensor.size);
    return TUFF_OK;
}

static enum tuff_status read_tensor(struct tuff_ctx *ctx, struct tuff_weights_file *file,
                                    const char *path, const char *key, const json_t *value,
                                    const struct tuff_map *data)
{
    char name[80];
    struct tuff_weights_entry *entry = tuff_weights_add(file, key);
    if (!entry)
        return tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", path);
    const char *dtype = json_string_value(json_object_get(value, "dtype"));
    if (!dtype)
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: tensor \"%s\" has no \"dtype\"", path,
                         tuff_shown(key, name));
    char dtype_name[80];
    if (!tuff_dtype_parse(dtype, &entry->tensor.dtype))
        return tuff_fail(ctx, TUFF_E_UNSUPPORTED,
                         "%s: tensor \"%s\": dtype \"%s\" is not known "
                         "here",
                         path, tuff_shown(key, name), tuff_shown(dtype, dtype_name));
    TUFF_TRY(read_shape(ctx, path, json_object_get(value, "shape"), &entry->tensor));
    TUFF_TRY(read_offsets(ctx, path, json_object_get(value, "data_offsets"), data->size, entry));
    entry->tensor.data = data->data + entry->begin;
    return TUFF_OK;
}

static int by_offset(const void *a, const void *b)
{
    const struct tuff_weights_entry *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

/* Each tensor begins where the one before it ended, and the last ends with the data. */
static enum tuff_status check_layout(struct tuff_ctx *ctx, const char *path,
                                     struct tuff_weights_entry *entries, size_t n, uint64_t data_size)
{
    char name[80];
    uint64_t end = 0;
    if (n)
        qsort(entries, n, sizeof *entries, by_offset);
    for (size_t i = 0; i < n; i++) {
        if (entries[i].begin != end)
            return tuff_fail(ctx, TUFF_E_FORMAT,
                             "%s: tensor \"%s\" begins at byte %llu of the "
                             "data, the one before it ends at %llu",
                             path, tuff_shown(entries[i].tensor.name, name),
                             (unsigned long long) entries[i].begin, (unsigned long long) end);
        end = entries[i].end;
    }
    if (end != data_size)
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: %llu bytes of data belong to no tensor", path,
                         (unsigned long long) (data_size - end));
    return TUFF_OK;
}

static enum tuff_status read_metadata(struct tuff_ctx *ctx, struct tuff_weights_file *file,
                                      const char *path, json_t *metadata)
{
    const char *key;
    json_t *value;
    if (!json_is_object(metadata))
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: \"__metadata__\" must be an object", path);
    json_object_foreach(metadata, key, value)
    {
        if (!json_is_string(value))
            return tuff_fail(ctx, TUFF_E_FORMAT, "%s: \"__metadata__\" must hold texts", path);
    }
    if (!file->metadata)
        file->metadata = json_incref(metadata);
    return TUFF_OK;
}

static enum tuff_status read_members(struct tuff_ctx *ctx, struct tuff_weights_file *file,
                                     const char *path, json_t *header, const struct tuff_map *data)
{
    char name[80];
    const char *key;
    json_t *value;
    size_t first = file->entries.n;
    json_object_foreach(header, key, value)
    {
        if (!strcmp(key, "__metadata__"))
            TUFF_TRY(read_metadata(ctx, file, path, value));
        else if (!json_is_object(value))
            return tuff_fail(ctx, TUFF_E_FORMAT, "%s: entry \"%s\" is not a tensor", path,
                             tuff_shown(key, name));
        else
            TUFF_TRY(read_tensor(ctx, file, path, key, value, data));
    }
    struct tuff_weights_entry *entries = file->entries.items ? file->entries.items + first : NULL;
    return check_layout(ctx, path, entries, file->entries.n - first, data->size);
}

enum tuff_status tuff_safetensors_read(struct tuff_ctx *ctx, struct tuff_weights_file *file,
                                       const char *path, const uint8_t *bytes, size_t size)
{
    uint64_t length;
    if (size < sizeof length)
        return tuff_fail(ctx, TUFF_E_FORMAT,
                         "%s: only %zu bytes: not a safetensors file, or cut "
                         "short",
                         path, size);
    memcpy(&length, bytes, sizeof length);
    if (length > HEADER_MAX)
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: not a safetensors file (a header of %llu bytes)",
                         path, (unsigned long long) length);
    if (length > size - sizeof length)
        return tuff_fail(ctx, TUFF_E_FORMAT,
                         "%s: the header needs %llu bytes, the file has %zu: "
                         "it is cut short",
                         path, (unsigned long long) length, size - sizeof length);
    const uint8_t *text = bytes + sizeof length;
    if (!length || text[0] != '{')
        return tuff_fail(ctx, TUFF_E_FORMAT,
                         "%s: not a safetensors file: its header is not a JSON "
                         "object",
                         path);
    json_t *header;
    enum tuff_status status = tuff_json_parse(ctx, path, text, (size_t) length, &header);
    if (status == TUFF_OK) {
        struct tuff_map data = {text + length, size - sizeof length - (size_t) length};
        status = read_members(ctx, file, path, header, &data);
        json_decref(header);
    }
    return status;
}

