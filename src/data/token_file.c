/* data/token_file: writing, opening and reading token files. The layout is in tuff/data.h. */
#include "base/base.h"
#include "base/hash.h"
#include "base/os.h"
#include "tuff/data.h"

#include <inttypes.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "files are read as they lie: no swaps");

struct header {
    char magic[8];
    uint32_t version, token_size;
    struct tuff_token_info info;
    uint64_t zeros[6];
    uint64_t checksum;
};
_Static_assert(sizeof(struct header) == 128 && offsetof(struct header, checksum) == 120, "layout");
_Static_assert(offsetof(struct header, info) == 16 &&
                   offsetof(struct tuff_token_info, checksum) == 48,
               "layout");

static const char magic[8] = {'T', 'U', 'F', 'F', 'T', 'O', 'K', '1'};

struct tuff_token_writer {
    struct tuff_ctx *ctx;
    struct tuff_arena arena;
    const char *path, *temp;
    struct tuff_os_file *file;
    bool made;  /* `temp` exists and is ours to remove */
    bool split; /* the validation part has begun */
    enum tuff_status status;
    struct header header;
};

enum tuff_status tuff_token_writer_create(struct tuff_ctx *ctx, const char *path, uint64_t vocab,
                                          uint64_t tokenizer_hash, struct tuff_token_writer **out)
{
    *out = NULL;
    if (!vocab || vocab > UINT32_MAX)
        return tuff_fail(ctx, TUFF_E_ARG, "%s: a vocabulary of %" PRIu64 " tokens", path, vocab);
    struct tuff_token_writer *writer = tuff_calloc(1, sizeof *writer);
    if (!writer)
        return tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", path);
    writer->ctx = ctx;
    writer->path = tuff_arena_strdup(&writer->arena, path);
    writer->temp = tuff_arena_printf(&writer->arena, "%s.tmp", path);
    memcpy(writer->header.magic, magic, sizeof magic);
    writer->header.version = 1;
    writer->header.token_size = vocab <= 65536 ? 2 : 4;
    writer->header.info.vocab = vocab;
    writer->header.info.tokenizer_hash = tokenizer_hash;
    enum tuff_status status = writer->path && writer->temp
                                  ? tuff_os_open(ctx, writer->temp, false, &writer->file)
                                  : tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", path);
    if (status == TUFF_OK) {
        writer->made = true;
        /* The place of the header; the counts are known at the end. */
        status = tuff_os_write(writer->file, &(struct header){{0}, 0, 0, {0}, {0}, 0},
                               sizeof writer->header);
    }
    if (status == TUFF_OK)
        *out = writer;
    else
        tuff_token_writer_abort(&writer);
    return status;
}

static enum tuff_status failed(struct tuff_token_writer *writer, enum tuff_status status)
{
    if (writer->status == TUFF_OK)
        writer->status = status;
    return status;
}

enum tuff_status tuff_token_writer_append(struct tuff_token_writer *writer, const uint32_t *tokens,
                                          size_t n, uint64_t text_bytes)
{
    struct tuff_token_info *info = &writer->header.info;
    uint16_t narrow[4096];
    for (size_t at = 0; at < n && writer->status == TUFF_OK;) {
        size_t piece = TUFF_MIN(n - at, TUFF_COUNT(narrow));
        for (size_t i = 0; i < piece; i++) {
            if (tokens[at + i] >= info->vocab)
                return failed(writer, tuff_fail(writer->ctx, TUFF_E_RANGE,
                                                "%s: token %" PRIu32 " in a vocabulary of %" PRIu64,
                                                writer->path, tokens[at + i], info->vocab));
            narrow[i] = (uint16_t) tokens[at + i];
        }
        if (writer->header.token_size == 2)
            failed(writer, tuff_os_write(writer->file, narrow, piece * 2));
        else
            failed(writer, tuff_os_write(writer->file, tokens + at, piece * 4));
        at += piece;
    }
    info->count += n;
    *(writer->split ? &info->validation_bytes : &info->train_bytes) += text_bytes;
    return writer->status;
}

enum tuff_status tuff_token_writer_validation(struct tuff_token_writer *writer)
{
    if (writer->split)
        return failed(writer, tuff_fail(writer->ctx, TUFF_E_STATE,
                                        "%s: the validation part began already", writer->path));
    writer->split = true;
    writer->header.info.train = writer->header.info.count;
    return writer->status;
}

/* With all tokens on disk: their checksum, and the header in its place. */
static enum tuff_status seal(struct tuff_token_writer *writer)
{
    struct header *header = &writer->header;
    struct tuff_map map;
    if (!header->info.count)
        return tuff_fail(writer->ctx, TUFF_E_ARG, "%s: the data has not one token", writer->path);
    if (!writer->split)
        header->info.train = header->info.count;
    TUFF_TRY(tuff_os_close(&writer->file, false)); /* the patch below syncs */
    TUFF_TRY(tuff_os_map(writer->ctx, writer->temp, &map));
    bool whole = map.size == sizeof *header + header->info.count * header->token_size;
    if (whole)
        header->info.checksum = tuff_hash(map.data + sizeof *header, map.size - sizeof *header, 0);
    tuff_os_unmap(&map);
    if (!whole)
        return tuff_fail(writer->ctx, TUFF_E_IO, "%s: changed while being written", writer->temp);
    header->checksum = tuff_hash(header, offsetof(struct header, checksum), 0);
    TUFF_TRY(tuff_os_patch(writer->ctx, writer->temp, 0, header, sizeof *header));
    return tuff_os_replace(writer->ctx, writer->temp, writer->path);
}

