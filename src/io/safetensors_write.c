/* io/safetensors_write: streaming writer, and saving a set of tensors in one file or in shards. */
#include "base/base.h"
#include "base/json.h"
#include "base/os.h"
#include "tuff/io.h"

#include <inttypes.h>

#define SHARD_MAX_DEFAULT 5000000000u
#define PIECE 65536 /* elements converted at a time */

struct part {
    const char *name;
    enum tuff_dtype dtype;
    uint64_t begin, end; /* bytes in the data */
};

struct tuff_safetensors_writer {
    struct tuff_ctx *ctx;
    struct tuff_arena arena;
    const char *path, *temp;
    struct tuff_os_file *file;
    bool made;               /* the file `temp` exists and is ours to remove */
    enum tuff_status status; /* the first failure */
    struct part *parts;
    size_t n, at;     /* at: the first part that still lacks bytes */
    uint64_t written; /* of the data */
};

static enum tuff_status spec_size(struct tuff_ctx *ctx, const char *path,
                                  const struct tuff_tensor_spec *spec, uint64_t *size)
{
    uint64_t bytes = tuff_dtype_size(spec->dtype);
    if (!bytes || !spec->name || spec->rank < 0 || spec->rank > TUFF_FILE_RANK_MAX)
        return tuff_fail(ctx, TUFF_E_ARG, "%s: tensor \"%s\": bad dtype or rank %d", path,
                         spec->name ? spec->name : "(no name)", spec->rank);
    for (int i = 0; i < spec->rank; i++) {
        if (spec->dims[i] < 0 || (bytes && (uint64_t) spec->dims[i] > INT64_MAX / bytes))
            return tuff_fail(ctx, TUFF_E_ARG, "%s: tensor \"%s\": bad dimension %" PRId64, path,
                             spec->name, spec->dims[i]);
        bytes *= (uint64_t) spec->dims[i];
    }
    *size = bytes;
    return TUFF_OK;
}

/* {"dtype":..., "shape":[...], "data_offsets":[begin, end]} */
static json_t *entry_json(const struct tuff_tensor_spec *spec, const struct part *part)
{
    json_t *shape = json_array();
    for (int i = 0; i < spec->rank; i++)
        if (json_array_append_new(shape, json_integer(spec->dims[i])) != 0) {
            json_decref(shape);
            return NULL;
        }
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", tuff_dtype_name(spec->dtype), "shape", shape,
                     "data_offsets", (json_int_t) part->begin, (json_int_t) part->end);
}

static enum tuff_status build_header(struct tuff_safetensors_writer *writer,
                                     const struct tuff_tensor_spec *specs, json_t *header)
{
    uint64_t end = 0;
    for (size_t i = 0; i < writer->n; i++) {
        const char *name = specs[i].name;
        uint64_t size;
        TUFF_TRY(spec_size(writer->ctx, writer->path, &specs[i], &size));
        if (json_object_get(header, name))
            return tuff_fail(writer->ctx, TUFF_E_ARG, "%s: tensor name \"%s\" is taken",
                             writer->path, name);
        if (size > INT64_MAX - end)
            return tuff_fail(writer->ctx, TUFF_E_ARG, "%s: too large", writer->path);
        writer->parts[i] =
            (struct part){tuff_arena_strdup(&writer->arena, name), specs[i].dtype, end, end + size};
        end += size;
        /* The library refuses names that are not UTF-8, as JSON demands. */
        if (!writer->parts[i].name ||
            json_object_set_new(header, name, entry_json(&specs[i], &writer->parts[i])) != 0)
            return tuff_fail(writer->ctx, TUFF_E_ARG, "%s: tensor name \"%s\" cannot be written",
                             writer->path, name);
    }
    return TUFF_OK;
}

static enum tuff_status write_header(struct tuff_safetensors_writer *writer, const json_t *header)
{
    char *text = json_dumps(header, JSON_COMPACT);
    if (!text)
        return tuff_fail(writer->ctx, TUFF_E_NOMEM, "%s: out of host memory", writer->path);
    size_t n = strlen(text);
    uint64_t length = tuff_align_up(n, 8); /* so that the data starts on 8 bytes */
    tuff_os_write(writer->file, &length, sizeof length);
    tuff_os_write(writer->file, text, n);
    enum tuff_status status = tuff_os_write(writer->file, "       ", (size_t) length - n);
    free(text);
    return status;
}

enum tuff_status tuff_safetensors_create(struct tuff_ctx *ctx, const char *path,
                                         const struct tuff_tensor_spec *specs, size_t n,
                                         struct tuff_safetensors_writer **out)
{
    *out = NULL;
    struct tuff_safetensors_writer *writer = tuff_calloc(1, sizeof *writer);
    json_t *header = json_pack("{s:{s:s}}", "__metadata__", "format", "pt");
    enum tuff_status status = TUFF_OK;
    if (writer) {
        writer->ctx = ctx;
        writer->n = n;
        writer->path = tuff_arena_strdup(&writer->arena, path);
        writer->temp = tuff_arena_printf(&writer->arena, "%s.tmp", path);
        writer->parts = tuff_calloc(n, sizeof *writer->parts);
    }
    if (!writer || !header || !writer->path || !writer->temp || !writer->parts)
        status = tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", path);
    if (status == TUFF_OK)
        status = build_header(writer, specs, header);
    if (status == TUFF_OK)
        status = tuff_os_open(ctx, writer->temp, false, &writer->file);
    if (status == TUFF_OK) {
        writer->made = true;
        status = write_header(writer, header);
    }
    json_decref(header);
    if (status == TUFF_OK)
        *out = writer;
    else
        tuff_safetensors_abort(&writer);
    return status;
}

