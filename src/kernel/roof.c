/* kernel/roof: see roof.h. Each figure is the best of a few runs: a roof is what can be had, and
 * what disturbs a measurement only ever takes away. */
#include "kernel/roof.h"
#include "base/os.h"

#include "roof/fma.h"
#include "roof/stream.h"

enum { GROUP = 64, MOST_BYTES = 128 << 20, TRIES = 5 };

struct probe {
    struct tuff_device *device;
    struct tuff_kernels *kernels;
    struct tuff_buffer x, y;
    struct tuff_view view; /* of x */
};

/* The least seconds of a few runs of one dispatch; by the device's clock where it has one. */
static enum tuff_status least(struct probe *p, const char *name, const void *push,
                              uint32_t push_bytes, uint32_t groups, double *seconds)
{
    const struct tuff_pipeline *pipeline;
    const struct tuff_kernel *kernel;
    struct tuff_commands *c = NULL;
    bool marks = tuff_device_info(p->device)->timestamp_ns > 0;
    enum tuff_status status;
    TUFF_TRY(tuff_kernels_get(p->kernels, name, NULL, 0, &pipeline, &kernel));
    TUFF_TRY(tuff_commands_create(p->device, 1, 1, 2, &c));
    TUFF_TRY_GOTO(tuff_commands_begin(c));
    tuff_commands_timestamp(c, 0);
    TUFF_TRY_GOTO(tuff_commands_dispatch(c, pipeline, &p->view, push, push_bytes,
                                         (uint32_t[]) {groups, 1, 1}));
    tuff_commands_timestamp(c, 1);
    TUFF_TRY_GOTO(tuff_commands_end(c));
    *seconds = 0;
    for (int i = 0; i < TRIES + 1; i++) { /* the first one compiles and warms caches */
        double begin = tuff_os_now(), times[2];
        uint64_t value;
        TUFF_TRY_GOTO(tuff_queue_submit(p->device, &c, 1, &value));
        TUFF_TRY_GOTO(tuff_queue_wait(p->device, value));
        times[1] = tuff_os_now() - begin;
        if (marks)
            TUFF_TRY_GOTO(tuff_commands_times(c, times, 2));
        if (i && times[1] > 0 && (*seconds == 0 || times[1] < *seconds))
            *seconds = times[1];
    }
fail:
    tuff_commands_destroy(p->device, c);
    return status;
}

static enum tuff_status measure_fma(struct probe *p, double *rate)
{
    /* Groups enough for every device; rounds until a run is long enough to be timed. */
    uint32_t groups = 4096;
    struct tuff_roof_fma_params push = {.y = p->y.address, .rounds = 1, .a = 0.5f, .b = 1};
    double seconds = 0;
    while (p->y.size < (uint64_t) groups * GROUP * 4)
        groups /= 2;
    for (; push.rounds < 1 << 14; push.rounds *= 4) {
        TUFF_TRY(least(p, "roof/fma", &push, sizeof push, groups, &seconds));
        if (seconds > 5e-3)
            break;
    }
    double links = 12.0 * 32 * push.rounds * groups * GROUP;
    *rate = seconds > 0 ? 2 * links / seconds : 0;
    return TUFF_OK;
}

/* The better of a stream's two variants, in bytes a second. */
static enum tuff_status measure_stream(struct probe *p, const char *way, int bytes, double *rate)
{
    static const char *const variants[] = {"vec4", "texel"};
    bool view = tuff_view_possible(p->device, 0, p->x.size);
    struct tuff_roof_stream_params push = {
        .x = p->x.address, .y = p->y.address, .n = (uint32_t) (p->x.size / 16), .value = 1};
    for (size_t i = 0; i < (strcmp(way, "write") && view ? 2 : 1); i++) {
        char name[32];
        double seconds;
        snprintf(name, sizeof name, "roof/stream.%s.%s", way, variants[i]);
        TUFF_TRY(least(p, name, &push, sizeof push, 1024, &seconds));
        if (seconds > 0)
            *rate = TUFF_MAX(*rate, (double) bytes * push.n / seconds);
    }
    return TUFF_OK;
}

enum tuff_status tuff_roofs_measure(struct tuff_device *device, struct tuff_roofs *roofs)
{
    struct probe p = {.device = device};
    const struct tuff_device_info *info = tuff_device_info(device);
    uint64_t bytes = TUFF_MIN(MOST_BYTES, tuff_buffer_max_size(device)), step = 4 * 1024 * GROUP * 16;
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
fail:
    tuff_buffer_destroy(device, &p.x);
    tuff_buffer_destroy(device, &p.y);
    return status;
}
