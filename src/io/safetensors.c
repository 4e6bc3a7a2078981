/* io/safetensors: reading. The whole of a header is checked before any tensor is handed out. */
#include "base/base.h"
#include "base/json.h"
#include "base/os.h"
#include "tuff/io.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "files are read as they lie: no swaps");

#define HEADER_MAX 100000000u

struct entry {
    struct tuff_file_tensor tensor;
    size_t shard;
    uint64_t begin, end; /* in the shard's data */
};

struct tuff_safetensors {
    struct tuff_arena arena; /* names */
    struct {
        struct entry *items;
        size_t n, cap;
    } entries;
    struct {
        struct tuff_map *items;
        size_t n, cap;
    } maps;
    json_t *metadata; /* of the first shard; NULL: none */
};

/* A name out of an untrusted file, made fit for one line of an error message. */
static const char *shown(const char *name, char buffer[80])
{
    size_t n = 0;
    for (; name[n] && n < 72; n++)
        buffer[n] = (unsigned char) name[n] < 32 || name[n] == 127 ? '?' : name[n];
    strcpy(buffer + n, name[n] ? "..." : "");
    return buffer;
}

static enum tuff_status read_shape(struct tuff_ctx *ctx, const char *path, const json_t *shape,
                                   struct tuff_file_tensor *tensor)
{
    char name[80];
    if (!json_is_array(shape))
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: tensor \"%s\": \"shape\" must be a list", path,
                         shown(tensor->name, name));
    if (json_array_size(shape) > TUFF_FILE_RANK_MAX)
        return tuff_fail(ctx, TUFF_E_UNSUPPORTED,
                         "%s: tensor \"%s\" has %zu dimensions, at most "
                         "%d are supported",
                         path, shown(tensor->name, name), json_array_size(shape),
                         TUFF_FILE_RANK_MAX);
    tensor->rank = (int) json_array_size(shape);
    uint64_t size = tuff_dtype_size(tensor->dtype);
    tensor->count = 1;
    for (int i = 0; i < tensor->rank; i++) {
        const json_t *dim = json_array_get(shape, (size_t) i);
        tensor->dims[i] = json_is_integer(dim) ? json_integer_value(dim) : -1;
        if (tensor->dims[i] < 0)
            return tuff_fail(ctx, TUFF_E_FORMAT, "%s: tensor \"%s\": dimension %d is not a count",
                             path, shown(tensor->name, name), i);
        if (tensor->count && (uint64_t) tensor->dims[i] > INT64_MAX / size / tensor->count)
            return tuff_fail(ctx, TUFF_E_FORMAT, "%s: tensor \"%s\": its shape overflows", path,
                             shown(tensor->name, name));
        tensor->count *= (uint64_t) tensor->dims[i];
    }
    tensor->size = tensor->count * size;
    return TUFF_OK;
}

static enum tuff_status read_offsets(struct tuff_ctx *ctx, const char *path, const json_t *offsets,
                                     uint64_t data_size, struct entry *entry)
{
    char name[80];
    const json_t *begin = json_array_get(offsets, 0), *end = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(begin) || !json_is_integer(end) ||
        json_integer_value(begin) < 0 || json_integer_value(end) < json_integer_value(begin))
        return tuff_fail(ctx, TUFF_E_FORMAT,
                         "%s: tensor \"%s\": \"data_offsets\" must be "
                         "[begin, end]",
                         path, shown(entry->tensor.name, name));
    entry->begin = (uint64_t) json_integer_value(begin);
    entry->end = (uint64_t) json_integer_value(end);
    if (entry->end > data_size)
        return tuff_fail(ctx, TUFF_E_FORMAT,
                         "%s: tensor \"%s\" ends at byte %llu of the data, but "
                         "there are only %llu: the file is cut short",
                         path, shown(entry->tensor.name, name), (unsigned long long) entry->end,
                         (unsigned long long) data_size);
    if (entry->end - entry->begin != entry->tensor.size)
        return tuff_fail(
            ctx, TUFF_E_FORMAT,
            "%s: tensor \"%s\" has %llu bytes, its shape and "
            "dtype %s need %llu",
            path, shown(entry->tensor.name, name), (unsigned long long) (entry->end - entry->begin),
            tuff_dtype_name(entry->tensor.dtype), (unsigned long long) entry->tensor.size);
    return TUFF_OK;
}

