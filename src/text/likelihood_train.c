/* text/likelihood_train: the order of joining of the original WordPiece (Schuster and Nakajima
 * 2012): the pair that raises the corpus's likelihood most for its parts. With every symbol's
 * probability its share of all symbols, making ab one symbol changes the log-likelihood of an
 * occurrence by log P(ab) - log P(a) - log P(b), so the pair with the largest
 * count(ab) / (count(a) count(b)) comes first. A merge lowers the counts of a and b, and so raises
 * the scores of all their other pairs: these are queued anew. */
#include "text/merge_train.h"

static double score_of(const struct tuff_merge_trainer *t, const struct tuff_pair *pair)
{
    return (double) pair->count / (t->counts[pair->a] * t->counts[pair->b]);
}

/* Larger score first, then the pair that is older. */
static bool scores_more(const struct tuff_scored *x, const struct tuff_scored *y)
{
    return x->score != y->score ? x->score > y->score : x->pair < y->pair;
}

static bool push_scored(struct tuff_merge_trainer *t, uint32_t index)
{
    struct tuff_scored one = {score_of(t, &t->pairs.items[index]), index};
    if (!TUFF_PUSH(&t->scored))
        return false;
    struct tuff_scored *heap = t->scored.items;
    size_t at = t->scored.n - 1;
    for (; at > 0 && scores_more(&one, &heap[(at - 1) / 2]); at = (at - 1) / 2)
        heap[at] = heap[(at - 1) / 2];
    heap[at] = one;
    return true;
}

static struct tuff_scored pop_scored(struct tuff_merge_trainer *t)
{
    struct tuff_scored *heap = t->scored.items, top = heap[0];
    size_t n = --t->scored.n, at = 0;
    struct tuff_scored moved = heap[n];
    for (size_t child = 1; child < n; child = 2 * at + 1) {
        if (child + 1 < n && scores_more(&heap[child + 1], &heap[child]))
            child++;
        if (!scores_more(&heap[child], &moved))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moved;
    return top;
}

/* A merge changes the scores of all pairs with its symbols. They are queued again; older entries
 * are told by their score. */
static bool rescore(struct tuff_merge_trainer *t, uint32_t symbol)
{
    const struct tuff_positions *list = &t->pairs_of[symbol];
    uint64_t least = TUFF_MAX(t->params->min_frequency, (uint64_t) 1);
    for (size_t i = 0; i < list->n; i++)
        if (t->pairs.items[list->items[i]].count >= (int64_t) least &&
            !push_scored(t, list->items[i]))
            return false;
    return true;
}

static enum tuff_status join_pair(struct tuff_merge_trainer *t, uint32_t index, uint32_t rank)
{
    uint32_t into, a = t->pairs.items[index].a, b = t->pairs.items[index].b;
    TUFF_TRY(tuff_merge_joined(t, a, b, &into));
    bool good = tuff_bpe_put(&t->tok->bpe, a, b, rank, into);
    struct tuff_positions where = t->pairs.items[index].fresh;
    t->pairs.items[index].fresh = (struct tuff_positions){0};
    t->merged = 0;
    for (size_t i = 0; i < where.n && good; i++)
        good = tuff_merge_in_word(t, where.items[i], a, b, into);
    free(where.items);
    t->pairs.items[index].count = 0;
    t->counts[a] -= t->merged;
    t->counts[b] -= t->merged;
    t->counts[into] += t->merged;
    t->touched.n = 0;
    good = good && rescore(t, a) && rescore(t, b) && rescore(t, into);
    return good ? TUFF_OK : tuff_train_no_memory(t->ctx);
}

enum tuff_status tuff_merge_likely(struct tuff_merge_trainer *t, uint32_t vocab_size)
{
    const struct tuff_merge_params *params = t->params;
    enum tuff_status status = TUFF_OK;
    uint32_t rank = 0;
    bool good = true;
    for (size_t i = 0; i < t->n_words; i++)
        for (uint32_t k = 0; k < t->words[i].n; k++)
            t->counts[t->words[i].symbols[k]] += (double) t->words[i].count;
    for (uint32_t i = 0; i < t->pairs.n && good; i++)
        good = t->pairs.items[i].count < (int64_t) params->min_frequency || push_scored(t, i);
    if (!good)
        return tuff_train_no_memory(t->ctx);
    while (status == TUFF_OK && t->tok->vocab.n < vocab_size && t->scored.n) {
        struct tuff_scored top = pop_scored(t);
        const struct tuff_pair *pair = &t->pairs.items[top.pair];
        if (pair->count <= 0 || pair->count < (int64_t) params->min_frequency ||
            top.score != score_of(t, pair))
            continue;
        status = join_pair(t, top.pair, rank++);
        if (status == TUFF_OK && params->progress && rank % TUFF_MERGE_REPORT_EVERY == 0 &&
            !params->progress(params->progress_user, "merging", t->tok->vocab.n, vocab_size))
            status = tuff_fail(t->ctx, TUFF_E_STOPPED, "training stopped");
    }
    if (status == TUFF_OK && params->progress)
        params->progress(params->progress_user, "merging", t->tok->vocab.n, t->tok->vocab.n);
    return status;
}
