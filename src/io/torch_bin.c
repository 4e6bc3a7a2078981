/* io/torch_bin: what torch.save writes of a state dict, read without executing anything.
 *
 * Since PyTorch 1.6 a zip archive: NAME/data.pkl, a pickle in which each tensor is a call of
 * _rebuild_tensor_v2(storage, offset, sizes, strides, ...) and each storage a persistent id
 * ("storage", type, key, device, elements), and NAME/data/KEY, the bytes of a storage. Before that
 * five pickles one after another (magic number, version, system, the state dict, the list of keys)
 * and then, in the order of that list, each storage as a count of 8 bytes and its elements. */
#include "io/pickle.h"
#include "io/weights_file.h"
#include "io/zip.h"

typedef struct tuff_pickle_value value;

/* The names a weights file may use; all else is refused. */
enum known { TENSOR_V1, TENSOR_V2, TENSOR_V3, PARAMETER, ORDERED_DICT, STORAGE, UNTYPED, DTYPE };
static const struct {
    const char *name;
    enum known known;
    enum tuff_dtype dtype;
} names[] = {
    {"torch._utils _rebuild_tensor", TENSOR_V1, 0},
    {"torch._utils _rebuild_tensor_v2", TENSOR_V2, 0},
    {"torch._utils _rebuild_tensor_v3", TENSOR_V3, 0},
    {"torch._utils _rebuild_parameter", PARAMETER, 0},
    {"collections OrderedDict", ORDERED_DICT, 0},
    {"torch FloatStorage", STORAGE, TUFF_F32},
    {"torch HalfStorage", STORAGE, TUFF_F16},
    {"torch BFloat16Storage", STORAGE, TUFF_BF16},
    {"torch DoubleStorage", STORAGE, TUFF_F64},
    {"torch LongStorage", STORAGE, TUFF_I64},
    {"torch IntStorage", STORAGE, TUFF_I32},
    {"torch ShortStorage", STORAGE, TUFF_I16},
    {"torch CharStorage", STORAGE, TUFF_I8},
    {"torch ByteStorage", STORAGE, TUFF_U8},
    {"torch BoolStorage", STORAGE, TUFF_BOOL},
    {"torch.storage UntypedStorage", UNTYPED, TUFF_U8},
    {"torch float32", DTYPE, TUFF_F32},
    {"torch float16", DTYPE, TUFF_F16},
    {"torch bfloat16", DTYPE, TUFF_BF16},
    {"torch float64", DTYPE, TUFF_F64},
    {"torch int64", DTYPE, TUFF_I64},
    {"torch int32", DTYPE, TUFF_I32},
    {"torch int16", DTYPE, TUFF_I16},
    {"torch int8", DTYPE, TUFF_I8},
    {"torch uint8", DTYPE, TUFF_U8},
    {"torch bool", DTYPE, TUFF_BOOL},
    {"torch uint16", DTYPE, TUFF_U16},
    {"torch uint32", DTYPE, TUFF_U32},
};

struct storage {
    const char *key;
    enum tuff_dtype dtype;
    const uint8_t *data; /* NULL: not found yet */
    uint64_t bytes;
};

/* A tensor as the pickle describes it, nothing of it checked but the kinds of the values. */
struct rebuilt {
    struct storage *storage;
    enum tuff_dtype dtype;
    int64_t offset;
    const value *sizes, *strides;
};

struct reader {
    struct tuff_ctx *ctx;
    struct tuff_weights_file *file;
    const char *path;
    size_t size;             /* of the file */
    const struct tuff_zip *zip; /* NULL: the older form */
    const char *prefix;         /* of names in the archive */
    struct {
        struct storage **items;
        size_t n, cap;
    } storages; /* of the older form */
    struct tuff_arena scratch; /* what the pickle says: not needed later */
    uint64_t copied; /* bytes of tensors that did not lie in order */
};

static enum tuff_status no_memory(const struct reader *r)
{
    return tuff_fail(r->ctx, TUFF_E_NOMEM, "%s: out of host memory", r->path);
}

