/* text/bpe: see bpe.h. */
#include "text/bpe.h"

/* Words up to this many bytes are merged by looking at all pairs each time; it beats the heap up
 * to about here, and nearly all words are short. */
#define SHORT_WORD 48
#define NONE UINT32_MAX

void tuff_bpe_fini(struct tuff_bpe *bpe)
{
    free(bpe->slots);
    *bpe = (struct tuff_bpe){0};
}

static size_t slot_of(const struct tuff_bpe *bpe, uint32_t a, uint32_t b)
{
    uint64_t key = (uint64_t) a << 32 | b;
    size_t at = (size_t) ((key * 0x9e3779b97f4a7c15u) >> bpe->shift);
    while (bpe->slots[at].a != TUFF_NO_ID && (bpe->slots[at].a != a || bpe->slots[at].b != b))
        at = (at + 1) & (bpe->n_slots - 1);
    return at;
}

static bool grow_slots(struct tuff_bpe *bpe)
{
    struct tuff_bpe bigger = *bpe;
    bigger.n_slots = bpe->n_slots ? bpe->n_slots * 2 : 1024;
    bigger.shift = bpe->n_slots ? bpe->shift - 1 : 64 - 10;
    bigger.slots = tuff_calloc(bigger.n_slots, sizeof *bigger.slots);
    if (!bigger.slots)
        return false;
    memset(bigger.slots, 0xff, bigger.n_slots * sizeof *bigger.slots);
    for (size_t i = 0; i < bpe->n_slots; i++)
        if (bpe->slots[i].a != TUFF_NO_ID)
            bigger.slots[slot_of(&bigger, bpe->slots[i].a, bpe->slots[i].b)] = bpe->slots[i];
    free(bpe->slots);
    *bpe = bigger;
    return true;
}

bool tuff_bpe_put(struct tuff_bpe *bpe, uint32_t a, uint32_t b, uint32_t rank, uint32_t into)
{
    if (bpe->n_merges * 2 >= bpe->n_slots && !grow_slots(bpe))
        return false;
    struct tuff_merge *slot = &bpe->slots[slot_of(bpe, a, b)];
    bpe->n_merges += slot->a == TUFF_NO_ID;
    *slot = (struct tuff_merge){a, b, rank, into};
    return true;
}

const struct tuff_merge *tuff_bpe_find(const struct tuff_bpe *bpe, uint32_t a, uint32_t b)
{
    if (!bpe->n_slots)
        return NULL;
    const struct tuff_merge *slot = &bpe->slots[slot_of(bpe, a, b)];
    return slot->a == TUFF_NO_ID ? NULL : slot;
}

static int by_rank(const void *a, const void *b)
{
    uint32_t x = ((const struct tuff_merge *) a)->rank, y = ((const struct tuff_merge *) b)->rank;
    return (x > y) - (x < y);
}

void tuff_bpe_ranked(const struct tuff_bpe *bpe, struct tuff_merge *out)
{
    size_t n = 0;
    for (size_t i = 0; i < bpe->n_slots; i++)
        if (bpe->slots[i].a != TUFF_NO_ID)
            out[n++] = bpe->slots[i];
    if (n)
        qsort(out, n, sizeof *out, by_rank);
}

/* A place in a long word. Joined neighbours leave the list; what is left keeps its place, so that
 * places order the heap. */
struct tuff_bpe_node {
    uint32_t id; /* NONE: joined to the one before */
    uint32_t prev, next;
    uint32_t length;
};

void tuff_bpe_scratch_fini(struct tuff_bpe_scratch *scratch)
{
    free(scratch->nodes);
    free(scratch->heap.items);
    free(scratch->skipped.items);
    *scratch = (struct tuff_bpe_scratch){0};
}

/* The first symbols: bytes, or the unknown token for a byte (or row of bytes) that has none. */
static size_t first_symbols(const struct tuff_bpe *bpe, const uint8_t *word, size_t n,
                            uint32_t *ids)
{
    size_t n_ids = 0;
    bool after_unk = false;
    for (size_t i = 0; i < n; i++) {
        uint32_t id = bpe->byte_ids[word[i]];
        bool missing = id == TUFF_NO_ID;
        if (!missing || (bpe->unk != TUFF_NO_ID && !(after_unk && bpe->fuse_unk)))
            ids[n_ids++] = missing ? bpe->unk : id;
        after_unk = missing;
    }
    return n_ids;
}

static size_t merge_short(const struct tuff_bpe *bpe, uint32_t *ids, size_t n)
{
    const struct tuff_merge *merges[SHORT_WORD]; /* of the pair (i, i + 1) */
    for (size_t i = 0; i + 1 < n; i++)
        merges[i] = tuff_bpe_find(bpe, ids[i], ids[i + 1]);
    while (n > 1) {
        size_t best = NONE;
        uint32_t rank = NONE;
        for (size_t i = 0; i + 1 < n; i++)
            if (merges[i] && merges[i]->rank < rank) {
                best = i;
                rank = merges[i]->rank;
            }
        if (best == NONE)
            break;
        ids[best] = merges[best]->into;
        for (size_t i = best + 1; i + 1 < n; i++) {
            ids[i] = ids[i + 1];
            merges[i - 1] = merges[i];
        }
        n--;
        if (best > 0)
            merges[best - 1] = tuff_bpe_find(bpe, ids[best - 1], ids[best]);
        if (best + 1 < n)
            merges[best] = tuff_bpe_find(bpe, ids[best], ids[best + 1]);
    }
    return n;
}

