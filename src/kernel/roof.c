/* kernel/roof: see roof.h. Each figure is the best of a few runs: a roof is what can be had, and
 * what disturbs a measurement only ever takes away. */
#include "kernel/roof.h"
#include "base/os.h"

#include "roof/fma.h"
#include "roof/stream.h"

/* More bytes than caches hold, but for software drivers: there the shader, not memory, is the roof. */
enum { GROUP = 64, GROUPS = 1024, MOST_BYTES = 256 << 20, SOFTWARE_BYTES = 64 << 20 };
enum { TRIES = 3, MOST_TRIES = 50 };
static const double ENOUGH = 0.15; /* seconds of trying */

struct probe {
    struct tuff_device *device;
    struct tuff_kernels *kernels;
    struct tuff_buffer x, y;
    struct tuff_view view; /* of x */
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

/* The least seconds of a few runs; by the device's clock where it has one. */
static enum tuff_status least(struct probe *p, const char *way, const char *name, const void *push,
                              uint32_t push_bytes, uint32_t groups, double *seconds)
{
    struct tuff_commands *c = NULL;
    bool marks = tuff_device_info(p->device)->timestamp_ns > 0;
    enum tuff_status status;
    TUFF_TRY(tuff_commands_create(p->device, 1, 1, 2, &c));
    TUFF_TRY_GOTO(tuff_commands_begin(c));
    tuff_commands_timestamp(c, 0);
    TUFF_TRY_GOTO(put(p, c, way, name, push, push_bytes, groups));
    tuff_commands_timestamp(c, 1);
    TUFF_TRY_GOTO(tuff_commands_end(c));
    *seconds = 0;
    double start = 0;
    /* The first one compiles and warms caches. */
    for (int i = 0; i <= TRIES || (i < MOST_TRIES && tuff_os_now() - start < ENOUGH); i++) {
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

static enum tuff_status measure_fma(struct probe *p, double *rate)
{
    /* Groups enough for every device, each with so much to do that its start does not count (which on
     * a software driver takes as long as a round); rounds until a run is long enough to be timed. */
    bool software = tuff_device_info(p->device)->device_class == TUFF_CLASS_CPU;
    uint32_t groups = software ? 128 : 4096;
    struct tuff_roof_fma_params push = {.y = p->y.address, .rounds = 64, .a = 0.5f, .b = 1};
    double seconds = 0;
    for (;;) {
        TUFF_TRY(least(p, "fma", "roof/fma", &push, sizeof push, groups, &seconds));
        if (seconds > 2e-3 || push.rounds >= 1 << 14)
            break;
        push.rounds *= 2;
    }
    double links = 12.0 * 32 * push.rounds * groups * GROUP;
    *rate = seconds > 0 ? 2 * links / seconds : 0;
    return TUFF_OK;
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
        .each = (uint32_t) (p->x.size / (16 * GROUPS * GROUP)),
        .value = 1};
    for (size_t i = 0; i < TUFF_COUNT(variants); i++) {
        char name[32];
        double seconds, units = (double) push.each * GROUPS * GROUP;
        if ((i == 1 && !(view && reads)) || (i == 2 && !strcmp(way, "read")))
            continue;
        snprintf(name, sizeof name, "roof/stream.%s.%s", way, i < 2 ? variants[i] : "");
        TUFF_TRY(least(p, way, variants[i] ? name : NULL, &push, sizeof push, GROUPS, &seconds));
        if (seconds > 0)
            *rate = TUFF_MAX(*rate, bytes * units / seconds);
    }
    return TUFF_OK;
}

enum tuff_status tuff_roofs_measure(struct tuff_device *device, struct tuff_roofs *roofs)
{
    struct probe p = {.device = device};
    const struct tuff_device_info *info = tuff_device_info(device);
    bool software = info->device_class == TUFF_CLASS_CPU;
    uint64_t step = 4 * GROUPS * GROUP * 16;
    uint64_t bytes =
        TUFF_MIN(software ? SOFTWARE_BYTES : MOST_BYTES, tuff_buffer_max_size(device));
    if (info->memory_available)
        bytes = TUFF_MIN(bytes, info->memory_available / 8);
    bytes = TUFF_MAX(bytes / step * step, step);
    enum tuff_status status;
    *roofs = (struct tuff_roofs) {0};
    TUFF_TRY_GOTO(tuff_kernels_of(device, &p.kernels));
    TUFF_TRY_GOTO(tuff_buffer_create(device, bytes, TUFF_MEMORY_DEVICE, &p.x));
    TUFF_TRY_GOTO(tuff_buffer_create(device, bytes, TUFF_MEMORY_DEVICE, &p.y));
    p.view = (struct tuff_view) {&p.x, 0, bytes};
    TUFF_TRY_GOTO(measure_fma(&p, &roofs->fma));
    TUFF_TRY_GOTO(measure_stream(&p, "read", 16, &roofs->read));
    TUFF_TRY_GOTO(measure_stream(&p, "write", 16, &roofs->write));
    TUFF_TRY_GOTO(measure_stream(&p, "copy", 32, &roofs->copy));
    /* Reading alone is no slower than reading and writing. */
    roofs->read = TUFF_MAX(roofs->read, roofs->copy);
fail:
    tuff_buffer_destroy(device, &p.x);
    tuff_buffer_destroy(device, &p.y);
    return status;
}