static enum tuff_status broken(const struct reader *r, const char *what)
{
    return tuff_fail(r->ctx, TUFF_E_FORMAT, "%s: in its pickle: %s", r->path, what);
}

/* ---- what the pickle may name and call ---- */

static enum tuff_status on_global(void *user, value *v)
{
    const struct reader *r = user;
    for (size_t i = 0; i < TUFF_COUNT(names); i++)
        if (!strcmp(names[i].name, v->text)) {
            v->integer = (int64_t) i;
            return TUFF_OK;
        }
    return tuff_fail(r->ctx, TUFF_E_UNSUPPORTED,
                     "%s: its pickle names \"%s\", which is not one of the tensor rebuilders: "
                     "refused, nothing was executed; save the state dict alone, or as safetensors",
                     r->path, v->text);
}

static bool is_known(const value *v, enum known known)
{
    return v->kind == TUFF_PICKLE_GLOBAL && names[v->integer].known == known;
}

static enum tuff_status rebuild(struct reader *r, const value *args, enum known form,
                                value *result)
{
    value *const *in = args->items;
    if (args->n < (form == TENSOR_V1 ? 4u : form == TENSOR_V2 ? 6u : 7u) ||
        in[0]->kind != TUFF_PICKLE_OBJECT || !in[0]->integer || in[1]->kind != TUFF_PICKLE_INT ||
        in[2]->kind != TUFF_PICKLE_TUPLE || in[3]->kind != TUFF_PICKLE_TUPLE ||
        (form == TENSOR_V3 && !is_known(in[6], DTYPE)))
        return broken(r, "a tensor with arguments of other kinds");
    struct rebuilt *tensor = tuff_arena_alloc(&r->scratch, sizeof *tensor);
    if (!tensor)
        return no_memory(r);
    tensor->storage = in[0]->object;
    tensor->dtype = form == TENSOR_V3 ? names[in[6]->integer].dtype : tensor->storage->dtype;
    tensor->offset = in[1]->integer;
    tensor->sizes = in[2];
    tensor->strides = in[3];
    result->kind = TUFF_PICKLE_OBJECT;
    result->object = tensor;
    return TUFF_OK;
}

/* Objects are storages (integer 1) and tensors (integer 0). */
static bool is_tensor(const value *v)
{
    return v->kind == TUFF_PICKLE_OBJECT && !v->integer;
}

static enum tuff_status on_call(void *user, const value *callee, const value *args, value *result)
{
    struct reader *r = user;
    enum known known = names[callee->integer].known;
    switch (known) {
    case TENSOR_V1:
    case TENSOR_V2:
    case TENSOR_V3:
        return rebuild(r, args, known, result);
    case PARAMETER: /* of a tensor: the tensor */
        if (args->n < 1 || !is_tensor(args->items[0]))
            return broken(r, "a parameter that is no tensor");
        *result = *args->items[0];
        return TUFF_OK;
    case ORDERED_DICT:
        if (args->n)
            return broken(r, "an ordered dict made of arguments");
        result->kind = TUFF_PICKLE_DICT;
        return TUFF_OK;
    default:
        return broken(r, "calls a type");
    }
}

