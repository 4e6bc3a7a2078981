/* kernel/roof: see roof.h. Each figure is the best of a few runs: a roof is what can be had, and
 * what disturbs a measurement only ever takes away. */
#include "kernel/roof.h"
#include "base/os.h"

#include "roof/fma.h"
#include "roof/stream.h"

/* More bytes than caches hold (a discrete GPU's last one up to 256 MiB), but for software drivers: there
 * the shader, not memory, is the roof. Groups enough to fill a device, and for each enough to do. */
enum { GROUP = 64, DISCRETE_BYTES = 512 << 20, MOST_BYTES = 256 << 20, SOFTWARE_BYTES = 64 << 20 };
enum { TRIES = 3, MOST_TRIES = 50, MOST_ROUNDS = 1 << 14 };
static const double ENOUGH = 0.15;      /* seconds of trying */
static const double LONG_ENOUGH = 2e-3; /* of a run, to be timed well */

struct probe {
    struct tuff_device *device;
    struct tuff_kernels *kernels;
    struct tuff_buffer x, y; /* of one size; x holds zeros */
    struct tuff_view view;   /* of x */
    bool software;
};

/* One dispatch, or without a name one of the driver's own copies or fills. */
static enum tuff_status put(struct probe *p, struct tuff_commands *c, const char *way,
                            const char *name, const void *push, uint32_t push_bytes,
                            uint32_t groups)
{
    struct tuff_pipeline *pipeline;
    const struct tuff_kernel *kernel;
    if (name) {
        TUFF_TRY(tuff_kernels_get(p->kernels, name, NULL, 0, &pipeline, &kernel));
        return tuff_commands_dispatch(c, pipeline, &p->view, push, push_bytes,
                                      (uint32_t[]) {groups, 1, 1});
    }
    if (!strcmp(way, "copy"))
        tuff_commands_copy(c, &p->x, 0, &p->y, 0, p->x.size);
    else
        tuff_commands_fill(c, &p->y, 0, p->y.size);
    return TUFF_OK;
}

/* The least seconds of a few runs, at least `tries` and as many more as fill `enough` seconds; by the
 * device's clock where it has one. */
static enum tuff_status least(struct probe *p, const char *way, const char *name, const void *push,
                              uint32_t push_bytes, uint32_t groups, int tries, double enough,
                              double *seconds)
{
    struct tuff_commands *c = NULL;
    bool marks = tuff_device_info(p->device)->timestamp_ns > 0;
    enum tuff_status status;
    TUFF_TRY(tuff_commands_create(p->device, 1, 1, 2, &c));
    TUFF_TRY_GOTO(tuff_commands_begin(c));
    tuff_commands_timestamp(c, 0);
    tuff_commands_barrier(c); /* or the work may begin before the mark is made */
    TUFF_TRY_GOTO(put(p, c, way, name, push, push_bytes, groups));
    tuff_commands_timestamp(c, 1);
    TUFF_TRY_GOTO(tuff_commands_end(c));
    *seconds = 0;
    double start = 0;
    /* The first one compiles and warms caches. */
    for (int i = 0; i <= tries || (i < MOST_TRIES && tuff_os_now() - start < enough); i++) {
        double begin = tuff_os_now(), times[2];
        uint64_t value;
        TUFF_TRY_GOTO(tuff_queue_submit(p->device, &c, 1, &value));
        TUFF_TRY_GOTO(tuff_queue_wait(p->device, value));
        times[1] = tuff_os_now() - begin;
        if (marks)
            TUFF_TRY_GOTO(tuff_commands_times(c, times, 2));
        if (!i)
            start = tuff_os_now();
        else if (times[1] > 0 && (*seconds == 0 || times[1] < *seconds))
            *seconds = times[1];
    }
fail:
    tuff_commands_destroy(p->device, c);
    return status;
}

/* On a software driver a group's start takes as long as a round. */
static uint32_t fma_groups(const struct probe *p)
{
    return p->software ? 128 : 4096;
}

static enum tuff_status fma_seconds(struct probe *p, uint32_t rounds, int tries, double enough,
                                    double *seconds)
{
    struct tuff_roof_fma_params push = {
        .x = p->x.address, .y = p->y.address, .rounds = rounds, .c = -1.5f};
    return least(p, "fma", "roof/fma", &push, sizeof push, fma_groups(p), tries, enough, seconds);
}

/* Rounds are doubled, from so few that no watchdog minds, until a run is long enough. */
static enum tuff_status measure_fma(struct probe *p, uint32_t *rounds, double *seconds)
{
    for (*rounds = 64;; *rounds *= 2) {
        TUFF_TRY(fma_seconds(p, *rounds, 1, 0, seconds));
        if (*seconds > LONG_ENOUGH || *rounds >= MOST_ROUNDS)
            break;
    }
    return fma_seconds(p, *rounds, TRIES, ENOUGH, seconds);
}

static uint32_t stream_groups(const struct probe *p)
{
    return p->software ? 1024 : 4096;
}

/* The best of a stream's ways, in bytes a second. A driver's own copy may use an engine or a host
 * function that kernels cannot: it is a roof all the same. */
