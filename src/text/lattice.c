/* text/lattice: see lattice.h. Sums of probabilities are kept as logarithms: log(e^x + e^y). */
#include "text/lattice.h"
#include "text/unicode.h"

#include <math.h>

#define NONE UINT32_MAX
#define MAX_BEST 1024 /* ways that sampling of the n best looks at */

void tuff_lattice_destroy(struct tuff_lattice *lattice)
{
    if (!lattice)
        return;
    free(lattice->items);
    free(lattice->places);
    free(lattice);
}

static double log_add(double x, double y)
{
    double low = TUFF_MIN(x, y), high = TUFF_MAX(x, y);
    return low == -INFINITY || high > low + 50 ? high : high + log1p(exp(low - high));
}

static bool add_node(struct tuff_lattice *l, size_t from, size_t to, uint32_t id, double score)
{
    struct tuff_lattice_node *node = l->n < NONE - 1 ? TUFF_PUSH(l) : NULL;
    if (!node)
        return false;
    uint32_t index = (uint32_t) (l->n - 1);
    struct tuff_lattice_place *end = &l->places[to];
    *node = (struct tuff_lattice_node){
        .id = id, .from = (uint32_t) from, .to = (uint32_t) to, .next_end = NONE, .score = score};
    if (end->ends == NONE)
        end->ends = index;
    else
        l->items[end->last].next_end = index;
    end->last = index;
    l->places[from].n++;
    return true;
}

bool tuff_lattice_build(struct tuff_lattice **lattice, const struct tuff_trie *trie,
                        const double *scores, uint32_t unk, double unk_score, const uint8_t *word,
                        size_t n)
{
    if (!*lattice && !(*lattice = tuff_calloc(1, sizeof **lattice)))
        return false;
    struct tuff_lattice *l = *lattice;
    if (!tuff_grow((void **) &l->places, &l->places_cap, n + 1, sizeof *l->places))
        return false;
    l->n = 0;
    l->n_bytes = n;
    for (size_t i = 0; i <= n; i++)
        l->places[i] = (struct tuff_lattice_place){0, 0, NONE, NONE, -INFINITY, -INFINITY};
    for (size_t i = 0; i < n;) {
        size_t length = tuff_utf8_next(word + i, n - i).length;
        bool has_char = false;
        uint32_t node = 0;
        l->places[i].first = (uint32_t) l->n;
        for (size_t end = i; end < n;) {
            node = tuff_trie_step(trie, node, word[end++]);
            if (node == TUFF_TRIE_NONE)
                break;
            uint32_t id = trie->values[node];
            if (id == TUFF_TRIE_NONE)
                continue;
            has_char |= end == i + length;
            if (!add_node(l, i, end, id, scores[id]))
                return false;
        }
        if (!has_char && unk != NONE && !add_node(l, i, i + length, unk, unk_score))
            return false;
        i += length;
    }
    l->places[n].first = (uint32_t) l->n;
    return true;
}

/* alpha of every place: the log of the sum over all ways there of their probabilities, each to the
 * power of theta. */
static void forward(struct tuff_lattice *l, double theta)
{
    l->places[0].alpha = 0;
    for (size_t i = 0; i < l->n; i++) {
        struct tuff_lattice_node *node = &l->items[i];
        node->alpha = l->places[node->from].alpha;
        double *to = &l->places[node->to].alpha;
        *to = log_add(*to, node->alpha + theta * node->score);
    }
}

double tuff_lattice_marginal(struct tuff_lattice *l, double count, double *expected)
{
    forward(l, 1);
    l->places[l->n_bytes].beta = 0;
    for (size_t i = l->n; i > 0; i--) {
        const struct tuff_lattice_node *node = &l->items[i - 1];
        double *from = &l->places[node->from].beta;
        *from = log_add(*from, node->score + l->places[node->to].beta);
    }
    double z = l->places[l->n_bytes].alpha;
    for (size_t i = 0; i < l->n; i++) {
        const struct tuff_lattice_node *node = &l->items[i];
        expected[node->id] +=
            count * exp(node->alpha + node->score + l->places[node->to].beta - z);
    }
    return count * z;
}