static enum tuff_status on_persistent(void *user, const value *id, value *result)
{
    struct reader *r = user;
    value *const *in = id->items;
    if (id->kind != TUFF_PICKLE_TUPLE || id->n < 5 || in[0]->kind != TUFF_PICKLE_TEXT ||
        strcmp(in[0]->text, "storage") || !(is_known(in[1], STORAGE) || is_known(in[1], UNTYPED)) ||
        in[2]->kind != TUFF_PICKLE_TEXT || strlen(in[2]->text) != in[2]->n ||
        in[4]->kind != TUFF_PICKLE_INT)
        return broken(r, "a persistent id that is no storage");
    if (id->n > 5 && in[5]->kind != TUFF_PICKLE_NONE)
        return tuff_fail(r->ctx, TUFF_E_UNSUPPORTED,
                         "%s: a view of a storage, as PyTorch before 0.4 saved them", r->path);
    struct storage *storage = tuff_arena_alloc(&r->scratch, sizeof *storage);
    if (!storage)
        return no_memory(r);
    storage->key = in[2]->text;
    storage->dtype = names[in[1]->integer].dtype;
    if (r->zip) {
        char name[512], shown[80];
        snprintf(name, sizeof name, "%sdata/%s", r->prefix, storage->key);
        const struct tuff_zip_entry *entry = tuff_zip_find(r->zip, name);
        if (!entry)
            return tuff_fail(r->ctx, TUFF_E_FORMAT, "%s: has no \"%s\", which its pickle names",
                             r->path, tuff_shown(name, shown));
        storage->data = entry->data;
        storage->bytes = entry->size;
    } else {
        struct storage **slot = TUFF_PUSH(&r->storages);
        if (!slot)
            return no_memory(r);
        *slot = storage;
    }
    result->kind = TUFF_PICKLE_OBJECT;
    result->integer = 1;
    result->object = storage;
    return TUFF_OK;
}

static enum tuff_status read_pickle(struct reader *r, const uint8_t *bytes, size_t size,
                                    size_t *used, value **root)
{
    struct tuff_pickle_params params = {.name = r->path, .arena = &r->scratch,
                                        .global = on_global, .call = on_call,
                                        .persistent = on_persistent, .user = r};
    return tuff_pickle_read(r->ctx, &params, bytes, size, used, root);
}

/* ---- tensors ---- */

/* Row-major order from strides that are any: element i of the tensor to place i. */
static void gather(const struct rebuilt *t, const struct tuff_file_tensor *tensor,
                   const uint8_t *from, uint8_t *to)
{
    size_t size = tuff_dtype_size(t->dtype);
    int64_t index[TUFF_FILE_RANK_MAX] = {0}, at = 0;
    for (uint64_t i = 0; i < tensor->count; i++) {
        memcpy(to + i * size, from + (uint64_t) at * size, size);
        for (int k = tensor->rank - 1; k >= 0; k--) {
            int64_t stride = t->strides->items[k]->integer;
            at += stride;
            if (++index[k] < tensor->dims[k])
                break;
            at -= stride * tensor->dims[k];
            index[k] = 0;
        }
    }
}

/* *last: the highest element reached, counted from the offset. false: beyond int64, or negative. */
static bool reach(const struct rebuilt *t, const struct tuff_file_tensor *tensor, bool *contiguous,
                  uint64_t *last)
{
    uint64_t expected = 1;
    *last = 0;
    *contiguous = true;
    for (int k = tensor->rank - 1; k >= 0; k--) {
        int64_t stride = t->strides->items[k]->integer;
        if (t->strides->items[k]->kind != TUFF_PICKLE_INT || stride < 0)
            return false;
        uint64_t steps = (uint64_t) tensor->dims[k] - 1;
        if (steps && (uint64_t) stride > (INT64_MAX - *last) / steps)
            return false;
        *last += steps * (uint64_t) stride;
        *contiguous &= !steps || (uint64_t) stride == expected;
        expected *= (uint64_t) tensor->dims[k];
    }
    return true;
}

static enum tuff_status misfit(const struct reader *r, const char *name, const char *what)
{
    char shown[80];
    return tuff_fail(r->ctx, TUFF_E_FORMAT, "%s: tensor \"%s\" %s", r->path,
                     tuff_shown(name, shown), what);
}

static enum tuff_status place(struct reader *r, const struct rebuilt *t,
                              struct tuff_file_tensor *tensor)
{
    uint64_t size = tuff_dtype_size(tensor->dtype), elements = t->storage->bytes / size, last;
    bool contiguous;
    if (!tensor->count) {
        tensor->data = "";
        return TUFF_OK;
    }
    if (t->offset < 0 || !reach(t, tensor, &contiguous, &last) || last >= elements ||
        (uint64_t) t->offset > elements - 1 - last)
        return misfit(r, tensor->name, "reaches beyond its storage: broken, or cut short");
    const uint8_t *from = t->storage->data + (uint64_t) t->offset * size;
    tensor->data = from;
    if (contiguous)
        return TUFF_OK;
    /* A transposed view takes as many bytes as its storage at most; an expanded one could take any
     * number, and many views of one storage too. */
    if (tensor->size > r->size - r->copied)
        return misfit(r, tensor->name, "is a view that takes more bytes than the file; save a "
                                       "contiguous copy");
    r->copied += tensor->size;
    uint8_t *copy = tuff_arena_alloc(&r->file->arena, (size_t) tensor->size);
    if (!copy)
        return no_memory(r);
    gather(t, tensor, from, copy);
    tensor->data = copy;
    return TUFF_OK;
}

