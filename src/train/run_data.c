/* train/run_data: RUN/data.tok, the run's text as tokens. */
#include "base/hash.h"
#include "base/os.h"
#include "train/run.h"

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

static enum tuff_status encode_file(struct encoding *e, const char *path)
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
    e->before += map.size;
    tuff_os_unmap(&map);
    return status;
}

enum tuff_status tuff_run_encode(struct tuff_ctx *ctx, const struct tuff_fit_params *params,
                                 const struct tuff_tokenizer *tokenizer, const char *path)
{
    struct encoding e = {.ctx = ctx, .params = params, .tokenizer = tokenizer};
    struct tuff_corpus corpus;
    TUFF_TRY(tuff_corpus_init(ctx, params->data, params->n_data, &corpus));
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
    if (status == TUFF_OK)
        return tuff_token_writer_finish(&e.writer);
    tuff_token_writer_abort(&e.writer);
    return status;
}