static enum tuff_status read_tensor(struct tuff_ctx *ctx, struct tuff_safetensors *file,
                                    const char *path, const char *key, const json_t *value,
                                    const struct tuff_map *data)
{
    char name[80];
    struct entry *entry = TUFF_PUSH(&file->entries);
    if (!entry || !(entry->tensor.name = tuff_arena_strdup(&file->arena, key)))
        return tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", path);
    const char *dtype = json_string_value(json_object_get(value, "dtype"));
    if (!dtype)
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: tensor \"%s\" has no \"dtype\"", path,
                         shown(key, name));
    char dtype_name[80];
    if (!tuff_dtype_parse(dtype, &entry->tensor.dtype))
        return tuff_fail(ctx, TUFF_E_UNSUPPORTED,
                         "%s: tensor \"%s\": dtype \"%s\" is not known "
                         "here",
                         path, shown(key, name), shown(dtype, dtype_name));
    TUFF_TRY(read_shape(ctx, path, json_object_get(value, "shape"), &entry->tensor));
    TUFF_TRY(read_offsets(ctx, path, json_object_get(value, "data_offsets"), data->size, entry));
    entry->tensor.data = data->data + entry->begin;
    entry->shard = file->maps.n;
    return TUFF_OK;
}

static int by_offset(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct entry *) a)->tensor.name, ((const struct entry *) b)->tensor.name);
}

/* Each tensor begins where the one before it ended, and the last ends with the data. */
static enum tuff_status check_layout(struct tuff_ctx *ctx, const char *path, struct entry *entries,
                                     size_t n, uint64_t data_size)
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
                             path, shown(entries[i].tensor.name, name),
                             (unsigned long long) entries[i].begin, (unsigned long long) end);
        end = entries[i].end;
    }
    if (end != data_size)
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: %llu bytes of data belong to no tensor", path,
                         (unsigned long long) (data_size - end));
    return TUFF_OK;
}

static enum tuff_status read_metadata(struct tuff_ctx *ctx, struct tuff_safetensors *file,
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

static enum tuff_status read_members(struct tuff_ctx *ctx, struct tuff_safetensors *file,
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
                             shown(key, name));
        else
            TUFF_TRY(read_tensor(ctx, file, path, key, value, data));
    }
    struct entry *entries = file->entries.items ? file->entries.items + first : NULL;
    return check_layout(ctx, path, entries, file->entries.n - first, data->size);
}