static bool heap_push(struct tuff_bpe_scratch *scratch, uint64_t key)
{
    if (!TUFF_PUSH(&scratch->heap))
        return false;
    uint64_t *heap = scratch->heap.items;
    size_t at = scratch->heap.n - 1;
    for (; at > 0 && heap[(at - 1) / 2] > key; at = (at - 1) / 2)
        heap[at] = heap[(at - 1) / 2];
    heap[at] = key;
    return true;
}

static uint64_t heap_pop(struct tuff_bpe_scratch *scratch)
{
    uint64_t *heap = scratch->heap.items, top = heap[0];
    size_t n = --scratch->heap.n;
    uint64_t key = heap[n];
    size_t at = 0;
    for (size_t child = 1; child < n; child = 2 * at + 1) {
        if (child + 1 < n && heap[child + 1] < heap[child])
            child++;
        if (heap[child] >= key)
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = key;
    return top;
}

/* A pair waits as (rank, place of its left symbol): lowest rank first, leftmost among equals. */
static bool offer(const struct tuff_bpe *bpe, struct tuff_bpe_scratch *scratch, uint32_t left)
{
    const struct tuff_bpe_node *nodes = scratch->nodes;
    if (left == NONE || nodes[left].next == NONE)
        return true;
    const struct tuff_merge *merge = tuff_bpe_find(bpe, nodes[left].id, nodes[nodes[left].next].id);
    return !merge || heap_push(scratch, (uint64_t) merge->rank << 32 | left);
}

static bool link_nodes(const struct tuff_bpe *bpe, struct tuff_bpe_scratch *scratch,
                       const uint32_t *ids, const uint32_t *lengths, size_t n)
{
    if (!tuff_grow((void **) &scratch->nodes, &scratch->nodes_cap, n, sizeof *scratch->nodes))
        return false;
    for (size_t i = 0; i < n; i++)
        scratch->nodes[i] = (struct tuff_bpe_node){ids[i], i ? (uint32_t) i - 1 : NONE,
                                                   i + 1 < n ? (uint32_t) i + 1 : NONE,
                                                   lengths ? lengths[i] : 0};
    scratch->heap.n = scratch->skipped.n = 0;
    for (uint32_t i = 0; i + 1 < n; i++)
        if (!offer(bpe, scratch, i))
            return false;
    return true;
}

/* Sets the pair that came up aside, with probability `dropout`; the next pair that is not brings
 * all that were back. */
static bool skips(struct tuff_bpe_scratch *scratch, uint64_t key, double dropout,
                  struct tuff_rng *rng, bool *good)
{
    if (tuff_rng_uniform(rng) < dropout) {
        uint64_t *slot = TUFF_PUSH(&scratch->skipped);
        if (slot)
            *slot = key;
        *good = slot != NULL;
        return true;
    }
    for (size_t i = 0; i < scratch->skipped.n && *good; i++)
        *good = heap_push(scratch, scratch->skipped.items[i]);
    scratch->skipped.n = 0;
    return false;
}

static bool merge_long(const struct tuff_bpe *bpe, struct tuff_bpe_scratch *scratch, uint32_t *ids,
                       uint32_t *lengths, size_t *n_ids, double dropout, struct tuff_rng *rng)
{
    bool good = link_nodes(bpe, scratch, ids, lengths, *n_ids);
    struct tuff_bpe_node *nodes = scratch->nodes;
    while (good && scratch->heap.n) {
        uint64_t key = heap_pop(scratch);
        if (rng && skips(scratch, key, dropout, rng, &good))
            continue;
        struct tuff_bpe_node *left = &nodes[(uint32_t) key];
        if (left->id == NONE || left->next == NONE)
            continue;
        /* Neighbours may have changed since: then this pair's place in the order is another. */
        struct tuff_bpe_node *right = &nodes[left->next];
        const struct tuff_merge *merge = tuff_bpe_find(bpe, left->id, right->id);
        if (!merge || merge->rank != key >> 32)
            continue;
        left->id = merge->into;
        left->length += right->length;
        right->id = NONE;
        left->next = right->next;
        if (left->next != NONE)
            nodes[left->next].prev = (uint32_t) key;
        good = good && offer(bpe, scratch, left->prev) && offer(bpe, scratch, (uint32_t) key);
    }
    size_t out = 0;
    for (uint32_t i = 0; good && *n_ids && i != NONE; i = nodes[i].next) {
        if (lengths)
            lengths[out] = nodes[i].length;
        ids[out++] = nodes[i].id;
    }
    *n_ids = out;
    return good;
}

bool tuff_bpe_merge(const struct tuff_bpe *bpe, struct tuff_bpe_scratch *scratch, uint32_t *ids,
                    uint32_t *lengths, size_t *n, double dropout, struct tuff_rng *rng)
{
    if (*n > SHORT_WORD || lengths || rng)
        return merge_long(bpe, scratch, ids, lengths, n, dropout, rng);
    *n = merge_short(bpe, ids, *n);
    return true;
}

bool tuff_bpe_word(const struct tuff_bpe *bpe, struct tuff_bpe_scratch *scratch,
                   const uint8_t *word, size_t n, struct tuff_ids *ids)
{
    if (!tuff_grow((void **) &ids->items, &ids->cap, ids->n + n, sizeof *ids->items))
        return false;
    uint32_t *symbols = ids->items + ids->n;
    size_t n_symbols = first_symbols(bpe, word, n, symbols);
    if (!tuff_bpe_merge(bpe, scratch, symbols, NULL, &n_symbols, 0, NULL))
        return false;
    ids->n += n_symbols;
    return true;
}