static enum tuff_status failed(struct tuff_safetensors_writer *writer, enum tuff_status status)
{
    if (writer->status == TUFF_OK)
        writer->status = status;
    return status;
}

/* Steps over the tensors that are complete, empty ones too. */
static void settle(struct tuff_safetensors_writer *writer)
{
    while (writer->at < writer->n && writer->written >= writer->parts[writer->at].end)
        writer->at++;
}

enum tuff_status tuff_safetensors_append(struct tuff_safetensors_writer *writer, const void *data,
                                         uint64_t size)
{
    if (writer->status != TUFF_OK)
        return writer->status;
    uint64_t total = writer->n ? writer->parts[writer->n - 1].end : 0;
    if (size > total - writer->written)
        return failed(writer, tuff_fail(writer->ctx, TUFF_E_RANGE,
                                        "%s: more data than its "
                                        "tensors hold (%" PRIu64 " bytes)",
                                        writer->path, total));
    writer->written += size;
    settle(writer);
    if (!size)
        return TUFF_OK;
    return failed(writer, tuff_os_write(writer->file, data, (size_t) size));
}

enum tuff_status tuff_safetensors_append_f32(struct tuff_safetensors_writer *writer,
                                             const float *values, uint64_t n)
{
    unsigned char bytes[1 << 14];
    settle(writer);
    while (n) {
        if (writer->status != TUFF_OK)
            return writer->status;
        if (writer->at == writer->n)
            return tuff_safetensors_append(writer, NULL, 1); /* which says that it is too much */
        const struct part *part = &writer->parts[writer->at];
        size_t size = tuff_dtype_size(part->dtype);
        uint64_t room = (part->end - writer->written) / size;
        size_t count = (size_t) TUFF_MIN(TUFF_MIN(n, room), sizeof bytes / size);
        if (!count || !tuff_convert_from_f32(part->dtype, values, count, bytes))
            return failed(writer,
                          tuff_fail(writer->ctx, TUFF_E_DTYPE,
                                    "%s: tensor \"%s\" is %s: "
                                    "it takes no f32 values here",
                                    writer->path, part->name, tuff_dtype_name(part->dtype)));
        TUFF_TRY(tuff_safetensors_append(writer, bytes, count * size));
        values += count;
        n -= count;
    }
    return writer->status;
}

enum tuff_status tuff_safetensors_finish(struct tuff_safetensors_writer **out)
{
    struct tuff_safetensors_writer *writer = *out;
    enum tuff_status status = writer->status;
    settle(writer);
    if (status == TUFF_OK && writer->at < writer->n)
        status = tuff_fail(writer->ctx, TUFF_E_STATE, "%s: the data of tensor \"%s\" is missing",
                           writer->path, writer->parts[writer->at].name);
    if (status == TUFF_OK)
        status = tuff_os_close(&writer->file, true);
    if (status == TUFF_OK)
        status = tuff_os_replace(writer->ctx, writer->temp, writer->path);
    writer->made = writer->made && status != TUFF_OK;
    tuff_safetensors_abort(out);
    return status;
}

void tuff_safetensors_abort(struct tuff_safetensors_writer **out)
{
    struct tuff_safetensors_writer *writer = *out;
    *out = NULL;
    if (!writer)
        return;
    tuff_os_close(&writer->file, false);
    if (writer->made)
        tuff_os_remove_tree(NULL, writer->temp);
    free(writer->parts);
    tuff_arena_fini(&writer->arena);
    free(writer);
}

/* ---- Sets of tensors ---- */

struct saving {
    struct tuff_ctx *ctx;
    const struct tuff_safetensors_save_params *params;
    const struct tuff_tensor_spec *specs;
    const char *name;
    size_t *first; /* of shard k in specs; first[n_shards] = n */
    size_t n_shards;
    void *piece; /* PIECE elements */
};

static char *shard_name(const struct saving *saving, size_t k)
{
    struct tuff_text text = {0};
    if (saving->n_shards == 1)
        tuff_text_printf(&text, "%s.safetensors", saving->name);
    else
        tuff_text_printf(&text, "%s-%05zu-of-%05zu.safetensors", saving->name, k + 1,
                         saving->n_shards);
    if (text.failed)
        tuff_text_fini(&text);
    return text.s;
}

