/* data/prefetch: the loader on a thread of its own, one batch ahead. */
#include "base/base.h"
#include "base/os.h"
#include "tuff/data.h"

#define SLOTS 2

struct slot {
    uint32_t *ids, *targets;
    struct tuff_batch batch;
    bool ready; /* filled and not yet given back */
    enum tuff_status status;
    char error[512]; /* the context keeps texts a thread: it has to be carried over */
};

struct tuff_prefetch {
    struct tuff_ctx *ctx;
    struct tuff_loader *loader;
    struct tuff_mutex *mutex;
    struct tuff_thread *thread;
    /* All below is guarded by the mutex, except that the thread fills the slot `filling` (which is
     * not ready, so nobody looks at it) without holding it. */
    struct slot slots[SLOTS];
    size_t filling, giving;
    bool holding; /* the caller has slots[giving] in hand */
    bool stop;
    uint64_t generation; /* of seeks: a batch begun before one is dropped */
    struct tuff_data_position position;
};

static void fill_slot(struct tuff_prefetch *prefetch, struct slot *slot,
                      const struct tuff_data_position *position)
{
    slot->batch = (struct tuff_batch){slot->ids, slot->targets, 0, *position, *position};
    slot->status = tuff_loader_fill(prefetch->loader, &slot->batch.next, slot->ids, slot->targets,
                                    &slot->batch.counted);
    if (slot->status != TUFF_OK)
        snprintf(slot->error, sizeof slot->error, "%s", tuff_error_text(prefetch->ctx));
}

static void work(void *user)
{
    struct tuff_prefetch *prefetch = user;
    tuff_mutex_lock(prefetch->mutex);
    while (!prefetch->stop) {
        struct slot *slot = &prefetch->slots[prefetch->filling];
        if (slot->ready) {
            tuff_mutex_wait(prefetch->mutex);
            continue;
        }
        uint64_t generation = prefetch->generation;
        struct tuff_data_position position = prefetch->position;
        tuff_mutex_unlock(prefetch->mutex);
        fill_slot(prefetch, slot, &position);
        tuff_mutex_lock(prefetch->mutex);
        if (generation != prefetch->generation)
            continue;
        slot->ready = true;
        prefetch->position = slot->batch.next;
        prefetch->filling = (prefetch->filling + 1) % SLOTS;
        tuff_mutex_wake_all(prefetch->mutex);
    }
    tuff_mutex_unlock(prefetch->mutex);
}

enum tuff_status tuff_prefetch_create(struct tuff_ctx *ctx, const struct tuff_loader_params *params,
                                      const struct tuff_data_position *position,
                                      struct tuff_prefetch **out)
{
    *out = NULL;
    struct tuff_prefetch *prefetch = tuff_calloc(1, sizeof *prefetch);
    if (!prefetch)
        return tuff_fail(ctx, TUFF_E_NOMEM, "loader: out of host memory");
    prefetch->ctx = ctx;
    prefetch->position = *position;
    enum tuff_status status = tuff_loader_create(ctx, params, &prefetch->loader);
    size_t n = (size_t) params->batch * params->context;
    bool memory = (prefetch->mutex = tuff_mutex_create()) != NULL;
    for (size_t i = 0; i < SLOTS && status == TUFF_OK; i++) {
        prefetch->slots[i].ids = tuff_calloc(n, 4);
        prefetch->slots[i].targets = tuff_calloc(n, 4);
        memory = memory && prefetch->slots[i].ids && prefetch->slots[i].targets;
    }
    if (status == TUFF_OK && !memory)
        status = tuff_fail(ctx, TUFF_E_NOMEM, "loader: out of host memory");
    if (status == TUFF_OK)
        status = tuff_thread_create(ctx, work, prefetch, &prefetch->thread);
    if (status == TUFF_OK)
        *out = prefetch;
    else
        tuff_prefetch_destroy(prefetch);
    return status;
}

/* With the mutex held: the batch in hand goes back to the thread. */
static void release(struct tuff_prefetch *prefetch)
{
    if (!prefetch->holding)
        return;
    prefetch->holding = false;
    prefetch->slots[prefetch->giving].ready = false;
    prefetch->giving = (prefetch->giving + 1) % SLOTS;
    tuff_mutex_wake_all(prefetch->mutex);
}

enum tuff_status tuff_prefetch_next(struct tuff_prefetch *prefetch, struct tuff_batch *batch)
{
    tuff_mutex_lock(prefetch->mutex);
    release(prefetch);
    struct slot *slot = &prefetch->slots[prefetch->giving];
    while (!slot->ready)
        tuff_mutex_wait(prefetch->mutex);
    prefetch->holding = slot->status == TUFF_OK; /* a failure stays until a seek */
    *batch = slot->batch;
    tuff_mutex_unlock(prefetch->mutex);
    if (slot->status != TUFF_OK)
        return tuff_fail(prefetch->ctx, slot->status, "%s", slot->error);
    return TUFF_OK;
}

void tuff_prefetch_seek(struct tuff_prefetch *prefetch, const struct tuff_data_position *position)
{
    tuff_mutex_lock(prefetch->mutex);
    prefetch->generation++;
    prefetch->position = *position;
    prefetch->holding = false;
    prefetch->giving = prefetch->filling = 0;
    for (size_t i = 0; i < SLOTS; i++)
        prefetch->slots[i].ready = false;
    tuff_mutex_wake_all(prefetch->mutex);
    tuff_mutex_unlock(prefetch->mutex);
}

void tuff_prefetch_destroy(struct tuff_prefetch *prefetch)
{
    if (!prefetch)
        return;
    if (prefetch->thread) {
        tuff_mutex_lock(prefetch->mutex);
        prefetch->stop = true;
        tuff_mutex_wake_all(prefetch->mutex);
        tuff_mutex_unlock(prefetch->mutex);
        tuff_thread_join(&prefetch->thread);
    }
    for (size_t i = 0; i < SLOTS; i++) {
        free(prefetch->slots[i].ids);
        free(prefetch->slots[i].targets);
    }
    tuff_mutex_destroy(prefetch->mutex);
    tuff_loader_destroy(prefetch->loader);
    free(prefetch);
}
