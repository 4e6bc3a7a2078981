/* train/run_data: RUN/data.tok, the run's text as tokens. */
#include "base/hash.h"
#include "base/os.h"
#include "data/corpus.h"
#include "train/run.h"
#include "tuff/dataset.h"

#define PIECE ((size_t) 8 << 20) /* bytes encoded at a time, and a line more */

uint64_t tuff_run_vocabulary(const struct tuff_tokenizer *tokenizer)
{
    uint64_t hash = 0;
    for (uint32_t id = 0; id < tuff_tokenizer_vocab_size(tokenizer); id++) {
        const char *text = tuff_tokenizer_token_text(tokenizer, id);
        hash = text ? tuff_hash(text, strlen(text), hash) : hash + 1;
    }
    return hash ? hash : 1;
}

bool tuff_run_is_token_file(const struct tuff_fit_params *params)
{
    size_t n = params->n_data == 1 ? strlen(params->data[0]) : 0;
    return n > 4 && !strcmp(params->data[0] + n - 4, ".tok");
}

/* The first line that begins at or after `at`; with no line's end behind it, the first
 * character. */
static size_t cut_at(const struct tuff_map *map, size_t at)
{
    if (at == 0 || at >= map->size)
        return TUFF_MIN(at, map->size);
    const uint8_t *end = memchr(map->data + at - 1, '\n', map->size - at + 1);
    if (end && end + 1 < map->data + map->size)
        return (size_t) (end + 1 - map->data);
    while (at < map->size && (map->data[at] & 0xC0) == 0x80)
        at++;
    return at;
}

struct encoding {
    struct tuff_ctx *ctx;
    const struct tuff_fit_params *params;
    const struct tuff_tokenizer *tokenizer;
    struct tuff_token_writer *writer;
    uint64_t split, before; /* bytes for training; bytes of the files so far */
    bool held_out;          /* what follows is for validation */
    size_t records, empty;  /* empty: without text, left out */
    char first_empty[304];
};

/* Bytes [begin, end) of a file, in pieces that end where a line does. */
static enum tuff_status encode_part(struct encoding *e, const struct tuff_map *map, size_t begin,
                                    size_t end)
{
    enum tuff_status status = TUFF_OK;
    while (begin < end && status == TUFF_OK) {
        if (e->params->wish && e->params->wish(e->params->user) == TUFF_FIT_SAVE_AND_STOP)
            return tuff_fail(e->ctx, TUFF_E_STOPPED, "stopped before the first step");
        size_t next = end - begin > PIECE ? TUFF_MIN(cut_at(map, begin + PIECE), end) : end;
        struct tuff_ids ids = {0};
        status = tuff_tokenizer_encode(e->ctx, e->tokenizer, (const char *) map->data + begin,
                                       next - begin, TUFF_ENCODE_SPECIAL_AS_TEXT, &ids);
        if (status == TUFF_OK)
            status = tuff_token_writer_append(e->writer, ids.items, ids.n, next - begin);
        tuff_ids_fini(&ids);
        begin = next;
    }
    return status;
}

/* A record's text, and what ends it: the token for that, or where the tokenizer has none a line's end. */
static enum tuff_status encode_record(struct encoding *e, const struct tuff_record *record)
{
    const char *text = record->values[0].text, *name = e->params->task.text;
    struct tuff_ids ids = {0};
    uint32_t end;
    if (!text)
        return tuff_fail(e->ctx, TUFF_E_FORMAT, "%s: field \"%s\" is no text", record->where, name ? name : "text");
    if (!*text) {
        if (!e->empty++)
            snprintf(e->first_empty, sizeof e->first_empty, "%s", record->where);
        return TUFF_OK;
    }
    bool ends = tuff_tokenizer_id_of(e->tokenizer, "<|endoftext|>", &end) ||
                tuff_tokenizer_id_of(e->tokenizer, "</s>", &end);
    enum tuff_status status = tuff_tokenizer_encode(e->ctx, e->tokenizer, text, strlen(text),
                                                    TUFF_ENCODE_SPECIAL_AS_TEXT, &ids);
    if (status == TUFF_OK && !ends)
        status = tuff_tokenizer_encode(e->ctx, e->tokenizer, "\n", 1, TUFF_ENCODE_SPECIAL_AS_TEXT, &ids);
    if (status == TUFF_OK)
        status = tuff_token_writer_append(e->writer, ids.items, ids.n, strlen(text) + !ends);
    if (status == TUFF_OK && ends)
        status = tuff_token_writer_append(e->writer, &end, 1, 0);
    tuff_ids_fini(&ids);
    return status;
}

