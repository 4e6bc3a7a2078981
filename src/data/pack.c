/* data/pack: best fit decreasing; see pack.h. */
#include "data/pack.h"
#include "base/base.h"

#define NONE UINT32_MAX

/* A row is known by the first sequence in it. Rows with the same space left are a stack. */
struct packing {
    const uint32_t *lengths;
    size_t n, capacity;
    uint32_t *sorted;       /* longest first */
    uint32_t *next, *last;  /* of a sequence: the next of its row; of a row: its last sequence */
    uint32_t *below;        /* of a row: the next of its stack */
    uint32_t *top;          /* of each space left, 0..capacity */
    uint64_t *some;         /* a bit each: there is such a row */
};

/* Longest first, those of a length as they come. */
static bool sort(struct packing *p)
{
    uint32_t *begin = tuff_calloc(p->capacity + 2, sizeof *begin);
    if (!begin)
        return false;
    for (size_t i = 0; i < p->n; i++)
        begin[p->capacity - p->lengths[i] + 1]++;
    for (size_t i = 1; i <= p->capacity; i++)
        begin[i] += begin[i - 1];
    for (size_t i = 0; i < p->n; i++)
        p->sorted[begin[p->capacity - p->lengths[i]]++] = (uint32_t) i;
    free(begin);
    return true;
}

/* The least space left, `least` or more, that a row has; 0: no row has. */
static size_t find(const struct packing *p, size_t least)
{
    size_t word = least / 64, words = p->capacity / 64 + 1;
    uint64_t bits = p->some[word] & UINT64_MAX << least % 64;
    while (!bits && ++word < words)
        bits = p->some[word];
    if (!bits)
        return 0;
    size_t bit = 0;
    while (!(bits >> bit & 1))
        bit++;
    return 64 * word + bit;
}

static void push(struct packing *p, size_t space, uint32_t row)
{
    p->below[row] = p->top[space];
    p->top[space] = row;
    p->some[space / 64] |= (uint64_t) 1 << space % 64;
}

static uint32_t pop(struct packing *p, size_t space)
{
    uint32_t row = p->top[space];
    p->top[space] = p->below[row];
    if (p->top[space] == NONE)
        p->some[space / 64] &= ~((uint64_t) 1 << space % 64);
    return row;
}

/* heads[r] = the row's first sequence. */
static size_t place(struct packing *p, uint32_t *heads)
{
    size_t rows = 0;
    for (size_t i = 0; i < p->n; i++) {
        uint32_t x = p->sorted[i], row = x;
        size_t length = p->lengths[x], space = find(p, length);
        p->next[x] = NONE;
        if (space) {
            row = pop(p, space);
            p->next[p->last[row]] = x;
        } else {
            space = p->capacity;
            heads[rows++] = x;
        }
        p->last[row] = x;
        push(p, space - length, row);
    }
    return rows;
}

enum tuff_status tuff_pack(struct tuff_ctx *ctx, const uint32_t *lengths, size_t n, size_t capacity,
                           struct tuff_rng *rng, uint32_t *order, uint32_t *starts, size_t *n_rows)
{
    struct packing p = {.lengths = lengths, .n = n, .capacity = capacity};
    for (size_t i = 0; i < n; i++)
        if (lengths[i] < 1 || lengths[i] > capacity)
            return tuff_fail(ctx, TUFF_E_RANGE, "a sequence of %lu tokens is not for rows of %zu",
                             (unsigned long) lengths[i], capacity);
    p.top = tuff_calloc(capacity + 1, sizeof *p.top);
    p.some = tuff_calloc(capacity / 64 + 1, sizeof *p.some);
    uint32_t **lists[] = {&p.sorted, &p.next, &p.last, &p.below};
    bool memory = p.top && p.some;
    for (size_t i = 0; i < TUFF_COUNT(lists); i++)
        memory &= (*lists[i] = tuff_calloc(TUFF_MAX(n, 1), sizeof **lists[i])) != NULL;
    if ((memory = memory && sort(&p))) {
        memset(p.top, 0xFF, (capacity + 1) * sizeof *p.top);
        uint32_t *heads = starts; /* until the rows are written */
        size_t rows = *n_rows = place(&p, heads), at = 0;
        for (size_t i = 0; i < rows && rng; i++) {
            size_t j = (size_t) tuff_rng_below(rng, i + 1);
            uint32_t head = heads[i];
            heads[i] = heads[j];
            heads[j] = head;
        }
        for (size_t r = 0; r < rows; r++) {
            uint32_t x = heads[r];
            for (starts[r] = (uint32_t) at; x != NONE; x = p.next[x])
                order[at++] = x;
        }
        starts[rows] = (uint32_t) at;
    }
    free(p.top);
    free(p.some);
    for (size_t i = 0; i < TUFF_COUNT(lists); i++)
        free(*lists[i]);
    return memory ? TUFF_OK : tuff_fail(ctx, TUFF_E_NOMEM, "packing: out of host memory");
}