static enum tuff_status read_file(struct tuff_ctx *ctx, struct tuff_safetensors *file,
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

static enum tuff_status map_file(struct tuff_ctx *ctx, struct tuff_safetensors *file,
                                 const char *path)
{
    struct tuff_map map;
    TUFF_TRY(tuff_os_map(ctx, path, &map));
    enum tuff_status status = read_file(ctx, file, path, map.data, map.size);
    struct tuff_map *slot = TUFF_PUSH(&file->maps);
    if (slot) {
        *slot = map;
    } else {
        tuff_os_unmap(&map);
        status = tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", path);
    }
    return status;
}

/* After the last shard: the order that _find searches, and names unique across shards. */
static enum tuff_status sort_names(struct tuff_ctx *ctx, const struct tuff_safetensors *file,
                                   const char *path)
{
    char name[80];
    if (file->entries.n)
        qsort(file->entries.items, file->entries.n, sizeof *file->entries.items, by_name);
    for (size_t i = 1; i < file->entries.n; i++)
        if (!by_name(&file->entries.items[i - 1], &file->entries.items[i]))
            return tuff_fail(ctx, TUFF_E_FORMAT, "%s: tensor \"%s\" is in two shards", path,
                             shown(file->entries.items[i].tensor.name, name));
    return TUFF_OK;
}

static const struct entry *find(const struct tuff_safetensors *file, const char *name)
{
    struct entry key = {.tensor.name = name};
    return file->entries.n ? bsearch(&key, file->entries.items, file->entries.n,
                                     sizeof *file->entries.items, by_name)
                           : NULL;
}

/* Opens the shards an index names, each once; `order` receives shard name -> its number. */
static enum tuff_status open_shards(struct tuff_ctx *ctx, struct tuff_safetensors *file,
                                    const char *path, json_t *weight_map, json_t *order)
{
    char name[80];
    const char *key;
    json_t *value;
    const char *slash = strrchr(path, '/');
    int folder = slash ? (int) (slash - path) + 1 : 0;
    json_object_foreach(weight_map, key, value)
    {
        const char *shard = json_string_value(value);
        /* An index must not reach out of its own folder. */
        if (!shard || !shard[0] || shard[0] == '.' || strchr(shard, '/'))
            return tuff_fail(ctx, TUFF_E_FORMAT, "%s: tensor \"%s\" has no valid file name", path,
                             shown(key, name));
        if (json_object_get(order, shard))
            continue;
        char *full = tuff_arena_printf(&file->arena, "%.*s%s", folder, path, shard);
        if (!full || json_object_set_new(order, shard, json_integer((json_int_t) file->maps.n)))
            return tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", path);
        TUFF_TRY(map_file(ctx, file, full));
    }
    return TUFF_OK;
}

static enum tuff_status check_index(struct tuff_ctx *ctx, const struct tuff_safetensors *file,
                                    const char *path, json_t *weight_map, const json_t *order)
{
    char name[80];
    const char *key;
    json_t *value;
    json_object_foreach(weight_map, key, value)
    {
        const struct entry *entry = find(file, key);
        const json_t *shard = json_object_get(order, json_string_value(value));
        if (!entry || entry->shard != (size_t) json_integer_value(shard))
            return tuff_fail(ctx, TUFF_E_FORMAT, "%s: tensor \"%s\" is not in %s", path,
                             shown(key, name), json_string_value(value));
    }
    return TUFF_OK;
}

static enum tuff_status open_index(struct tuff_ctx *ctx, struct tuff_safetensors *file,
                                   const char *path)
{
    json_t *root;
    TUFF_TRY(tuff_json_load(ctx, path, &root));
    json_t *weight_map = json_object_get(root, "weight_map"), *order = json_object();
    enum tuff_status status = TUFF_OK;
    if (!order)
        status = tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", path);
    else if (!json_is_object(weight_map) || !json_object_size(weight_map))
        status = tuff_fail(ctx, TUFF_E_FORMAT, "%s: no \"weight_map\" that names shards", path);
    if (status == TUFF_OK)
        status = open_shards(ctx, file, path, weight_map, order);
    if (status == TUFF_OK)
        status = sort_names(ctx, file, path);
    if (status == TUFF_OK)
        status = check_index(ctx, file, path, weight_map, order);
    json_decref(order);
    json_decref(root);
    return status;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && !strcmp(text + n - m, end);
}

static enum tuff_status open_path(struct tuff_ctx *ctx, struct tuff_safetensors *file,
                                  const char *path)
{
    static const char *const names[] = {"model.safetensors", "model.safetensors.index.json"};
    if (tuff_os_path_kind(path) == TUFF_PATH_DIR) {
        const char *found = NULL;
        for (size_t i = 0; i < TUFF_COUNT(names) && !found; i++) {
            const char *slash = ends_with(path, "/") ? "" : "/";
            char *full = tuff_arena_printf(&file->arena, "%s%s%s", path, slash, names[i]);
            if (!full)
                return tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", path);
            if (tuff_os_path_kind(full) != TUFF_PATH_NONE)
                found = full;
        }
        if (!found)
            return tuff_fail(ctx, TUFF_E_IO, "%s: the folder has neither %s nor %s", path, names[0],
                             names[1]);
        path = found;
    }
    if (ends_with(path, ".index.json"))
        return open_index(ctx, file, path);
    TUFF_TRY(map_file(ctx, file, path));
    return sort_names(ctx, file, path);
}

enum tuff_status tuff_safetensors_open(struct tuff_ctx *ctx, const char *path,
                                       struct tuff_safetensors **out)
{
    *out = NULL;
    struct tuff_safetensors *file = tuff_calloc(1, sizeof *file);
    if (!file)
        return tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", path);
    enum tuff_status status = open_path(ctx, file, path);
    if (status == TUFF_OK)
        *out = file;
    else
        tuff_safetensors_close(file);
    return status;
}

enum tuff_status tuff_safetensors_open_memory(struct tuff_ctx *ctx, const char *name,
                                              const void *data, size_t size,
                                              struct tuff_safetensors **out)
{
    *out = NULL;
    struct tuff_safetensors *file = tuff_calloc(1, sizeof *file);
    if (!file)
        return tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", name);
    enum tuff_status status = read_file(ctx, file, name, data, size);
    if (status == TUFF_OK)
        status = sort_names(ctx, file, name);
    if (status == TUFF_OK)
        *out = file;
    else
        tuff_safetensors_close(file);
    return status;
}

void tuff_safetensors_close(struct tuff_safetensors *file)
{
    if (!file)
        return;
    for (size_t i = 0; i < file->maps.n; i++)
        tuff_os_unmap(&file->maps.items[i]);
    free(file->maps.items);
    free(file->entries.items);
    json_decref(file->metadata);
    tuff_arena_fini(&file->arena);
    free(file);
}

size_t tuff_safetensors_count(const struct tuff_safetensors *file)
{
    return file->entries.n;
}

const struct tuff_file_tensor *tuff_safetensors_get(const struct tuff_safetensors *file, size_t i)
{
    return i < file->entries.n ? &file->entries.items[i].tensor : NULL;
}

const struct tuff_file_tensor *tuff_safetensors_find(const struct tuff_safetensors *file,
                                                     const char *name)
{
    const struct entry *entry = find(file, name);
    return entry ? &entry->tensor : NULL;
}

const char *tuff_safetensors_metadata(const struct tuff_safetensors *file, const char *key)
{
    return json_string_value(json_object_get(file->metadata, key));
}

static enum tuff_status check_range(struct tuff_ctx *ctx, const struct tuff_file_tensor *tensor,
                                    uint64_t first, uint64_t n)
{
    char name[80];
    if (first > tensor->count || n > tensor->count - first)
        return tuff_fail(ctx, TUFF_E_RANGE,
                         "tensor \"%s\": elements %llu + %llu asked for, it has "
                         "%llu",
                         shown(tensor->name, name), (unsigned long long) first,
                         (unsigned long long) n, (unsigned long long) tensor->count);
    return TUFF_OK;
}

static enum tuff_status wrong_dtype(struct tuff_ctx *ctx, const struct tuff_file_tensor *tensor,
                                    const char *wanted)
{
    char name[80];
    return tuff_fail(ctx, TUFF_E_DTYPE, "tensor \"%s\" is %s, not %s", shown(tensor->name, name),
                     tuff_dtype_name(tensor->dtype), wanted);
}

enum tuff_status tuff_file_tensor_read_f32(struct tuff_ctx *ctx,
                                           const struct tuff_file_tensor *tensor, uint64_t first,
                                           uint64_t n, float *to)
{
    TUFF_TRY(check_range(ctx, tensor, first, n));
    const uint8_t *from = (const uint8_t *) tensor->data + first * tuff_dtype_size(tensor->dtype);
    if (!tuff_convert_to_f32(tensor->dtype, from, (size_t) n, to))
        return wrong_dtype(ctx, tensor, "of a float type");
    return TUFF_OK;
}

enum tuff_status tuff_file_tensor_read_i64(struct tuff_ctx *ctx,
                                           const struct tuff_file_tensor *tensor, uint64_t first,
                                           uint64_t n, int64_t *to)
{
    TUFF_TRY(check_range(ctx, tensor, first, n));
    size_t size = tuff_dtype_size(tensor->dtype);
    const uint8_t *from = (const uint8_t *) tensor->data + first * size;
    for (uint64_t i = 0; i < n; i++, from += size) {
        union {
            int64_t i64;
            int32_t i32;
            uint32_t u32;
            int16_t i16;
            uint16_t u16;
            int8_t i8;
            uint8_t u8;
        } value;
        memcpy(&value, from, size);
        switch (tensor->dtype) {
        case TUFF_I64:
            to[i] = value.i64;
            break;
        case TUFF_I32:
            to[i] = value.i32;
            break;
        case TUFF_U32:
            to[i] = value.u32;
            break;
        case TUFF_I16:
            to[i] = value.i16;
            break;
        case TUFF_U16:
            to[i] = value.u16;
            break;
        case TUFF_I8:
            to[i] = value.i8;
            break;
        case TUFF_U8:
        case TUFF_BOOL:
            to[i] = value.u8;
            break;
        default:
            return wrong_dtype(ctx, tensor, "of an integer type");
        }
    }
    return TUFF_OK;
}
