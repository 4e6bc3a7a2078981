/* data/dataset_stream: records one after the other, shuffled in a bounded buffer of their places; see
 * tuff/dataset.h. */
#include "base/rng.h"
#include "data/source.h"

/* The stream of random numbers that belongs to epoch e is this + e. */
#define EPOCH_STREAM ((uint64_t) 0x73747265 << 32)

struct tuff_dataset_stream {
    struct tuff_ctx *ctx;
    struct tuff_source source;
    struct tuff_slice *buffer;
    size_t room, held;
    struct tuff_cursor cursor;
    bool scanned; /* nothing is left behind the cursor */
    struct tuff_rng rng;
    struct tuff_data_position at;
};

static void begin(struct tuff_dataset_stream *s, uint64_t epoch)
{
    s->at.epoch = epoch;
    s->at.index = 0;
    s->cursor = (struct tuff_cursor) {0};
    s->held = 0;
    s->scanned = false;
    tuff_rng_init(&s->rng, s->at.seed, EPOCH_STREAM + epoch);
}

/* The place of the next record; the buffer is as full as it can be when one is drawn. */
static enum tuff_status draw(struct tuff_dataset_stream *s, struct tuff_slice *slice, bool *have)
{
    while (!s->scanned && s->held < s->room) {
        TUFF_TRY(tuff_source_next(s->ctx, &s->source, &s->cursor, &s->buffer[s->held], have));
        s->held += *have;
        s->scanned = !*have;
    }
    *have = s->held > 0;
    if (!*have)
        return TUFF_OK;
    size_t i = (size_t) tuff_rng_below(&s->rng, s->held);
    *slice = s->buffer[i];
    s->buffer[i] = s->buffer[--s->held];
    s->at.index++;
    return TUFF_OK;
}

enum tuff_status tuff_dataset_stream_create(struct tuff_ctx *ctx,
                                            const struct tuff_dataset_params *params, size_t buffer,
                                            const struct tuff_data_position *position,
                                            struct tuff_dataset_stream **out)
{
    struct tuff_dataset_stream *s = tuff_calloc(1, sizeof *s);
    struct tuff_slice slice;
    enum tuff_status status;
    bool have = true;
    *out = NULL;
    if (!s)
        return tuff_fail(ctx, TUFF_E_NOMEM, "dataset: out of host memory");
    s->ctx = ctx;
    s->room = TUFF_MAX(buffer, 1);
    TUFF_TRY_GOTO(tuff_source_init(ctx, params, &s->source));
    TUFF_TRY_GOTO((s->buffer = tuff_calloc(s->room, sizeof *s->buffer))
                      ? TUFF_OK
                      : tuff_fail(ctx, TUFF_E_NOMEM, "dataset: out of host memory"));
    s->at.seed = position->seed;
    begin(s, position->epoch);
    while (s->at.index < position->index && have)
        TUFF_TRY_GOTO(draw(s, &slice, &have));
    TUFF_TRY_GOTO(have ? TUFF_OK
                       : tuff_fail(ctx, TUFF_E_RANGE, "%s: record %llu of an epoch of %llu: the data "
                                   "changed", s->source.files.paths[0],
                                   (unsigned long long) position->index,
                                   (unsigned long long) s->at.index));
    *out = s;
    return TUFF_OK;
fail:
    tuff_dataset_stream_destroy(s);
    return status;
}

void tuff_dataset_stream_destroy(struct tuff_dataset_stream *s)
{
    if (!s)
        return;
    tuff_source_fini(&s->source);
    free(s->buffer);
    free(s);
}

enum tuff_status tuff_dataset_stream_next(struct tuff_dataset_stream *s, struct tuff_record *record,
                                          struct tuff_data_position *position)
{
    struct tuff_slice slice;
    bool have;
    *record = (struct tuff_record) {0};
    TUFF_TRY(draw(s, &slice, &have));
    if (!have && s->at.index) {
        begin(s, s->at.epoch + 1);
        TUFF_TRY(draw(s, &slice, &have));
    }
    if (!have)
        return tuff_fail(s->ctx, TUFF_E_ARG, "%s: not one record", s->source.files.paths[0]);
    TUFF_TRY(tuff_source_read(s->ctx, &s->source, &slice, record));
    if (position)
        *position = s->at;
    return TUFF_OK;
}