static enum tuff_status measure_stream(struct probe *p, const char *way, int bytes, double *rate)
{
    static const char *const variants[] = {"vec4", "texel", NULL};
    bool reads = strcmp(way, "write") != 0, view = tuff_view_possible(p->device, 0, p->x.size);
    struct tuff_roof_stream_params push = {
        .x = p->x.address,
        .y = p->y.address,
        .each = (uint32_t) (p->x.size / (16 * GROUP) / stream_groups(p)),
        .value = 1};
    for (size_t i = 0; i < TUFF_COUNT(variants); i++) {
        char name[32];
        double seconds, units = (double) push.each * stream_groups(p) * GROUP;
        if ((i == 1 && !(view && reads)) || (i == 2 && !strcmp(way, "read")))
            continue;
        snprintf(name, sizeof name, "roof/stream.%s.%s", way, i < 2 ? variants[i] : "");
        TUFF_TRY(least(p, way, variants[i] ? name : NULL, &push, sizeof push, stream_groups(p),
                       TRIES, ENOUGH, &seconds));
        if (seconds > 0)
            *rate = TUFF_MAX(*rate, bytes * units / seconds);
    }
    return TUFF_OK;
}

static void close_probe(struct probe *p)
{
    tuff_buffer_destroy(p->device, &p->x);
    tuff_buffer_destroy(p->device, &p->y);
}

static enum tuff_status zero(struct probe *p)
{
    struct tuff_commands *c = NULL;
    enum tuff_status status;
    uint64_t value;
    TUFF_TRY(tuff_commands_create(p->device, 1, 1, 0, &c));
    TUFF_TRY_GOTO(tuff_commands_begin(c));
    tuff_commands_fill(c, &p->x, 0, p->x.size);
    TUFF_TRY_GOTO(tuff_commands_end(c));
    TUFF_TRY_GOTO(tuff_queue_submit(p->device, &c, 1, &value));
    TUFF_TRY_GOTO(tuff_queue_wait(p->device, value));
fail:
    tuff_commands_destroy(p->device, c);
    return status;
}

/* bytes 0: as many as streams should have, of what there is. */
static enum tuff_status open_probe(struct tuff_device *device, uint64_t bytes, struct probe *p)
{
    const struct tuff_device_info *info = tuff_device_info(device);
    enum tuff_status status;
    *p = (struct probe) {.device = device, .software = info->device_class == TUFF_CLASS_CPU};
    uint64_t step = (uint64_t) 4 * 16 * GROUP * stream_groups(p);
    if (!bytes) {
        bytes = p->software                        ? SOFTWARE_BYTES
                : !strcmp(info->type, "discrete") ? DISCRETE_BYTES
                                                   : MOST_BYTES;
        bytes = TUFF_MIN(bytes, tuff_buffer_max_size(device));
        if (info->memory_available)
            bytes = TUFF_MIN(bytes, info->memory_available / 8);
        bytes = TUFF_MAX(bytes / step * step, step);
    }
    TUFF_TRY_GOTO(tuff_kernels_of(device, &p->kernels));
    TUFF_TRY_GOTO(tuff_buffer_create(device, bytes, TUFF_MEMORY_DEVICE, &p->x));
    TUFF_TRY_GOTO(tuff_buffer_create(device, bytes, TUFF_MEMORY_DEVICE, &p->y));
    p->view = (struct tuff_view) {&p->x, 0, bytes};
    TUFF_TRY_GOTO(zero(p));
    return TUFF_OK;
fail:
    close_probe(p);
    return status;
}

enum tuff_status tuff_roof_fma_seconds(struct tuff_device *device, uint32_t *rounds, double *seconds,
                                       double *twice)
{
    struct probe p;
    enum tuff_status status;
    TUFF_TRY(open_probe(device, 4 << 20, &p));
    TUFF_TRY_GOTO(measure_fma(&p, rounds, seconds));
    TUFF_TRY_GOTO(fma_seconds(&p, 2 * *rounds, TRIES, ENOUGH, twice));
fail:
    close_probe(&p);
    return status;
}

enum tuff_status tuff_roofs_measure(struct tuff_device *device, struct tuff_roofs *roofs)
{
    struct probe p;
    enum tuff_status status;
    uint32_t rounds;
    double seconds = 0;
    *roofs = (struct tuff_roofs) {0};
    TUFF_TRY(open_probe(device, 0, &p));
    TUFF_TRY_GOTO(measure_fma(&p, &rounds, &seconds));
    if (seconds > 0)
        roofs->fma = 2.0 * 12 * 32 * rounds * fma_groups(&p) * GROUP / seconds;
    TUFF_TRY_GOTO(measure_stream(&p, "read", 16, &roofs->read));
    TUFF_TRY_GOTO(measure_stream(&p, "write", 16, &roofs->write));
    TUFF_TRY_GOTO(measure_stream(&p, "copy", 32, &roofs->copy));
    /* Reading alone is no slower than reading and writing. */
    roofs->read = TUFF_MAX(roofs->read, roofs->copy);
fail:
    close_probe(&p);
    return status;
}