static enum tuff_status stream_tensor(const struct saving *saving, size_t tensor,
                                      struct tuff_safetensors_writer *writer)
{
    const struct tuff_tensor_spec *spec = &saving->specs[tensor];
    bool as_f32 =
        !saving->params->as_stored && tuff_convert_from_f32(spec->dtype, NULL, 0, NULL);
    uint64_t count = 1;
    for (int i = 0; i < spec->rank; i++)
        count *= (uint64_t) spec->dims[i];
    for (uint64_t first = 0; first < count;) {
        uint64_t n = TUFF_MIN(count - first, PIECE);
        TUFF_TRY(
            saving->params->source(saving->params->source_user, tensor, first, n, saving->piece));
        if (as_f32)
            TUFF_TRY(tuff_safetensors_append_f32(writer, saving->piece, n));
        else
            TUFF_TRY(
                tuff_safetensors_append(writer, saving->piece, n * tuff_dtype_size(spec->dtype)));
        first += n;
    }
    return TUFF_OK;
}

static enum tuff_status save_shard(const struct saving *saving, size_t k)
{
    size_t from = saving->first[k], to = saving->first[k + 1];
    char *name = shard_name(saving, k);
    char *path = name ? tuff_os_path_join(saving->params->folder, name) : NULL;
    struct tuff_safetensors_writer *writer = NULL;
    enum tuff_status status =
        path ? tuff_safetensors_create(saving->ctx, path, saving->specs + from, to - from, &writer)
             : tuff_fail(saving->ctx, TUFF_E_NOMEM, "%s: out of host memory",
                         saving->params->folder);
    for (size_t i = from; i < to && status == TUFF_OK; i++)
        status = stream_tensor(saving, i, writer);
    if (status == TUFF_OK)
        status = tuff_safetensors_finish(&writer);
    tuff_safetensors_abort(&writer);
    free(path);
    free(name);
    return status;
}

static enum tuff_status save_index(const struct saving *saving, uint64_t total)
{
    json_t *map = json_object();
    bool good = map != NULL;
    for (size_t k = 0; k < saving->n_shards && good; k++) {
        char *name = shard_name(saving, k);
        good = name != NULL;
        for (size_t i = saving->first[k]; i < saving->first[k + 1] && good; i++)
            good = json_object_set_new(map, saving->specs[i].name, json_string(name)) == 0;
        free(name);
    }
    const char *folder = saving->params->folder;
    struct tuff_text path = {0};
    tuff_text_printf(&path, "%s/%s.safetensors.index.json", folder, saving->name);
    json_t *root = good ? json_pack("{s:{s:I}, s:O}", "metadata", "total_size", (json_int_t) total,
                                    "weight_map", map)
                        : NULL;
    enum tuff_status status;
    if (!root || path.failed)
        status = tuff_fail(saving->ctx, TUFF_E_NOMEM, "%s: out of host memory", folder);
    else if (json_object_size(map) != saving->first[saving->n_shards])
        status = tuff_fail(saving->ctx, TUFF_E_ARG, "%s: a tensor name is taken twice", folder);
    else
        status = tuff_json_save(saving->ctx, path.s, root);
    json_decref(root);
    json_decref(map);
    tuff_text_fini(&path);
    return status;
}

/* Greedy, in order: a tensor that would overfill the shard begins the next. */
static enum tuff_status plan_shards(struct saving *saving, size_t n, uint64_t *total)
{
    uint64_t max = saving->params->shard_max ? saving->params->shard_max : SHARD_MAX_DEFAULT;
    uint64_t filled = 0;
    saving->n_shards = 1;
    *total = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t size;
        TUFF_TRY(spec_size(saving->ctx, saving->params->folder, &saving->specs[i], &size));
        if (filled && (filled > max || size > max - filled)) {
            saving->first[saving->n_shards++] = i;
            filled = 0;
        }
        filled += size;
        *total += size;
    }
    saving->first[saving->n_shards] = n;
    return TUFF_OK;
}

static void remove_shards(const struct saving *saving, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        char *name = shard_name(saving, k);
        char *path = name ? tuff_os_path_join(saving->params->folder, name) : NULL;
        if (path)
            tuff_os_remove_tree(NULL, path);
        free(path);
        free(name);
    }
}

enum tuff_status tuff_safetensors_save(struct tuff_ctx *ctx,
                                       const struct tuff_safetensors_save_params *params,
                                       const struct tuff_tensor_spec *specs, size_t n)
{
    struct saving saving = {.ctx = ctx, .params = params, .specs = specs};
    saving.name = params->name ? params->name : "model";
    saving.first = tuff_calloc(n + 2, sizeof *saving.first);
    saving.piece = tuff_calloc(PIECE, 8);
    uint64_t total = 0;
    size_t done = 0;
    enum tuff_status status = TUFF_OK;
    if (!saving.first || !saving.piece)
        status = tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", params->folder);
    if (status == TUFF_OK)
        status = plan_shards(&saving, n, &total);
    for (; status == TUFF_OK && done < saving.n_shards; done++)
        if ((status = save_shard(&saving, done)) != TUFF_OK)
            break;
    if (status == TUFF_OK && saving.n_shards > 1)
        status = save_index(&saving, total);
    if (status != TUFF_OK)
        remove_shards(&saving, done);
    free(saving.first);
    free(saving.piece);
    return status;
}
