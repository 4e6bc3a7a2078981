/* kernel/ahead: see ahead.h. */
#include "kernel/ahead.h"

#include "base/os.h"

#define HIT_SECONDS 0.006 /* a dispatch of no groups whose code came from the cache: 1-5 ms */

enum {
    SHORT = 6,        /* pipelines that are not worth a device */
    HITS = 3,         /* in a row: the other device has been here */
    BUFFER = 3 << 10, /* what views look at; the driver makes other code for powers of two */
};

struct item {
    struct tuff_pipeline_params params;
    uint32_t spec[TUFF_SPEC_MAX];
    size_t list; /* number of the list it came with */
};

struct tuff_ahead {
    struct tuff_mutex *mutex; /* of all that follows */
    struct {
        struct item *items;
        size_t n, cap;
    } waiting; /* the next one last, but lists in order */
    size_t lists;
    bool stop, ended;
    struct tuff_thread *thread;
    char select[64];
    struct tuff_ctx *ctx; /* the thread's own, silent */
};

/* Takes the last item of the oldest list. */
static bool next(struct tuff_ahead *a, struct item *item)
{
    size_t i = 0;
    tuff_mutex_lock(a->mutex);
    bool have = !a->stop && a->waiting.n > 0;
    if (have) {
        while (i + 1 < a->waiting.n && a->waiting.items[i + 1].list == a->waiting.items[0].list)
            i++;
        *item = a->waiting.items[i];
        memmove(a->waiting.items + i, a->waiting.items + i + 1,
                (--a->waiting.n - i) * sizeof *a->waiting.items);
    }
    a->ended |= !have;
    tuff_mutex_unlock(a->mutex);
    item->params.spec = item->spec;
    return have;
}

static void drop_list(struct tuff_ahead *a, size_t list)
{
    tuff_mutex_lock(a->mutex);
    size_t n = 0;
    while (n < a->waiting.n && a->waiting.items[n].list == list)
        n++;
    if (n)
        memmove(a->waiting.items, a->waiting.items + n,
                (a->waiting.n -= n) * sizeof *a->waiting.items);
    tuff_mutex_unlock(a->mutex);
}

/* Compiles one; how long its dispatch took. */
static enum tuff_status compile(struct tuff_device *device, const struct tuff_buffer *buffer,
                                const struct item *item, double *seconds)
{
    static const uint8_t push[TUFF_PUSH_MAX];
    const struct tuff_pipeline_params *params = &item->params;
    uint32_t n_views = params->texel_views + params->storage_views;
    struct tuff_view views[TUFF_VIEWS_MAX];
    struct tuff_pipeline *pipeline = NULL;
    struct tuff_commands *commands = NULL;
    uint64_t value;
    for (uint32_t i = 0; i < TUFF_VIEWS_MAX; i++)
        views[i] = (struct tuff_view) {.buffer = buffer, .size = BUFFER};
    enum tuff_status status;
    TUFF_TRY_GOTO(tuff_pipeline_create(device, params, &pipeline));
    TUFF_TRY_GOTO(tuff_commands_create(device, 1, n_views, 0, &commands));
    TUFF_TRY_GOTO(tuff_commands_begin(commands));
    TUFF_TRY_GOTO(tuff_commands_warm(commands, pipeline, views, push, params->push_bytes));
    TUFF_TRY_GOTO(tuff_commands_end(commands));
    double begin = tuff_os_now();
    TUFF_TRY_GOTO(tuff_queue_submit(device, &commands, 1, &value));
    TUFF_TRY_GOTO(tuff_queue_wait(device, value));
    *seconds = tuff_os_now() - begin;
fail:
    tuff_queue_idle(device);
    tuff_commands_destroy(device, commands);
    tuff_pipeline_destroy(device, pipeline);
    return status;
}

static void work(void *user)
{
    struct tuff_ahead *a = user;
    struct tuff_device *device = NULL;
    struct tuff_buffer buffer = {0};
    struct item item;
    size_t list = 0, hits = 0;
    enum tuff_status status =
        tuff_device_create(a->ctx, &(struct tuff_device_params) {.select = a->select}, &device);
    if (status == TUFF_OK)
        status = tuff_buffer_create(device, BUFFER, TUFF_MEMORY_DEVICE, &buffer);
    while (next(a, &item) && status == TUFF_OK) {
        double seconds = 0;
        status = compile(device, &buffer, &item, &seconds);
        hits = item.list == list && seconds < HIT_SECONDS ? hits + 1 : seconds < HIT_SECONDS;
        list = item.list;
        if (hits == HITS)
            drop_list(a, list);
    }
    tuff_mutex_lock(a->mutex);
    a->ended = true;
    tuff_mutex_unlock(a->mutex);
    if (device)
        tuff_buffer_destroy(device, &buffer);
    tuff_device_destroy(device);
}

static struct tuff_ahead *create(const struct tuff_device_info *info)
{
    struct tuff_ahead *a = tuff_calloc(1, sizeof *a);
    if (!a)
        return NULL;
    a->mutex = tuff_mutex_create();
    a->ctx = tuff_ctx_create(NULL);
    a->ended = true;
    int at = snprintf(a->select, sizeof a->select, "uuid:");
    for (int i = 0; i < 16; i++)
        at += snprintf(a->select + at, sizeof a->select - (size_t) at, "%02x", info->uuid[i]);
    if (!a->mutex || !a->ctx)
        tuff_ahead_destroy(&a);
    return a;
}

void tuff_ahead_compile(struct tuff_ahead **ahead, struct tuff_device *device,
                        const struct tuff_pipeline_params *params, size_t n)
{
    const struct tuff_device_info *info = tuff_device_info(device);
    if (n < SHORT || !info->uniform_loads /* llvmpipe */ || tuff_os_cpu_count() < 2)
        return;
    if (!*ahead && !(*ahead = create(info)))
        return;
    struct tuff_ahead *a = *ahead;
    tuff_mutex_lock(a->mutex);
    a->lists++;
    for (size_t i = 0; i < n; i++) {
        struct item *item = TUFF_PUSH(&a->waiting);
        if (!item)
            break;
        *item = (struct item) {.params = params[i], .list = a->lists};
        memcpy(item->spec, params[i].spec, params[i].n_spec * sizeof *item->spec);
    }
    bool start = a->ended;
    tuff_mutex_unlock(a->mutex);
    if (start) { /* a thread before, if any, does nothing more */
        if (a->thread)
            tuff_thread_join(&a->thread);
        a->ended = tuff_thread_create(NULL, work, a, &a->thread) != TUFF_OK;
        if (a->ended)
            a->thread = NULL;
    }
}

void tuff_ahead_destroy(struct tuff_ahead **ahead)
{
    struct tuff_ahead *a = *ahead;
    if (!a)
        return;
    if (a->thread) {
        tuff_mutex_lock(a->mutex);
        a->stop = true;
        tuff_mutex_unlock(a->mutex);
        tuff_thread_join(&a->thread);
    }
    free(a->waiting.items);
    if (a->mutex)
        tuff_mutex_destroy(a->mutex);
    tuff_ctx_destroy(a->ctx);
    free(a);
    *ahead = NULL;
}