/* The best way to each node. Equals go to the token that starts first. */
static void best_ways(struct tuff_lattice *l)
{
    for (size_t i = 0; i < l->n; i++) {
        struct tuff_lattice_node *node = &l->items[i];
        node->before = NONE;
        node->best = node->from ? -INFINITY : 0;
        for (uint32_t k = l->places[node->from].ends; k != NONE; k = l->items[k].next_end)
            if (node->before == NONE || l->items[k].best > node->best) {
                node->before = k;
                node->best = l->items[k].best;
            }
        node->best += node->score;
    }
}

static uint32_t best_end(const struct tuff_lattice *l)
{
    uint32_t best = NONE;
    for (uint32_t k = l->places[l->n_bytes].ends; k != NONE; k = l->items[k].next_end)
        if (best == NONE || l->items[k].best > l->items[best].best)
            best = k;
    return best;
}

static size_t follow(const struct tuff_lattice *l, uint32_t node, uint32_t *out)
{
    size_t n = 0;
    for (uint32_t k = node; k != NONE; k = l->items[k].before)
        n++;
    for (size_t i = n; i > 0; i--, node = l->items[node].before)
        out[i - 1] = node;
    return n;
}

size_t tuff_lattice_best(struct tuff_lattice *l, uint32_t *out)
{
    best_ways(l);
    return follow(l, best_end(l), out);
}

/* ---- the n best: A*, from the end back, with the best way to a node as what is left ---- */

struct hypothesis {
    double total; /* the best that can come of it */
    double done;  /* log-probability from here to the end */
    uint32_t node, next; /* next: the hypothesis of the token after it, or NONE */
};
struct agenda {
    struct {
        struct hypothesis *items;
        size_t n, cap;
    } all;
    struct {
        uint32_t *items;
        size_t n, cap;
    } heap;
};

static bool better(const struct agenda *a, uint32_t x, uint32_t y)
{
    return a->all.items[x].total > a->all.items[y].total;
}

static bool suppose(struct agenda *a, const struct hypothesis *h)
{
    struct hypothesis *slot = a->all.n < NONE - 1 ? TUFF_PUSH(&a->all) : NULL;
    if (!slot || !TUFF_PUSH(&a->heap))
        return false;
    *slot = *h;
    uint32_t index = (uint32_t) (a->all.n - 1);
    size_t at = a->heap.n - 1;
    for (; at > 0 && better(a, index, a->heap.items[(at - 1) / 2]); at = (at - 1) / 2)
        a->heap.items[at] = a->heap.items[(at - 1) / 2];
    a->heap.items[at] = index;
    return true;
}

static uint32_t pop(struct agenda *a)
{
    uint32_t *heap = a->heap.items, top = heap[0];
    size_t n = --a->heap.n, at = 0;
    uint32_t moved = heap[n];
    for (size_t child = 1; child < n; child = 2 * at + 1) {
        if (child + 1 < n && better(a, heap[child + 1], heap[child]))
            child++;
        if (!better(a, heap[child], moved))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moved;
    return top;
}

/* Takes the next best whole way off the agenda: its first hypothesis, NONE when there is no more. */
static bool next_way(const struct tuff_lattice *l, struct agenda *a, uint32_t *way)
{
    *way = NONE;
    while (a->heap.n) {
        uint32_t top = pop(a);
        struct hypothesis h = a->all.items[top];
        if (l->items[h.node].from == 0) {
            *way = top;
            return true;
        }
        for (uint32_t k = l->places[l->items[h.node].from].ends; k != NONE;
             k = l->items[k].next_end) {
            const struct tuff_lattice_node *node = &l->items[k];
            struct hypothesis more = {h.done + node->best, h.done + node->score, k, top};
            if (!suppose(a, &more))
                return false;
        }
    }
    return true;
}

static bool start_agenda(struct tuff_lattice *l, struct agenda *a)
{
    best_ways(l);
    for (uint32_t k = l->places[l->n_bytes].ends; k != NONE; k = l->items[k].next_end) {
        struct hypothesis h = {l->items[k].best, l->items[k].score, k, NONE};
        if (!suppose(a, &h))
            return false;
    }
    return true;
}

static void agenda_fini(struct agenda *a)
{
    free(a->all.items);
    free(a->heap.items);
}

bool tuff_lattice_second_best(struct tuff_lattice *l, uint32_t *out, size_t *n, bool *found)
{
    struct agenda a = {0};
    uint32_t way = NONE;
    *n = 0;
    bool good = start_agenda(l, &a) && next_way(l, &a, &way) &&
                (way == NONE || next_way(l, &a, &way));
    *found = good && way != NONE;
    for (; good && way != NONE; way = a.all.items[way].next)
        out[(*n)++] = a.all.items[way].node;
    agenda_fini(&a);
    return good;
}

/* An index with probability proportional to exp(logs[i]). */
static size_t draw(const double *logs, size_t n, struct tuff_rng *rng)
{
    double highest = -INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++)
        highest = TUFF_MAX(highest, logs[i]);
    for (size_t i = 0; i < n; i++)
        sum += exp(logs[i] - highest);
    double at = tuff_rng_uniform(rng) * sum;
    for (size_t i = 0; i + 1 < n; i++) {
        at -= exp(logs[i] - highest);
        if (at < 0)
            return i;
    }
    return n - 1;
}