static enum tuff_status add_tensor(struct reader *r, const value *name, const struct rebuilt *t)
{
    if (strlen(name->text) != name->n)
        return broken(r, "a tensor name with a NUL in it");
    struct tuff_weights_entry *entry = tuff_weights_add(r->file, name->text);
    if (!entry)
        return no_memory(r);
    entry->tensor.dtype = t->dtype;
    if (t->sizes->n > TUFF_FILE_RANK_MAX)
        return misfit(r, name->text, "has more than 8 dimensions");
    int64_t dims[TUFF_FILE_RANK_MAX];
    for (size_t i = 0; i < t->sizes->n; i++)
        dims[i] = t->sizes->items[i]->kind == TUFF_PICKLE_INT ? t->sizes->items[i]->integer : -1;
    if (t->strides->n != t->sizes->n ||
        !tuff_weights_shape(&entry->tensor, (int) t->sizes->n, dims))
        return misfit(r, name->text, "has a shape that makes no sense");
    return place(r, t, &entry->tensor);
}

/* The dict that holds tensors: the root, or what training programs call it there. */
static const value *state_dict(const value *root)
{
    static const char *const inner[] = {"state_dict", "model_state_dict", "model", "module"};
    for (int depth = 0; depth < 3; depth++) {
        const value *next = NULL;
        for (size_t i = 0; i < TUFF_COUNT(inner) && !next; i++)
            next = tuff_pickle_find(root, inner[i]);
        if (!next || next->kind != TUFF_PICKLE_DICT)
            break;
        root = next;
    }
    return root;
}

static enum tuff_status collect(struct reader *r, const value *root)
{
    const value *dict = state_dict(root);
    size_t before = r->file->entries.n;
    for (size_t i = 0; dict->kind == TUFF_PICKLE_DICT && i + 1 < dict->n; i += 2)
        if (dict->items[i]->kind == TUFF_PICKLE_TEXT && is_tensor(dict->items[i + 1]))
            TUFF_TRY(add_tensor(r, dict->items[i], dict->items[i + 1]->object));
    return r->file->entries.n > before
               ? TUFF_OK
               : tuff_fail(r->ctx, TUFF_E_FORMAT, "%s: holds no state dict of named tensors",
                           r->path);
}

/* ---- the two containers ---- */

static enum tuff_status read_zip(struct reader *r, const uint8_t *bytes, size_t size)
{
    struct tuff_zip zip;
    TUFF_TRY(tuff_zip_open(r->ctx, r->path, bytes, size, &r->scratch, &zip));
    const struct tuff_zip_entry *pickle = NULL;
    size_t prefix = 0;
    for (size_t i = 0; i < zip.n && !pickle; i++) {
        const char *slash = strchr(zip.items[i].name, '/');
        if (slash && !strcmp(slash, "/data.pkl")) {
            pickle = &zip.items[i];
            prefix = (size_t) (slash + 1 - zip.items[i].name);
        }
    }
    if (!pickle)
        return tuff_fail(r->ctx, TUFF_E_FORMAT,
                         "%s: a zip archive without data.pkl: not a file of torch.save", r->path);
    r->zip = &zip;
    r->prefix = tuff_arena_printf(&r->scratch, "%.*s", (int) prefix, pickle->name);
    char *name = tuff_arena_printf(&r->scratch, "%.*sbyteorder", (int) prefix, pickle->name);
    if (!r->prefix || !name)
        return no_memory(r);
    const struct tuff_zip_entry *order = tuff_zip_find(&zip, name);
    if (order && (order->size < 6 || memcmp(order->data, "little", 6)))
        return tuff_fail(r->ctx, TUFF_E_UNSUPPORTED, "%s: its bytes are not in little-endian order",
                         r->path);
    size_t used;
    value *root;
    TUFF_TRY(read_pickle(r, pickle->data, pickle->size, &used, &root));
    return collect(r, root);
}

