/* graph/hazard: barriers from byte ranges, and an independent proof that none is missing. */
#include "graph/plan.h"
#include "base/rng.h"

static bool conflict(const struct tuff_launch *a, const struct tuff_launch *b)
{
    for (int i = 0; i < a->n_access; i++)
        for (int k = 0; k < b->n_access; k++)
            if ((a->access[i].write || b->access[k].write) &&
                a->access[i].begin < b->access[k].end && b->access[k].begin < a->access[i].end)
                return true;
    return false;
}

void tuff_barriers_place(struct tuff_launches *launches)
{
    size_t since = 0; /* first launch after the last barrier */
    for (size_t i = 0; i < launches->n; i++) {
        launches->items[i].barrier = false;
        for (size_t k = since; k < i; k++)
            if (conflict(&launches->items[k], &launches->items[i])) {
                launches->items[i].barrier = true;
                since = i;
                break;
            }
    }
}

enum tuff_status tuff_barriers_check(struct tuff_ctx *ctx, const struct tuff_launches *launches)
{
    for (size_t i = 0; i < launches->n; i++) {
        /* Backwards until a barrier stands between: beyond it everything is ordered. */
        for (size_t k = i; k > 0 && !launches->items[k].barrier; k--)
            if (conflict(&launches->items[k - 1], &launches->items[i]))
                return tuff_fail(ctx, TUFF_E_STATE, "no barrier between launch %zu (%s) and %zu (%s)",
                                 k - 1, launches->items[k - 1].kernel, i,
                                 launches->items[i].kernel);
    }
    return TUFF_OK;
}

static void swap(struct tuff_launch *a, struct tuff_launch *b)
{
    struct tuff_launch kept = *a;
    *a = *b;
    *b = kept;
}

void tuff_launches_reorder(struct tuff_launches *launches, enum tuff_order order, uint64_t seed)
{
    struct tuff_rng rng;
    tuff_rng_init(&rng, seed, 0);
    for (size_t first = 0, end; first < launches->n && order != TUFF_ORDER_GIVEN; first = end) {
        for (end = first + 1; end < launches->n && !launches->items[end].barrier; end++)
            ;
        size_t n = end - first;
        struct tuff_launch *group = &launches->items[first];
        bool barrier = group[0].barrier;
        group[0].barrier = false;
        if (order == TUFF_ORDER_REVERSED)
            for (size_t i = 0; i < n / 2; i++)
                swap(&group[i], &group[n - 1 - i]);
        else
            for (size_t i = n; i > 1; i--)
                swap(&group[i - 1], &group[tuff_rng_below(&rng, i)]);
        group[0].barrier = barrier;
    }
}