enum tuff_status tuff_token_writer_finish(struct tuff_token_writer **out)
{
    struct tuff_token_writer *writer = *out;
    enum tuff_status status = writer->status != TUFF_OK ? writer->status : seal(writer);
    writer->made = status != TUFF_OK;
    tuff_token_writer_abort(out);
    return status;
}

void tuff_token_writer_abort(struct tuff_token_writer **out)
{
    struct tuff_token_writer *writer = *out;
    *out = NULL;
    if (!writer)
        return;
    tuff_os_close(&writer->file, false);
    if (writer->made)
        tuff_os_remove_tree(NULL, writer->temp);
    tuff_arena_fini(&writer->arena);
    free(writer);
}

/* ---- Reading ---- */

struct tuff_token_file {
    struct tuff_map map;
    struct header header;
    char *path;
};

static enum tuff_status check_header(struct tuff_ctx *ctx, const char *path, size_t size,
                                     const struct header *header)
{
    const struct tuff_token_info *info = &header->info;
    if (memcmp(header->magic, magic, sizeof magic))
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: not a token file", path);
    if (header->version != 1)
        return tuff_fail(ctx, TUFF_E_UNSUPPORTED,
                         "%s: token file of version %" PRIu32 "; this "
                         "program reads version 1",
                         path, header->version);
    if (header->checksum != tuff_hash(header, offsetof(struct header, checksum), 0))
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: its header is damaged: make it again", path);
    /* The checksum is no secret: a file may lie with a right one. */
    uint64_t token = header->token_size, payload = size - sizeof *header;
    if ((token != 2 && token != 4) || !info->vocab || info->vocab > UINT32_MAX ||
        (token == 2 && info->vocab > 65536) || info->train > info->count || !info->count)
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: its header contradicts itself", path);
    if (payload % token || payload / token != info->count)
        return tuff_fail(ctx, TUFF_E_FORMAT,
                         "%s: %" PRIu64 " bytes of tokens, the header counts %" PRIu64
                         " tokens of %" PRIu64 " bytes: make it again",
                         path, payload, info->count, token);
    return TUFF_OK;
}

enum tuff_status tuff_token_file_open(struct tuff_ctx *ctx, const char *path, bool verify,
                                      struct tuff_token_file **out)
{
    *out = NULL;
    struct tuff_token_file *file = tuff_calloc(1, sizeof *file);
    if (!file || !(file->path = strdup(path))) {
        free(file);
        return tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", path);
    }
    enum tuff_status status = tuff_os_map(ctx, path, &file->map);
    if (status == TUFF_OK && file->map.size < sizeof file->header)
        status = tuff_fail(ctx, TUFF_E_FORMAT, "%s: only %zu bytes: not a token file", path,
                           file->map.size);
    if (status == TUFF_OK) {
        memcpy(&file->header, file->map.data, sizeof file->header);
        status = check_header(ctx, path, file->map.size, &file->header);
    }
    if (status == TUFF_OK && verify)
        status = tuff_token_file_verify(ctx, file);
    if (status == TUFF_OK)
        *out = file;
    else
        tuff_token_file_close(file);
    return status;
}

enum tuff_status tuff_token_file_verify(struct tuff_ctx *ctx, const struct tuff_token_file *file)
{
    size_t start = sizeof file->header;
    if (tuff_hash(file->map.data + start, file->map.size - start, 0) != file->header.info.checksum)
        return tuff_fail(ctx, TUFF_E_FORMAT,
                         "%s: its tokens do not match their checksum: make it "
                         "again",
                         file->path);
    return TUFF_OK;
}

void tuff_token_file_close(struct tuff_token_file *file)
{
    if (!file)
        return;
    tuff_os_unmap(&file->map);
    free(file->path);
    free(file);
}

const struct tuff_token_info *tuff_token_file_info(const struct tuff_token_file *file)
{
    return &file->header.info;
}

enum tuff_status tuff_token_file_read(struct tuff_ctx *ctx, const struct tuff_token_file *file,
                                      uint64_t first, uint64_t n, uint32_t *to)
{
    const struct tuff_token_info *info = &file->header.info;
    if (first > info->count || n > info->count - first)
        return tuff_fail(ctx, TUFF_E_RANGE,
                         "%s: tokens %" PRIu64 " + %" PRIu64 " asked for, it has"
                         " %" PRIu64,
                         file->path, first, n, info->count);
    const uint8_t *at = file->map.data + sizeof file->header + first * file->header.token_size;
    uint32_t largest = 0;
    for (uint64_t i = 0; i < n; i++, at += file->header.token_size) {
        uint32_t token = 0;
        memcpy(&token, at, file->header.token_size);
        to[i] = token;
        largest = TUFF_MAX(largest, token);
    }
    if (n && largest >= info->vocab)
        return tuff_fail(ctx, TUFF_E_FORMAT,
                         "%s: token %" PRIu32 " in a vocabulary of %" PRIu64
                         ": the file is damaged, make it again",
                         file->path, largest, info->vocab);
    return TUFF_OK;
}
