/* io/events: TensorBoard's event files, written by hand; see metrics.h. */
#include "io/metrics.h"

#include "base/os.h"

#include <inttypes.h>

/* Longest message written here: a few scalars with tags of some dozens of bytes. */
#define RECORD_MAX (1u << 20)

struct tuff_events {
    struct tuff_ctx *ctx;
    struct tuff_os_file *file;
};

/* Half a byte at a time: remainders of the reflected polynomial 0x82F63B78. */
uint32_t tuff_crc32c(const void *data, size_t size)
{
    static const uint32_t table[16] = {0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1,
                                       0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
                                       0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
                                       0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};
    const uint8_t *at = data;
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < size; i++) {
        crc ^= at[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

/* The record format masks the sums so that a file of records inside a record is no trouble. */
static uint32_t masked_crc(const void *data, size_t size)
{
    uint32_t crc = tuff_crc32c(data, size);
    return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

static enum tuff_status write_record(struct tuff_events *events, const struct tuff_text *message)
{
    uint64_t length = message->n;
    uint32_t sums[2] = {masked_crc(&length, sizeof length), masked_crc(message->s, message->n)};
    if (message->failed)
        return tuff_fail(events->ctx, TUFF_E_NOMEM, "event file: out of host memory");
    tuff_os_write(events->file, &length, sizeof length);
    tuff_os_write(events->file, &sums[0], sizeof sums[0]);
    tuff_os_write(events->file, message->s, message->n);
    tuff_os_write(events->file, &sums[1], sizeof sums[1]);
    return tuff_os_flush(events->file);
}

/* ---- Protocol buffers: a key is field number * 8 + kind (0 varint, 1 8 bytes, 2 counted bytes,
 * 5 4 bytes); numbers little-endian ---- */

static void put_varint(struct tuff_text *text, uint64_t value)
{
    do {
        char byte = (char) ((value & 127) | (value > 127 ? 128 : 0));
        tuff_text_add(text, &byte, 1);
        value >>= 7;
    } while (value);
}

static void put_bytes(struct tuff_text *text, uint32_t field, const char *bytes, size_t n)
{
    put_varint(text, field << 3 | 2);
    put_varint(text, n);
    tuff_text_add(text, bytes, n);
}

/* Event: 1 wall_time (double), 2 step (int64), 3 file_version (string), 5 summary (Summary) */
static void begin_event(struct tuff_text *event, uint64_t step)
{
    double now = tuff_os_wall_clock();
    put_varint(event, 1 << 3 | 1);
    tuff_text_add(event, (const char *) &now, sizeof now);
    if (step) {
        put_varint(event, 2 << 3 | 0);
        put_varint(event, step);
    }
}

static enum tuff_status write_version(struct tuff_events *events)
{
    struct tuff_text event = {0};
    begin_event(&event, 0);
    put_bytes(&event, 3, "brain.Event:2", 13);
    enum tuff_status status = write_record(events, &event);
    tuff_text_fini(&event);
    return status;
}

/* Summary: 1 value (repeated Value); Value: 1 tag (string), 2 simple_value (float) */
enum tuff_status tuff_events_scalars(struct tuff_events *events, uint64_t step, size_t n,
                                     const char *const *tags, const double *values)
{
    struct tuff_text event = {0}, summary = {0}, value = {0};
    for (size_t i = 0; i < n; i++) {
        float number = (float) values[i];
        value.n = 0;
        put_bytes(&value, 1, tags[i], strlen(tags[i]));
        put_varint(&value, 2 << 3 | 5);
        tuff_text_add(&value, (const char *) &number, sizeof number);
        put_bytes(&summary, 1, value.s, value.n);
    }
    begin_event(&event, step);
    if (n)
        put_bytes(&event, 5, summary.s, summary.n);
    event.failed = event.failed || value.failed || summary.failed;
    enum tuff_status status = write_record(events, &event);
    tuff_text_fini(&event);
    tuff_text_fini(&summary);
    tuff_text_fini(&value);
    return status;
}

/* ---- Cutting what a resumed run will write again ---- */

static bool get_varint(const uint8_t *data, size_t size, size_t *at, uint64_t *value)
{
    *value = 0;
    for (int shift = 0; shift < 64 && *at < size; shift += 7) {
        uint8_t byte = data[(*at)++];
        *value |= (uint64_t) (byte & 127) << shift;
        if (byte < 128)
            return true;
    }
    return false;
}

/* The step of an Event; 0 when it has none, UINT64_MAX when it is no such message. */
static uint64_t event_step(const uint8_t *data, size_t size)
{
    uint64_t key, value, step = 0;
    for (size_t at = 0; at < size;) {
        if (!get_varint(data, size, &at, &key))
            return UINT64_MAX;
        uint64_t skip = (key & 7) == 1 ? 8 : (key & 7) == 5 ? 4 : 0;
        if ((key & 7) == 0 || (key & 7) == 2) {
            if (!get_varint(data, size, &at, &value))
                return UINT64_MAX;
            if (key == 2 << 3)
                step = value;
            skip = (key & 7) == 2 ? value : 0;
        } else if (!skip) {
            return UINT64_MAX;
        }
        if (skip > size - at)
            return UINT64_MAX;
        at += (size_t) skip;
    }
    return step;
}

/* Bytes of whole, sound records of steps up to last_step from the beginning. */
static size_t sound_size(const struct tuff_map *map, uint64_t last_step)
{
    size_t at = 0;
    while (map->size - at >= 16) {
        const uint8_t *record = map->data + at;
        uint64_t length;
        uint32_t sums[2];
        memcpy(&length, record, 8);
        memcpy(&sums[0], record + 8, 4);
        if (masked_crc(record, 8) != sums[0] || length > RECORD_MAX || length > map->size - at - 16)
            break;
        memcpy(&sums[1], record + 12 + length, 4);
        uint64_t step = event_step(record + 12, (size_t) length);
        if (masked_crc(record + 12, (size_t) length) != sums[1] || step == UINT64_MAX ||
            step > last_step)
            break;
        at += 16 + (size_t) length;
    }
    return at;
}

static enum tuff_status cut_events(struct tuff_ctx *ctx, const char *path, uint64_t last_step,
                                   bool *empty)
{
    struct tuff_map map;
    TUFF_TRY(tuff_os_map(ctx, path, &map));
    size_t kept = sound_size(&map, last_step), size = map.size;
    tuff_os_unmap(&map);
    *empty = kept == 0;
    return kept < size ? tuff_os_truncate(ctx, path, kept) : TUFF_OK;
}

/* Cuts every event file in the folder; *newest is the last by name, which is the last by time. */
static enum tuff_status cut_all(struct tuff_ctx *ctx, const char *folder, uint64_t last_step,
                                char **newest, bool *empty)
{
    struct tuff_os_list list;
    TUFF_TRY(tuff_os_list(ctx, folder, &list));
    enum tuff_status status = TUFF_OK;
    for (size_t i = 0; i < list.n && status == TUFF_OK; i++) {
        if (strncmp(list.items[i], "events.out.tfevents.", 20))
            continue;
        free(*newest);
        *newest = tuff_os_path_join(folder, list.items[i]);
        status = *newest ? cut_events(ctx, *newest, last_step, empty)
                         : tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", folder);
    }
    tuff_os_list_free(&list);
    return status;
}

enum tuff_status tuff_events_open(struct tuff_ctx *ctx, const char *folder, uint64_t last_step,
                                  struct tuff_events **out)
{
    *out = NULL;
    struct tuff_events *events = tuff_calloc(1, sizeof *events);
    char *path = NULL;
    bool fresh = true;
    enum tuff_status status =
        events ? TUFF_OK : tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", folder);
    if (status == TUFF_OK && last_step != TUFF_METRICS_NEW)
        status = cut_all(ctx, folder, last_step, &path, &fresh);
    if (status == TUFF_OK && !path) {
        char name[64];
        snprintf(name, sizeof name, "events.out.tfevents.%010.0f.tuff", tuff_os_wall_clock());
        path = tuff_os_path_join(folder, name);
        if (!path)
            status = tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", folder);
    }
    if (status == TUFF_OK)
        status = tuff_os_open(ctx, path, !fresh, &events->file);
    if (status == TUFF_OK) {
        events->ctx = ctx;
        status = fresh ? write_version(events) : TUFF_OK;
    }
    free(path);
    if (status == TUFF_OK)
        *out = events;
    else if (events)
        tuff_events_close(&events);
    return status;
}

enum tuff_status tuff_events_close(struct tuff_events **events)
{
    enum tuff_status status = *events ? tuff_os_close(&(*events)->file, true) : TUFF_OK;
    free(*events);
    *events = NULL;
    return status;
}
