/* base/parallel: see parallel.h. */
#include "base/parallel.h"

#include "base/os.h"

#include <stdatomic.h>

struct work {
    void (*fn)(void *user, size_t i);
    void *user;
    size_t n;
    atomic_size_t next;
};

static void run(void *user)
{
    struct work *w = user;
    for (size_t i; (i = atomic_fetch_add(&w->next, 1)) < w->n;)
        w->fn(w->user, i);
}

void tuff_parallel(size_t n, void (*fn)(void *user, size_t i), void *user)
{
    struct tuff_thread *threads[7] = {NULL};
    struct work work = {.fn = fn, .user = user, .n = n};
    size_t cores = TUFF_MIN((size_t) tuff_os_cpu_count(), TUFF_COUNT(threads) + 1);
    size_t more = TUFF_MIN(cores, n) - (n > 0);
    for (size_t i = 0; i < more; i++)
        if (tuff_thread_create(NULL, run, &work, &threads[i]) != TUFF_OK)
            threads[i] = NULL;
    run(&work);
    for (size_t i = 0; i < more; i++)
        if (threads[i])
            tuff_thread_join(&threads[i]);
}