static int by_key(const void *a, const void *b)
{
    return strcmp((*(struct storage *const *) a)->key, (*(struct storage *const *) b)->key);
}

/* Gives every storage of that key its place; they must agree on the type. */
static enum tuff_status set_place(struct reader *r, const char *key, const uint8_t *bytes,
                                  size_t size, size_t *at)
{
    uint64_t count;
    size_t low = 0, high = r->storages.n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (strcmp(r->storages.items[middle]->key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    struct storage **s = r->storages.items + low;
    if (low == r->storages.n || strcmp(s[0]->key, key) || s[0]->data)
        return broken(r, "a storage that no tensor names, or one twice");
    if (size - *at < sizeof count)
        return broken(r, "the file is cut short");
    memcpy(&count, bytes + *at, sizeof count);
    *at += sizeof count;
    uint64_t element = tuff_dtype_size(s[0]->dtype);
    if (count > (size - *at) / element)
        return broken(r, "a storage reaches beyond the end: the file is cut short");
    for (size_t i = low; i < r->storages.n && !strcmp(r->storages.items[i]->key, key); i++) {
        if (r->storages.items[i]->dtype != s[0]->dtype)
            return broken(r, "a storage of two types");
        r->storages.items[i]->data = bytes + *at;
        r->storages.items[i]->bytes = count * element;
    }
    *at += (size_t) (count * element);
    return TUFF_OK;
}

static enum tuff_status read_legacy(struct reader *r, const uint8_t *bytes, size_t size)
{
    static const uint8_t magic[] = {0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19};
    value *parts[5];
    size_t at = 0;
    for (size_t i = 0; i < TUFF_COUNT(parts); i++) {
        size_t used;
        TUFF_TRY(read_pickle(r, bytes + at, size - at, &used, &parts[i]));
        at += used;
        if (i == 0 && (parts[0]->kind != TUFF_PICKLE_BIG || parts[0]->n != sizeof magic ||
                       memcmp(parts[0]->text, magic, sizeof magic)))
            return tuff_fail(r->ctx, TUFF_E_FORMAT, "%s: a pickle, but not a file of torch.save",
                             r->path);
    }
    const value *keys = parts[4], *little = tuff_pickle_find(parts[2], "little_endian");
    if (!little || little->kind != TUFF_PICKLE_BOOL || !little->integer)
        return tuff_fail(r->ctx, TUFF_E_UNSUPPORTED, "%s: its bytes are not in little-endian order",
                         r->path);
    if (keys->kind != TUFF_PICKLE_LIST)
        return broken(r, "no list of storages");
    if (r->storages.n)
        qsort(r->storages.items, r->storages.n, sizeof *r->storages.items, by_key);
    for (size_t i = 0; i < keys->n; i++) {
        if (keys->items[i]->kind != TUFF_PICKLE_TEXT)
            return broken(r, "no list of storages");
        TUFF_TRY(set_place(r, keys->items[i]->text, bytes, size, &at));
    }
    for (size_t i = 0; i < r->storages.n; i++)
        if (!r->storages.items[i]->data)
            return broken(r, "a storage that is not in the file");
    return collect(r, parts[3]);
}

enum tuff_status tuff_torch_read(struct tuff_ctx *ctx, struct tuff_weights_file *file,
                                 const char *path, const uint8_t *bytes, size_t size)
{
    struct reader r = {.ctx = ctx, .file = file, .path = path, .size = size};
    enum tuff_status status = size && bytes[0] == 'P' ? read_zip(&r, bytes, size)
                                                      : read_legacy(&r, bytes, size);
    free(r.storages.items);
    tuff_arena_fini(&r.scratch);
    return status;
}