static void put_node(const struct tuff_lattice_node *node, struct tuff_path_node *path)
{
    path[node->to] = (struct tuff_path_node){0, node->from, node->id};
}

/* From the end back: a token that ends here, with the probability that a way drawn uses it. */
static bool sample_all(struct tuff_lattice *l, double alpha, struct tuff_rng *rng,
                       struct tuff_path_node *path)
{
    double *logs = NULL;
    size_t cap = 0, at = l->n_bytes;
    bool good = true;
    forward(l, alpha);
    while (at > 0 && good) {
        size_t n = 0;
        for (uint32_t k = l->places[at].ends; k != NONE && good; k = l->items[k].next_end) {
            good = tuff_grow((void **) &logs, &cap, n + 1, sizeof *logs);
            if (good)
                logs[n++] = l->items[k].alpha + alpha * l->items[k].score;
        }
        size_t drawn = good ? draw(logs, n, rng) : 0;
        uint32_t k = l->places[at].ends;
        while (drawn--)
            k = l->items[k].next_end;
        put_node(&l->items[k], path);
        at = l->items[k].from;
    }
    free(logs);
    return good;
}

static bool sample_best(struct tuff_lattice *l, double alpha, size_t nbest, struct tuff_rng *rng,
                        struct tuff_path_node *path)
{
    struct agenda a = {0};
    uint32_t ways[MAX_BEST];
    double logs[MAX_BEST];
    size_t n = 0;
    bool good = start_agenda(l, &a);
    while (good && n < TUFF_MIN(nbest, (size_t) MAX_BEST)) {
        good = next_way(l, &a, &ways[n]);
        if (!good || ways[n] == NONE)
            break;
        logs[n] = alpha * a.all.items[ways[n]].done;
        n++;
    }
    for (uint32_t h = good && n ? ways[draw(logs, n, rng)] : NONE; h != NONE;
         h = a.all.items[h].next)
        put_node(&l->items[a.all.items[h].node], path);
    agenda_fini(&a);
    return good;
}

enum tuff_status tuff_lattice_sample_path(struct tuff_ctx *ctx, const struct tuff_unigram *u,
                                          struct tuff_model_scratch *scratch, const uint8_t *word,
                                          size_t n, struct tuff_path_node *path)
{
    if (!tuff_lattice_build(&scratch->lattice, &u->trie, u->scores, u->unk, u->unk_score, word, n))
        return tuff_fail(ctx, TUFF_E_NOMEM, "encoding: out of host memory");
    struct tuff_lattice *l = scratch->lattice;
    best_ways(l);
    uint32_t end = best_end(l);
    if (end == NONE || l->items[end].best == -INFINITY)
        return tuff_fail(ctx, TUFF_E_ARG, "encoding: a character that the vocabulary lacks, and it "
                                          "has no unknown token");
    bool good = scratch->nbest ? sample_best(l, scratch->alpha, scratch->nbest, &scratch->rng, path)
                               : sample_all(l, scratch->alpha, &scratch->rng, path);
    return good ? TUFF_OK : tuff_fail(ctx, TUFF_E_NOMEM, "encoding: out of host memory");
}
