/* io/weights_file: files of weights of every format: which one it is, shards, names. */
#include "io/weights_file.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "files are read as they lie: no swaps");

const char *tuff_shown(const char *name, char buffer[80])
{
    size_t n = 0;
    for (; name[n] && n < 72; n++)
        buffer[n] = (unsigned char) name[n] < 32 || name[n] == 127 ? '?' : name[n];
    strcpy(buffer + n, name[n] ? "..." : "");
    return buffer;
}

static int by_name(const void *a, const void *b)
{
    const struct tuff_weights_entry *x = a, *y = b;
    return strcmp(x->tensor.name, y->tensor.name);
}

struct tuff_weights_entry *tuff_weights_add(struct tuff_weights_file *file, const char *name)
{
    struct tuff_weights_entry *entry = TUFF_PUSH(&file->entries);
    if (!entry || !(entry->tensor.name = tuff_arena_strdup(&file->arena, name)))
        return NULL;
    entry->shard = file->maps.n;
    return entry;
}

bool tuff_weights_shape(struct tuff_file_tensor *tensor, int rank, const int64_t *dims)
{
    uint64_t size = tuff_dtype_size(tensor->dtype), count = 1;
    for (int i = 0; i < rank; i++) {
        if (dims[i] < 0 || (count && (uint64_t) dims[i] > INT64_MAX / size / count))
            return false;
        tensor->dims[i] = dims[i];
        count *= (uint64_t) dims[i];
    }
    tensor->rank = rank;
    tensor->count = count;
    tensor->size = count * size;
    return true;
}

/* By its first bytes: torch.save writes a zip archive, before 1.6 a pickle of protocol 2. */
static enum tuff_status read_file(struct tuff_ctx *ctx, struct tuff_weights_file *file,
                                  const char *path, const uint8_t *bytes, size_t size)
{
    bool zip = size >= 4 && !memcmp(bytes, "PK\3\4", 4);
    bool pickle = size >= 2 && !memcmp(bytes, "\x80\2", 2) && (size < 8 || bytes[7]);
    return (zip || pickle ? tuff_torch_read : tuff_safetensors_read)(ctx, file, path, bytes, size);
}

static enum tuff_status map_file(struct tuff_ctx *ctx, struct tuff_weights_file *file,
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
static enum tuff_status sort_names(struct tuff_ctx *ctx, const struct tuff_weights_file *file,
                                   const char *path)
{
    char name[80];
    if (file->entries.n)
        qsort(file->entries.items, file->entries.n, sizeof *file->entries.items, by_name);
    for (size_t i = 1; i < file->entries.n; i++)
        if (!by_name(&file->entries.items[i - 1], &file->entries.items[i]))
            return tuff_fail(ctx, TUFF_E_FORMAT, "%s: tensor \"%s\" is there twice", path,
                             tuff_shown(file->entries.items[i].tensor.name, name));
    return TUFF_OK;
}

static const struct tuff_weights_entry *find(const struct tuff_weights_file *file, const char *name)
{
    struct tuff_weights_entry key = {.tensor.name = name};
    return file->entries.n ? bsearch(&key, file->entries.items, file->entries.n,
                                     sizeof *file->entries.items, by_name)
                           : NULL;
}

/* Opens the shards an index names, each once; `order` receives shard name -> its number. */
static enum tuff_status open_shards(struct tuff_ctx *ctx, struct tuff_weights_file *file,
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
                             tuff_shown(key, name));
        if (json_object_get(order, shard))
            continue;
        char *full = tuff_arena_printf(&file->arena, "%.*s%s", folder, path, shard);
        if (!full || json_object_set_new(order, shard, json_integer((json_int_t) file->maps.n)))
            return tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", path);
        TUFF_TRY(map_file(ctx, file, full));
    }
    return TUFF_OK;
}

static enum tuff_status check_index(struct tuff_ctx *ctx, const struct tuff_weights_file *file,
                                    const char *path, json_t *weight_map, const json_t *order)
{
    char name[80];
    const char *key;
    json_t *value;
    json_object_foreach(weight_map, key, value)
    {
        const struct tuff_weights_entry *entry = find(file, key);
        const json_t *shard = json_object_get(order, json_string_value(value));
        if (!entry || entry->shard != (size_t) json_integer_value(shard))
            return tuff_fail(ctx, TUFF_E_FORMAT, "%s: tensor \"%s\" is not in %s", path,
                             tuff_shown(key, name), json_string_value(value));
    }
    return TUFF_OK;
}

static enum tuff_status open_index(struct tuff_ctx *ctx, struct tuff_weights_file *file,
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

static enum tuff_status open_path(struct tuff_ctx *ctx, struct tuff_weights_file *file,
                                  const char *path)
{
    static const char *const names[] = {"model.safetensors", "model.safetensors.index.json",
                                        "pytorch_model.bin", "pytorch_model.bin.index.json"};
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
            return tuff_fail(ctx, TUFF_E_IO, "%s: the folder has neither %s nor %s, nor an index",
                             path, names[0], names[2]);
        path = found;
    }
    if (ends_with(path, ".index.json"))
        return open_index(ctx, file, path);
    TUFF_TRY(map_file(ctx, file, path));
    return sort_names(ctx, file, path);
}

enum tuff_status tuff_weights_open(struct tuff_ctx *ctx, const char *path,
                                   struct tuff_weights_file **out)
{
    *out = NULL;
    struct tuff_weights_file *file = tuff_calloc(1, sizeof *file);
    if (!file)
        return tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", path);
    enum tuff_status status = open_path(ctx, file, path);
    if (status == TUFF_OK)
        *out = file;
    else
        tuff_weights_close(file);
    return status;
}

enum tuff_status tuff_weights_open_memory(struct tuff_ctx *ctx, const char *name,
                                          const void *data, size_t size,
                                          struct tuff_weights_file **out)
{
    *out = NULL;
    struct tuff_weights_file *file = tuff_calloc(1, sizeof *file);
    if (!file)
        return tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", name);
    enum tuff_status status = read_file(ctx, file, name, data, size);
    if (status == TUFF_OK)
        status = sort_names(ctx, file, name);
    if (status == TUFF_OK)
        *out = file;
    else
        tuff_weights_close(file);
    return status;
}

void tuff_weights_close(struct tuff_weights_file *file)
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

size_t tuff_weights_count(const struct tuff_weights_file *file)
{
    return file->entries.n;
}

const struct tuff_file_tensor *tuff_weights_get(const struct tuff_weights_file *file, size_t i)
{
    return i < file->entries.n ? &file->entries.items[i].tensor : NULL;
}

const struct tuff_file_tensor *tuff_weights_find(const struct tuff_weights_file *file,
                                                 const char *name)
{
    const struct tuff_weights_entry *entry = find(file, name);
    return entry ? &entry->tensor : NULL;
}

const char *tuff_weights_metadata(const struct tuff_weights_file *file, const char *key)
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
                         tuff_shown(tensor->name, name), (unsigned long long) first,
                         (unsigned long long) n, (unsigned long long) tensor->count);
    return TUFF_OK;
}

static enum tuff_status wrong_dtype(struct tuff_ctx *ctx, const struct tuff_file_tensor *tensor,
                                    const char *wanted)
{
    char name[80];
    return tuff_fail(ctx, TUFF_E_DTYPE, "tensor \"%s\" is %s, not %s",
                     tuff_shown(tensor->name, name), tuff_dtype_name(tensor->dtype), wanted);
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
