/* data/data_loader: a ring of batches that workers fill; see tuff/data_loader.h. */
#include "base/os.h"
#include "base/rng.h"
#include "tuff/data_loader.h"

#define WORKERS_MAX 64

/* ---- the order of an epoch ---- */

uint64_t tuff_shuffled(uint64_t n, uint64_t seed, uint64_t epoch, uint64_t i)
{
    enum { ROUNDS = 6 };
    const uint32_t key[2] = {(uint32_t) seed, (uint32_t) (seed >> 32)};
    int half = 1;
    while (half < 32 && (uint64_t) 1 << 2 * half < n)
        half++;
    uint32_t mask = half == 32 ? UINT32_MAX : ((uint32_t) 1 << half) - 1;
    do { /* below 4 n values: four walks at the mean at most */
        uint32_t left = (uint32_t) (i >> half) & mask, right = (uint32_t) i & mask;
        for (uint32_t r = 0; r < ROUNDS; r++) {
            const uint32_t counter[4] = {right, r | 0x666973u << 8, (uint32_t) epoch,
                                         (uint32_t) (epoch >> 32)};
            uint32_t out[4], next;
            tuff_philox(counter, key, out);
            next = left ^ (out[0] & mask);
            left = right;
            right = next;
        }
        i = (uint64_t) left << half | right;
    } while (i >= n);
    return i;
}

/* ---- the ring ---- */

struct slot {
    void *batch;
    struct tuff_data_position at;
    bool ready;
    enum tuff_status status;
    char error[512]; /* the context keeps texts a thread: it has to be carried over */
};
struct tuff_data_loader {
    struct tuff_ctx *ctx;
    struct tuff_data_loader_params params;
    struct tuff_mutex *mutex;
    struct tuff_thread *threads[WORKERS_MAX];
    int n_threads;
    /* Guarded by the mutex, but for the slot that a worker fills: batch i is in slot i % n. */
    struct slot *slots;
    uint64_t n;
    uint64_t begun, given; /* batches that a worker has taken on; that were given out */
    bool holding;          /* batch given - 1 is in the caller's hand */
    bool stop;
    struct tuff_data_position first;
};

static struct tuff_data_position position_of(const struct tuff_data_loader *l, uint64_t i)
{
    uint64_t all = l->first.index + i, epochs = all / l->params.batches;
    return (struct tuff_data_position) {l->first.seed, l->first.epoch + epochs,
                                        all % l->params.batches};
}

static void fill(struct tuff_data_loader *l, struct slot *slot)
{
    slot->status = l->params.fill(l->params.user, l->ctx, &slot->at, slot->batch);
    if (slot->status != TUFF_OK)
        snprintf(slot->error, sizeof slot->error, "%s", tuff_error_text(l->ctx));
}

static void work(void *user)
{
    struct tuff_data_loader *l = user;
    tuff_mutex_lock(l->mutex);
    while (!l->stop) {
        if (l->begun == l->given - l->holding + l->n) { /* all slots are taken */
            tuff_mutex_wait(l->mutex);
            continue;
        }
        struct slot *slot = &l->slots[l->begun % l->n];
        slot->ready = false;
        slot->at = position_of(l, l->begun++);
        tuff_mutex_unlock(l->mutex);
        fill(l, slot);
        tuff_mutex_lock(l->mutex);
        slot->ready = true;
        tuff_mutex_wake_all(l->mutex);
    }
    tuff_mutex_unlock(l->mutex);
}

enum tuff_status tuff_data_loader_create(struct tuff_ctx *ctx,
                                         const struct tuff_data_loader_params *params,
                                         const struct tuff_data_position *position,
                                         struct tuff_data_loader **out)
{
    *out = NULL;
    int workers = TUFF_MIN(TUFF_MAX(params->workers, 1), WORKERS_MAX);
    if (!params->batches || position->index > params->batches)
        return tuff_fail(ctx, TUFF_E_RANGE, "loader: batch %llu of an epoch of %llu",
                         (unsigned long long) position->index,
                         (unsigned long long) params->batches);
    struct tuff_data_loader *l = tuff_calloc(1, sizeof *l);
    if (!l)
        return tuff_fail(ctx, TUFF_E_NOMEM, "loader: out of host memory");
    l->ctx = ctx;
    l->params = *params;
    l->first = *position;
    l->n = (uint64_t) workers + 1;
    bool memory = (l->mutex = tuff_mutex_create()) != NULL;
    memory &= (l->slots = tuff_calloc((size_t) l->n, sizeof *l->slots)) != NULL;
    for (uint64_t i = 0; i < l->n && memory; i++)
        memory = (l->slots[i].batch = tuff_calloc(1, TUFF_MAX(params->bytes, 1))) != NULL;
    enum tuff_status status =
        memory ? TUFF_OK : tuff_fail(ctx, TUFF_E_NOMEM, "loader: out of host memory");
    for (int i = 0; i < workers && status == TUFF_OK; i++) {
        status = tuff_thread_create(ctx, work, l, &l->threads[i]);
        l->n_threads += status == TUFF_OK;
    }
    if (status != TUFF_OK)
        tuff_data_loader_destroy(l);
    else
        *out = l;
    return status;
}

void tuff_data_loader_destroy(struct tuff_data_loader *l)
{
    if (!l)
        return;
    if (l->n_threads) {
        tuff_mutex_lock(l->mutex);
        l->stop = true;
        tuff_mutex_wake_all(l->mutex);
        tuff_mutex_unlock(l->mutex);
    }
    for (int i = 0; i < l->n_threads; i++)
        tuff_thread_join(&l->threads[i]);
    for (uint64_t i = 0; l->slots && i < l->n; i++)
        free(l->slots[i].batch);
    free(l->slots);
    tuff_mutex_destroy(l->mutex);
    free(l);
}

enum tuff_status tuff_data_loader_next(struct tuff_data_loader *l, const void **batch,
                                       struct tuff_data_position *next)
{
    tuff_mutex_lock(l->mutex);
    if (l->holding) {
        l->holding = false;
        tuff_mutex_wake_all(l->mutex);
    }
    struct slot *slot = &l->slots[l->given % l->n];
    while (l->begun <= l->given || !slot->ready)
        tuff_mutex_wait(l->mutex);
    enum tuff_status status = slot->status;
    if (status == TUFF_OK) { /* a failure stays in its place */
        l->given++;
        l->holding = true;
        *batch = slot->batch;
        if (next)
            *next = position_of(l, l->given);
    }
    tuff_mutex_unlock(l->mutex);
    return status == TUFF_OK ? TUFF_OK : tuff_fail(l->ctx, status, "%s", slot->error);
}