/* The records from number `held_out` on are for validation. */
static enum tuff_status encode_all(struct encoding *e, const struct tuff_dataset *dataset, size_t held_out)
{
    for (size_t i = 0; i < tuff_dataset_count(dataset); i++) {
        struct tuff_record record = {0};
        if (e->params->wish && e->params->wish(e->params->user) == TUFF_FIT_SAVE_AND_STOP)
            return tuff_fail(e->ctx, TUFF_E_STOPPED, "stopped before the first step");
        if (i >= held_out && !e->held_out) {
            TUFF_TRY(tuff_token_writer_validation(e->writer));
            e->held_out = true;
        }
        TUFF_TRY(tuff_dataset_get(e->ctx, dataset, i, &record));
        enum tuff_status status = encode_record(e, &record);
        tuff_record_fini(&record);
        TUFF_TRY(status);
    }
    return TUFF_OK;
}

/* Of `bytes`; the share of its records for training is that of its bytes. */
static enum tuff_status encode_records(struct encoding *e, const char *path, uint64_t bytes)
{
    const struct tuff_field field = {.name = e->params->task.text ? e->params->task.text : "text"};
    struct tuff_dataset *dataset = NULL;
    uint64_t left = e->split > e->before ? e->split - e->before : 0;
    TUFF_TRY(tuff_dataset_open(e->ctx,
                               &(struct tuff_dataset_params) {.paths = &path, .n_paths = 1, .fields = &field,
                                                              .n_fields = 1},
                               &dataset));
    size_t n = tuff_dataset_count(dataset);
    e->records += n;
    if (left < bytes)
        n = (size_t) ((double) n * (double) left / (double) bytes);
    enum tuff_status status = encode_all(e, dataset, n);
    tuff_dataset_close(dataset);
    return status;
}

static enum tuff_status encode_text(struct encoding *e, const char *path, uint64_t *bytes)
{
    struct tuff_map map;
    TUFF_TRY(tuff_os_map(e->ctx, path, &map));
    size_t cut = 0;
    if (!e->held_out) {
        uint64_t left = e->split > e->before ? e->split - e->before : 0;
        cut = left < map.size ? cut_at(&map, (size_t) left) : map.size;
    }
    enum tuff_status status = encode_part(e, &map, 0, cut);
    if (status == TUFF_OK && cut < map.size && !e->held_out) {
        status = tuff_token_writer_validation(e->writer);
        e->held_out = true;
    }
    if (status == TUFF_OK)
        status = encode_part(e, &map, cut, map.size);
    *bytes = map.size;
    tuff_os_unmap(&map);
    return status;
}

static enum tuff_status encode_file(struct encoding *e, const char *path)
{
    struct tuff_map map;
    uint64_t bytes;
    if (tuff_file_kind(path) & TUFF_FILE_RECORDS) {
        TUFF_TRY(tuff_os_map(e->ctx, path, &map));
        bytes = map.size;
        tuff_os_unmap(&map);
        TUFF_TRY(encode_records(e, path, bytes));
    } else {
        TUFF_TRY(encode_text(e, path, &bytes));
    }
    e->before += bytes;
    return TUFF_OK;
}

enum tuff_status tuff_run_encode(struct tuff_ctx *ctx, const struct tuff_fit_params *params,
                                 const struct tuff_tokenizer *tokenizer, const char *path)
{
    struct encoding e = {.ctx = ctx, .params = params, .tokenizer = tokenizer};
    struct tuff_corpus corpus;
    TUFF_TRY(tuff_corpus_find(ctx, params->data, params->n_data, TUFF_FILE_TEXT | TUFF_FILE_RECORDS,
                              &corpus));
    /* Nothing is held out of a share of 0: the split is behind all of it. */
    e.split = params->validation > 0
                  ? (uint64_t) ((double) corpus.bytes * (1 - params->validation))
                  : UINT64_MAX;
    enum tuff_status status =
        tuff_token_writer_create(ctx, path, tuff_tokenizer_vocab_size(tokenizer),
                                 tuff_run_vocabulary(tokenizer), &e.writer);
    for (size_t i = 0; i < corpus.n && status == TUFF_OK; i++)
        status = encode_file(&e, corpus.paths[i]);
    tuff_corpus_fini(&corpus);
    if (e.empty && status == TUFF_OK)
        tuff_log(ctx, TUFF_LOG_WARN, "%zu of %zu records have no text and are left out, the first is %s", e.empty,
                 e.records, e.first_empty);
    if (status == TUFF_OK)
        return tuff_token_writer_finish(&e.writer);
    tuff_token_writer_abort(&e.writer);
    return status;
}
